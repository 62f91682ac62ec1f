// Comparisons, classification, truth and bits, of all types but Complex64 (complex.h).
//
// Shifts by the width or more, and by negative amounts, give 0, or for right shifts of signed integers the sign.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

template <class T>
MELIX_FN bool equal(T a, T b) {
  return a == b;
}
template <class T>
MELIX_FN bool not_equal(T a, T b) {
  return a != b;
}
template <class T>
MELIX_FN bool less(T a, T b) {
  return a < b;
}
template <class T>
MELIX_FN bool less_equal(T a, T b) {
  return a <= b;
}
template <class T>
MELIX_FN bool greater(T a, T b) {
  return a > b;
}
template <class T>
MELIX_FN bool greater_equal(T a, T b) {
  return a >= b;
}

template <class T>
MELIX_FN bool isnan(T x) {
  return x != x;
}
template <class T>
MELIX_FN bool isposinf(T x) {
  if constexpr (Kind<T>::floating) return x == infinity<T>();
  if constexpr (!Kind<T>::floating) return false;
}
template <class T>
MELIX_FN bool isneginf(T x) {
  if constexpr (Kind<T>::floating) return x == -infinity<T>();
  if constexpr (!Kind<T>::floating) return false;
}
template <class T>
MELIX_FN bool isinf(T x) {
  if constexpr (Kind<T>::floating) return fabs(x) == infinity<T>();
  if constexpr (!Kind<T>::floating) return false;
}
template <class T>
MELIX_FN bool isfinite(T x) {
  if constexpr (Kind<T>::floating) return fabs(x) < infinity<T>();
  if constexpr (!Kind<T>::floating) return true;
}

/// Not zero; NaN is true.
template <class T>
MELIX_FN bool truth(T x) {
  return x != T(0);
}
template <class T>
MELIX_FN bool logical_not(T x) {
  if constexpr (Kind<T>::boolean) return byte(x) == 0;
  if constexpr (!Kind<T>::boolean) return !truth(x);
}
template <class T>
MELIX_FN bool logical_and(T a, T b) {
  return truth(a) & truth(b);
}
template <class T>
MELIX_FN bool logical_or(T a, T b) {
  return truth(a) | truth(b);
}
template <class T>
MELIX_FN bool logical_xor(T a, T b) {
  return truth(a) != truth(b);
}

template <class T>
MELIX_FN T bitwise_and(T a, T b) {
  return T(a & b);
}
template <class T>
MELIX_FN T bitwise_or(T a, T b) {
  return T(a | b);
}
template <class T>
MELIX_FN T bitwise_xor(T a, T b) {
  return T(a ^ b);
}
template <class T>
MELIX_FN T bitwise_invert(T x) {
  if constexpr (Kind<T>::boolean) return byte(x) == 0;
  if constexpr (!Kind<T>::boolean) return T(~x);
}

/// A type wide enough to shift without promotion, signed as T is.
template <class T>
using Shifting =
    typename Choose<(sizeof(T) < 4), typename Choose<Kind<T>::is_signed, int32_t, uint32_t>::type, T>::type;

template <class T>
MELIX_FN T left_shift(T a, T b) {
  if constexpr (Kind<T>::boolean) {
    return a;  // 1 << 1 is not 0
  } else {
    using Wide = Bits<Shifting<T>>;
    constexpr Bits<T> width = sizeof(T) * 8;
    const bool inside = Bits<T>(b) < width;  // negative amounts are large
    const Wide shifted = Wide(a) << (Wide(b) & (width - 1));
    return inside ? T(shifted) : T(0);
  }
}
template <class T>
MELIX_FN T right_shift(T a, T b) {
  if constexpr (Kind<T>::boolean) {
    return byte(a) > byte(b);
  } else {
    using Wide = Shifting<T>;
    constexpr Bits<T> width = sizeof(T) * 8;
    const bool inside = Bits<T>(b) < width;
    if constexpr (Kind<T>::is_signed) {
      return T(Wide(a) >> (inside ? Wide(b) : Wide(width - 1)));
    } else {
      const Wide shifted = Wide(a) >> (Wide(b) & (width - 1));
      return inside ? T(shifted) : T(0);
    }
  }
}

}  // namespace melix::fn
