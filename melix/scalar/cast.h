// fn::cast<To>(from) among the types that kernels compute with: bool, the eight integers, float, double, Complex64.
//
// to bool      whether the value is not zero (either part of a complex number; NaN is true)
// to integer   from integers modulo 2**width; from floats truncated and saturated, NaN is 0
// to float     rounded to nearest, ties to even
// from complex the real part; to complex: imaginary part 0
// float16 and bfloat16 are computed as float: their conversions are in half.h.
//
// float -> 64-bit integers has no vector instruction before AVX512-DQ; those loops run one element at a time there.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

template <class To, class From>
MELIX_FN To saturate(From x) {
  constexpr int width = int(sizeof(To)) * 8;
  constexpr bool negative = Kind<To>::is_signed;
  // To's smallest is -limit (or 0), its largest limit - 1: every float below the limit is at most that when truncated.
  const From limit = From(uint64_t(1) << (width - 1)) * (negative ? From(1) : From(2));
  constexpr To largest = To(~Bits<To>(0)) < To(0) ? To(~Bits<To>(0) >> 1) : To(~Bits<To>(0));
  constexpr To smallest = negative ? To(~largest) : To(0);
  if constexpr (width < 32) {
    // Through int32, which every instruction set has. Clamped first, so that the conversion is always defined.
    const From low = negative ? -limit : From(0), high = limit - 1;
    From clamped = x > low ? x : low;
    clamped = clamped < high ? clamped : high;
    return To(int32_t(x == x ? clamped : From(0)));
  } else {
    const bool inside = negative ? (x >= -limit) & (x < limit) : (x > From(-1)) & (x < limit);
    const To outside = x >= limit ? largest : x < From(0) ? smallest : To(0);
    return inside ? To(x) : outside;
  }
}

template <class To, class From>
MELIX_FN To cast(From x) {
  if constexpr (Same<To, From>::value) {
    return x;
  } else if constexpr (Kind<From>::complex) {
    if constexpr (Kind<To>::boolean) {
      return (x.re != 0.0f) | (x.im != 0.0f);
    } else {
      return cast<To>(x.re);
    }
  } else if constexpr (Kind<To>::complex) {
    return Complex64{cast<float>(x), 0.0f};
  } else if constexpr (Kind<To>::boolean) {
    return x != From(0);
  } else if constexpr (Kind<From>::boolean) {
    return To(byte(x));
  } else if constexpr (Kind<From>::floating && Kind<To>::integer) {
    return saturate<To>(x);
  } else {
    return To(x);
  }
}

}  // namespace melix::fn
