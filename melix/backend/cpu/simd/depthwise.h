// Arguments of the kernels of convolutions whose channels do not meet (simd/depthwise.cpp).
#pragma once

#include <cstdint>

namespace melix::cpu {

/// Elements behind the last one that the kernels read, and that have no influence. Weights go on there from the start.
inline constexpr int64_t kDepthwiseSlack = 64;

/// out[i] = sum over taps t of x[t][i] * weights[t * weight_step + i % channels], for i < n. With one channel the
/// weights need no slack.
struct DepthwiseRow {
  int64_t n, channels, taps;
  const void* const* x;
  const void* weights;
  int64_t weight_step;
  void* out;
};

/// sums[t * sum_step + c] += sum of x[t][i] * gradient[i] over the i < n with i % channels = c. n is a multiple of
/// channels; a row of sums is kDepthwiseSlack longer, and holds anything there.
struct DepthwiseGradient {
  int64_t n, channels, taps;
  const void* const* x;
  const void* gradient;
  void* sums;
  int64_t sum_step;
};

}  // namespace melix::cpu
