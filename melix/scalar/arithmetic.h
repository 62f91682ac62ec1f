// Arithmetic of bool, the eight integers, float and double. Complex64 is in complex.h, real powers in power.h.
//
// bool      computed as integers and cast back: true + true is true
// integers  wrap modulo 2**width; x // 0 = x % 0 = 0, smallest // -1 = smallest; quotients are rounded down (Python's
// rule)
// floats    IEEE; remainder has the sign of the divisor; maximum and minimum pass NaN on
#pragma once

#include "melix/scalar/double_double.h"
#include "melix/scalar/types.h"

namespace melix::fn {

/// Where integers of T are added and multiplied: unsigned, and wide enough that no promotion to int can overflow.
template <class T>
using Wrapping = Bits<typename Choose<(sizeof(T) < 4), uint32_t, T>::type>;

template <class T>
MELIX_FN T add(T a, T b) {
  if constexpr (Kind<T>::boolean) return a | b;
  if constexpr (Kind<T>::floating) return a + b;
  if constexpr (Kind<T>::integer) return T(Wrapping<T>(a) + Wrapping<T>(b));
}
template <class T>
MELIX_FN T subtract(T a, T b) {
  if constexpr (Kind<T>::boolean) return a != b;
  if constexpr (Kind<T>::floating) return a - b;
  if constexpr (Kind<T>::integer) return T(Wrapping<T>(a) - Wrapping<T>(b));
}
template <class T>
MELIX_FN T multiply(T a, T b) {
  if constexpr (Kind<T>::boolean) return a & b;
  if constexpr (Kind<T>::floating) return a * b;
  if constexpr (Kind<T>::integer) return T(Wrapping<T>(a) * Wrapping<T>(b));
}
MELIX_FN float divide(float a, float b) { return a / b; }
MELIX_FN double divide(double a, double b) { return a / b; }

template <class T>
MELIX_FN T negative(T x) {
  if constexpr (Kind<T>::boolean) return x;
  if constexpr (Kind<T>::floating) return -x;
  if constexpr (Kind<T>::integer) return T(Wrapping<T>(0) - Wrapping<T>(x));
}
template <class T>
MELIX_FN T abs(T x) {
  if constexpr (Kind<T>::floating) {
    return fabs(x);
  } else if constexpr (Kind<T>::is_signed) {
    return x < T(0) ? negative(x) : x;
  } else {
    return x;
  }
}
/// -1, 0 or 1; NaN of NaN.
template <class T>
MELIX_FN T sign(T x) {
  if constexpr (Kind<T>::floating) {
    return x > T(0) ? T(1) : x < T(0) ? T(-1) : x == T(0) ? T(0) : x;
  } else if constexpr (Kind<T>::is_signed) {
    return T((x > T(0) ? 1 : 0) - (x < T(0) ? 1 : 0));
  } else {
    return T(x != T(0) ? 1 : 0);
  }
}
template <class T>
MELIX_FN T square(T x) {
  return multiply(x, x);
}

/// The larger; NaN if either is.
template <class T>
MELIX_FN T maximum(T a, T b) {
  if constexpr (Kind<T>::floating) {
    return (a > b) | (a != a) ? a : b;
  } else {
    return a > b ? a : b;
  }
}
template <class T>
MELIX_FN T minimum(T a, T b) {
  if constexpr (Kind<T>::floating) {
    return (a < b) | (a != a) ? a : b;
  } else {
    return a < b ? a : b;
  }
}

// ---- integer division ----

/// a / b rounded down, b neither 0 nor -1. Up to 32 bits by a float division, which vectorises: the quotient's
/// rounding error is below 2**-8 / |b| (float, 16 bits) or 2**-21 / |b| (double, 32 bits), its distance to an integer
/// 0 or at least 1 / |b|.
template <class T>
MELIX_FN T quotient_down(T a, T b) {
  if constexpr (sizeof(T) <= 2) {
    return T(int32_t(hw_floor(float(a) / float(b))));
  } else if constexpr (sizeof(T) == 4) {
    return T(hw_floor(double(a) / double(b)));
  } else if constexpr (Kind<T>::is_signed) {
    const T q = a / b;
    return (a % b != 0) & ((a < 0) != (b < 0)) ? q - 1 : q;
  } else {
    return a / b;
  }
}
template <class T>
MELIX_FN T floor_divide(T a, T b) {
  if constexpr (Kind<T>::boolean) {
    return a & b;
  } else if constexpr (Kind<T>::floating) {
    return hw_floor(a / b);
  } else {
    const bool negates = Kind<T>::is_signed && b == T(-1), zero = b == T(0);
    const T q = quotient_down(a, negates | zero ? T(1) : b);
    return zero ? T(0) : negates ? negative(a) : q;
  }
}

/// a**b. The loop runs once for each bit of b.
template <class T>
MELIX_FN T integer_power(T a, T b) {
  if constexpr (Kind<T>::is_signed) {
    if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? T(b & 1 ? -1 : 1) : T(0);
  }
  Wrapping<T> result = 1, base = Wrapping<T>(a);
  for (Bits<T> left = Bits<T>(b); left != 0; left = Bits<T>(left >> 1)) {
    result *= left & 1 ? base : Wrapping<T>(1);
    base *= base;
  }
  return T(result);
}
/// Of integers, wrapping; a negative power is 0, but for bases 1 and -1. Of bool: false**true alone is false.
template <class T>
MELIX_FN T power(T a, T b) {
  if constexpr (Kind<T>::boolean) {
    return byte(a) >= byte(b);
  } else {
    return integer_power(a, b);
  }
}

// ---- remainder: fast and slow forms of floats as in trigonometric.h, for loops.h ----

/// The exact |a| mod |b| is a - trunc(a/b) * b as long as that product is exact; here up to quotients of 2**28 (float,
/// in double) and 2**52 (double, by an exact product, which needs room to split its factors).
MELIX_FN bool remainder_needs_slow(float a, float b) {
  const double x = fabs(double(a)), y = fabs(double(b));
  return (x >= y * 0x1p28) & (x < infinity<double>()) & (y > 0.0);
}
MELIX_FN bool remainder_needs_slow(double a, double b) {
  const double x = fabs(a), y = fabs(b);
  return ((x >= y * 0x1p52) | ((x >= 0x1p960) & (x >= y))) & (x < infinity<double>()) & (y > 0.0);
}
/// From m = |a| mod |b|: the sign of b, also for zeros.
template <class T>
MELIX_FN T remainder_signed(T a, T b, T m) {
  const bool differ = signbit(a) != signbit(b);
  const T result = xorsign(m, a);
  return m == T(0) ? copysign(m, b) : differ ? result + b : result;
}
MELIX_FN float remainder_fast(float a, float b) {
  const double x = fabs(double(a)), y = fabs(double(b));
  double m = x - hw_trunc(x / y) * y;  // the quotient may have been rounded up to an integer
  m = m < 0.0 ? m + y : m;
  m = x < y ? x : m;  // y infinite
  return remainder_signed(a, b, float(m));
}
MELIX_FN double remainder_fast(double a, double b) {
  const double x = fabs(a), y = fabs(b);
  const DoubleDouble product = two_product(hw_trunc(x / y), y);
  double m = (x - product.high) - product.low;
  m = m < 0.0 ? m + y : m;
  m = x < y ? x : m;
  return remainder_signed(a, b, m);
}
/// Any finite a and b != 0: the mantissa of a times a power of two, modulo that of b, eleven bits at a time.
MELIX_FN_SLOW double remainder_slow(double a, double b) {
  const uint64_t fraction = 0xfffffffffffffu;
  const uint64_t x = bits(fabs(a)), y = bits(fabs(b));
  const int x_exponent = int(x >> 52), y_exponent = int(y >> 52);
  // subnormals have the lowest exponent and no hidden bit
  uint64_t m = (x & fraction) | (x_exponent ? fraction + 1 : 0);
  const uint64_t divisor = (y & fraction) | (y_exponent ? fraction + 1 : 0);
  int left = (x_exponent ? x_exponent : 1) - (y_exponent ? y_exponent : 1);
  if (left < 0) return remainder_signed(a, b, fabs(a));
  m %= divisor;
  for (; left > 0; left -= 11) m = (m << (left < 11 ? left : 11)) % divisor;
  // m * 2**(exponent of b): as a double exactly, m having 53 bits; in two factors, as 2**-1074 is subnormal
  const int exponent = (y_exponent ? y_exponent : 1) - 1075;
  const double unit = from_bits(uint64_t(exponent + 1074 + 1) << 52);  // 2**(exponent + 52)
  return remainder_signed(a, b, double(int64_t(m)) * 0x1p-52 * unit);
}
MELIX_FN float remainder_slow(float a, float b) { return float(remainder_slow(double(a), double(b))); }

MELIX_FN float remainder(float a, float b) {
  return remainder_needs_slow(a, b) ? remainder_slow(a, b) : remainder_fast(a, b);
}
MELIX_FN double remainder(double a, double b) {
  return remainder_needs_slow(a, b) ? remainder_slow(a, b) : remainder_fast(a, b);
}
/// a - (a // b) * b; 0 for b == 0.
template <class T>
MELIX_FN T remainder(T a, T b) {
  if constexpr (Kind<T>::boolean) {
    return false;
  } else {
    const bool trivial = (Kind<T>::is_signed && b == T(-1)) | (b == T(0));
    const T d = trivial ? T(1) : b;
    return subtract(a, multiply(quotient_down(a, d), d));  // 0 for d == 1
  }
}

// ---- roundings and roots ----

template <class T>
MELIX_FN T floor(T x) {
  if constexpr (Kind<T>::floating) return hw_floor(x);
  if constexpr (!Kind<T>::floating) return x;
}
template <class T>
MELIX_FN T ceil(T x) {
  if constexpr (Kind<T>::floating) return hw_ceil(x);
  if constexpr (!Kind<T>::floating) return x;
}
template <class T>
MELIX_FN T trunc(T x) {
  if constexpr (Kind<T>::floating) return hw_trunc(x);
  if constexpr (!Kind<T>::floating) return x;
}
/// Halves to the even neighbour.
template <class T>
MELIX_FN T round(T x) {
  if constexpr (Kind<T>::floating) return hw_rint(x);
  if constexpr (!Kind<T>::floating) return x;
}
MELIX_FN float sqrt(float x) { return hw_sqrt(x); }
MELIX_FN double sqrt(double x) { return hw_sqrt(x); }
MELIX_FN float rsqrt(float x) { return 1.0f / hw_sqrt(x); }
MELIX_FN double rsqrt(double x) { return 1.0 / hw_sqrt(x); }
MELIX_FN float reciprocal(float x) { return 1.0f / x; }
MELIX_FN double reciprocal(double x) { return 1.0 / x; }

// Real numbers as complex ones.
template <class T>
MELIX_FN T conj(T x) {
  return x;
}
template <class T>
MELIX_FN T real(T x) {
  return x;
}
template <class T>
MELIX_FN T imag(T) {
  return T(0);
}

}  // namespace melix::fn
