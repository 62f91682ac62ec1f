// Elementwise operations: the functions and descriptions made from elementwise.inc, and the few that are not regular
// (casts, where). Inputs broadcast against each other; dtypes are promoted first.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Which dtypes an elementwise operation takes, and what it computes them as.
enum class Domain : uint8_t {
  all,       // every dtype, as it is
  number,    // every dtype but bool
  real,      // every dtype but complex64
  rounding,  // floating types; bool and integers are their own result; complex64 is an error
  inexact,   // floating and complex types; bool and integers become float32
  floating,  // floating types; bool and integers become float32; complex64 is an error
  integer,   // bool and integers; others are an error
  shift,     // integers (bool becomes uint8); others are an error
  logical,   // everything becomes bool
};

/// Numbers the elementwise operations: instructions of fused regions and rows of the kernel tables.
enum class Elementwise : int16_t {
  cast,
  select,
#define MELIX_UNARY(name, ...) name,
#define MELIX_BINARY(name, ...) name,
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
  count
};

namespace op {
extern const Op cast, select;
#define MELIX_UNARY(name, ...) extern const Op name;
#define MELIX_BINARY(name, ...) extern const Op name;
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
}  // namespace op

#define MELIX_UNARY(name, ...) array name(const array& a, StreamOrDevice s = {});
#define MELIX_BINARY(name, ...) array name(const array& a, const array& b, StreamOrDevice s = {});
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY

/// The array converted to a dtype: floats to integers truncate and saturate (NaN is 0), integers wrap, anything
/// but zero is true, complex numbers lose their imaginary part. An array of that dtype already is returned as it is.
/// @python method
array astype(const array& a, Dtype dtype, StreamOrDevice s = {});

/// Elements of `x` where the condition is true, of `y` elsewhere. All three broadcast together.
/// @python weak=x,y
array where(const array& condition, const array& x, const array& y, StreamOrDevice s = {});

/// Values limited to [a_min, a_max]; either limit may be missing, not both.
/// @python weak=a,a_min,a_max
array clip(const array& a, const std::optional<array>& a_min = std::nullopt,
           const std::optional<array>& a_max = std::nullopt, StreamOrDevice s = {});

/// Nearest number of so many decimals (of tens, for negative `decimals`); halves to the even one.
/// @python method keyword=none
array round(const array& a, int decimals = 0, StreamOrDevice s = {});

/// The argument itself.
array positive(const array& a, StreamOrDevice s = {});

/// Radians as degrees.
array degrees(const array& a, StreamOrDevice s = {});

/// Degrees as radians.
array radians(const array& a, StreamOrDevice s = {});

/// The quotient rounded down and the remainder: floor_divide(a, b) and remainder(a, b).
/// @python keyword=none
std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s = {});

/// Whether |a - b| <= atol + rtol * |b| elementwise; infinities of one sign are close. NaNs are close to each other
/// only with `equal_nan`.
array isclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false,
              StreamOrDevice s = {});

/// NaN replaced by `nan`, infinities by `posinf` and `neginf` (by default the largest finite values).
array nan_to_num(const array& a, double nan = 0.0, std::optional<double> posinf = std::nullopt,
                 std::optional<double> neginf = std::nullopt, StreamOrDevice s = {});

/// Complex conjugate.
/// @python method
inline array conj(const array& a, StreamOrDevice s = {}) { return conjugate(a, s); }

// Operators of arrays with arrays and with scalars; a scalar takes the array's type (see weak).
#define MELIX_OPERATOR(symbol, function)                                                  \
  inline array operator symbol(const array& a, const array& b) { return function(a, b); } \
  template <class T>                                                                      \
  requires std::is_arithmetic_v<T> array operator symbol(const array& a, T b) {           \
    return function(a, weak(b, a.dtype()));                                               \
  }                                                                                       \
  template <class T>                                                                      \
  requires std::is_arithmetic_v<T> array operator symbol(T a, const array& b) {           \
    return function(weak(a, b.dtype()), b);                                               \
  }

/// A scalar beside an array of type `other`: it takes that type, unless a fraction meets an integer (float32).
template <class T>
/// @python hidden
array weak(T value, Dtype other) {
  if constexpr (std::is_same_v<T, bool>) return array(int64_t(value), bool_);
  if constexpr (std::is_floating_point_v<T>) return array(double(value), is_inexact(other) ? other : float32);
  return array(int64_t(value), other == bool_ ? int32 : other);
}

MELIX_OPERATOR(+, add)
MELIX_OPERATOR(-, subtract)
MELIX_OPERATOR(*, multiply)
MELIX_OPERATOR(/, divide)
MELIX_OPERATOR(%, remainder)
MELIX_OPERATOR(==, equal)
MELIX_OPERATOR(!=, not_equal)
MELIX_OPERATOR(<, less)
MELIX_OPERATOR(<=, less_equal)
MELIX_OPERATOR(>, greater)
MELIX_OPERATOR(>=, greater_equal)
MELIX_OPERATOR(&, bitwise_and)
MELIX_OPERATOR(|, bitwise_or)
MELIX_OPERATOR(^, bitwise_xor)
MELIX_OPERATOR(<<, left_shift)
MELIX_OPERATOR(>>, right_shift)
MELIX_OPERATOR(&&, logical_and)
MELIX_OPERATOR(||, logical_or)
#undef MELIX_OPERATOR
inline array operator-(const array& a) { return negative(a); }
inline array operator~(const array& a) { return bitwise_invert(a); }
inline array operator!(const array& a) { return logical_not(a); }

/// Sums `a` over the dimensions that broadcasting to its shape from `shape` added: the gradient of a broadcast.
/// @python hidden
array sum_to(const array& a, const Shape& shape);

}  // namespace melix
