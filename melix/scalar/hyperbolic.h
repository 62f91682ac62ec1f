// sinh, cosh, tanh and their inverses, of float and double. Complex arguments: complex.h.
//
// sinh and tanh are odd polynomials near 0 and use exp beyond, sinh and cosh through exp(|x|)/2, which overflows only
// where they do. The inverses use log1p of an expression without cancellation. Polynomials from tools/minimax.py.
#pragma once

#include "melix/scalar/exponential.h"
#include "melix/scalar/logarithm.h"

namespace melix::fn {

/// sinh(x)/x - 1 for |x| <= 1, z = x*x
MELIX_FN float sinh_tail(float z) {
  // sinh_f32 2**-31.6
  const float p = horner(z, 0.16666667f, 0.0083333105f, 1.9842894e-4f, 2.7822286e-6f);
  return z * p;
}
MELIX_FN double sinh_tail(double z) {
  // sinh_f64 2**-63.0
  const double p =
      horner(z, 0.16666666666666666, 0.008333333333333573, 0.0001984126984106117, 2.755731931008076e-6,
             2.5052089416259354e-8, 1.6061338570523898e-10, 7.503314532475305e-13, 6.473762852967431e-15);
  return z * p;
}
/// tanh(x)/x - 1 for |x| <= 0.6
MELIX_FN float tanh_tail(float z) {
  // tanh_f32 2**-28.4
  const float p = horner(z, -0.333333f, 0.13331936f, -0.053784713f, 0.0207986f, -0.0058979224f);
  return z * p;
}
MELIX_FN double tanh_tail(double z) {
  // tanh_f64 2**-65.0
  const double p =
      horner(z, -0.3333333333333333, 0.13333333333332928, -0.05396825396794359, 0.021869488524183182,
             -0.00886323525737786, 0.0035921240477209933, -0.0014557949199185975, 0.0005897558826452246,
             -0.00023781371399717578, 9.24402319649008e-5, -2.8787439525495698e-5, -3.051557116729099e-7,
             8.700246898918053e-6, -4.432654824296686e-6);
  return z * p;
}

template <class T>
MELIX_FN T sinh_of(T x) {
  const T a = fabs(x), e = exp_scaled(a, -1);
  return xorsign(a < T(1) ? a + a * sinh_tail(a * a) : e - T(0.25) / e, x);
}
template <class T>
MELIX_FN T cosh_of(T x) {
  const T e = exp_scaled(fabs(x), -1);
  return e + T(0.25) / e;
}
template <class T>
MELIX_FN T tanh_of(T x) {
  const T a = fabs(x);
  const T large = T(1) - T(2) / (exp(T(2) * a) + T(1));
  return xorsign(a < T(0.6) ? a + a * tanh_tail(a * a) : large, x);
}
MELIX_FN float sinh(float x) { return sinh_of(x); }
MELIX_FN double sinh(double x) { return sinh_of(x); }
MELIX_FN float cosh(float x) { return cosh_of(x); }
MELIX_FN double cosh(double x) { return cosh_of(x); }
MELIX_FN float tanh(float x) { return tanh_of(x); }
MELIX_FN double tanh(double x) { return tanh_of(x); }

/// From here on x*x + 1 is x*x, and 2x may overflow: log(x) + ln2, as log1p(x - 1) + ln2.
template <class T>
MELIX_FN T inverse_hyperbolic_large() {
  return T(sizeof(T) == 4 ? 0x1p14 : 0x1p28);
}
/// log(a + sqrt(a*a + 1)) = log1p(a + a*a / (1 + sqrt(a*a + 1)))
template <class T>
MELIX_FN T arcsinh_of(T x) {
  const T a = fabs(x), square = a * a;
  const bool large = a > inverse_hyperbolic_large<T>();
  const T argument = large ? a - T(1) : a + square / (T(1) + hw_sqrt(square + T(1)));
  return xorsign(log1p(argument) + (large ? T(0.69314718055994529) : T(0)), x);
}
/// log(x + sqrt(x*x - 1)) = log1p(t + sqrt(2t + t*t)), t = x - 1
template <class T>
MELIX_FN T arccosh_of(T x) {
  const T t = x - T(1);
  const bool large = x > inverse_hyperbolic_large<T>();
  const T argument = large ? t : t + hw_sqrt(t + t + t * t);
  const T result = log1p(argument) + (large ? T(0.69314718055994529) : T(0));
  return x < T(1) ? nan<T>() : result;
}
/// log((1 + a) / (1 - a)) / 2 = log1p(2a / (1 - a)) / 2
template <class T>
MELIX_FN T arctanh_of(T x) {
  const T a = fabs(x);
  return xorsign(T(0.5) * log1p((a + a) / (T(1) - a)), x);
}
MELIX_FN float arcsinh(float x) { return arcsinh_of(x); }
MELIX_FN double arcsinh(double x) { return arcsinh_of(x); }
MELIX_FN float arccosh(float x) { return arccosh_of(x); }
MELIX_FN double arccosh(double x) { return arccosh_of(x); }
MELIX_FN float arctanh(float x) { return arctanh_of(x); }
MELIX_FN double arctanh(double x) { return arctanh_of(x); }

}  // namespace melix::fn
