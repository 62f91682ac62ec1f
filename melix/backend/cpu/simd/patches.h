// Arguments of the products of patches (simd/patches.cpp): matrices whose rows are runs of elements that lie anywhere,
// as the input of a convolution that meets the taps of its weight. All are float32, or all float64.
#pragma once

#include <cstdint>

namespace melix::cpu {

/// c (m x n) = patches (m x taps * length) times n columns of a packed matrix of as many rows, on one thread.
struct PatchProduct {
  int64_t m, n, taps, length;
  const void* const* runs;  // (m, taps): the run of a tap begins `first` elements behind this address
  int64_t first;
  const void* packed;  // from pack_columns, from a strip on
  int64_t width;       // of the strips
  void* c;
  int64_t c_row;
};

/// sums (m x taps * length) += y^T (m x count) times patches (count x taps * length), on one thread. Runs may be read
/// up to kPatchSlack elements behind their end.
struct PatchGradient {
  int64_t count, m, taps, length;
  const void* const* runs;  // (count, run_step), of which `taps` are taken; begin `first` elements behind
  int64_t run_step, first;
  const void* y;  // (count, m), rows y_row apart
  int64_t y_row;
  void* sums;
  int64_t sums_row;
};

inline constexpr int64_t kPatchSlack = 32;

}  // namespace melix::cpu
