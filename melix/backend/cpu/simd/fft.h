// What the Fourier loops of an instruction set (simd/fft.cpp) are given. Plain data.
//
// Lanes: kFftLanes transforms run side by side, one in each lane; `width` such blocks make a group. In memory
//
//   element j of a group:  [block 0: re x 16, im x 16] [block 1: re x 16, im x 16] ...
//
// The inverse transform is the forward one with the roles of re and im exchanged: every loop takes two addresses.
#pragma once

#include <cstdint>

namespace melix::cpu {

inline constexpr int kFftLanes = 16;
/// Floats of one element of one block.
inline constexpr int64_t kFftElement = 2 * kFftLanes;
/// The largest prime that has a butterfly of its own; lengths with a larger factor go through a convolution. The
/// butterfly costs p / 2 multiplications an element, the convolution about 30.
inline constexpr int kFftLargestRadix = 61;

/// One pass of Stockham's algorithm: `count` butterflies of `radix` elements, each over `run` elements side by side.
///
///   y[run * (radix * p + k) + q] =
///       twiddle[p][k] * sum over m of x[run * (p + count * m) + q] * exp(-2 pi i k m / radix)
struct FftPass {
  int radix;
  int64_t count, run;
  const float* twiddles;  // [count][radix - 1] pairs, for k = 1, ...; not read when count is 1: all are 1
  const float*
      roots;  // [radix] pairs cos, sin of 2 pi k / radix, for radices without a butterfly of constants
};

/// Two addresses of lanes: those of the first re and the first im.
struct FftLanes {
  float *re, *im;
};

}  // namespace melix::cpu
