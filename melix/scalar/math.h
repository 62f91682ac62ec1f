// The scalar mathematics of all elementwise operations, in one include: namespace melix::fn, names as in MLX.
//
//   types.h                  MELIX_FN and its rules, bits, traits, Complex64
//   half.h                   float16 and bfloat16 as bits
//   cast.h                   cast<To>(x)
//   arithmetic.h             add ... remainder, integer power, roundings, sqrt
//   logical.h                comparisons, classification, truth, bits, shifts
//   exponential.h            exp exp2 expm1 sigmoid
//   logarithm.h              log log1p log2 log10 logaddexp
//   power.h                  power of floats
//   trigonometric.h          sin cos tan
//   inverse_trigonometric.h  arcsin arccos arctan arctan2
//   hyperbolic.h             sinh cosh tanh arcsinh arccosh arctanh
//   error_function.h         erf erfinv
//   complex.h, complex_functions.h    all of these that make sense for Complex64
//   loops.h                  loops for sin, cos, tan and remainder of floats
//
// Every other loop over float, double or integers is plain, and vectorises; but powers and 64-bit divisions of integers
// and, before AVX-512, conversions of 64-bit integers run one element at a time, as complex functions do.
//
// Accuracy, over all arguments (math_test.cpp and complex_test.cpp hold the bounds): below 3 units of the last place
// for functions of float and double; below one float unit of the modulus for complex functions. The exception is
// logaddexp of doubles, whose sum can cancel: 3 units of the larger of its result and its arguments.
#pragma once

#include "melix/scalar/arithmetic.h"
#include "melix/scalar/cast.h"
#include "melix/scalar/complex.h"
#include "melix/scalar/complex_functions.h"
#include "melix/scalar/error_function.h"
#include "melix/scalar/exponential.h"
#include "melix/scalar/half.h"
#include "melix/scalar/hyperbolic.h"
#include "melix/scalar/inverse_trigonometric.h"
#include "melix/scalar/logarithm.h"
#include "melix/scalar/logical.h"
#include "melix/scalar/loops.h"
#include "melix/scalar/power.h"
#include "melix/scalar/trigonometric.h"
#include "melix/scalar/types.h"
