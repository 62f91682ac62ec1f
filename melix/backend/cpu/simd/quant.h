// Arguments of the kernels of quantized weights (simd/quant_*.cpp).
//
// A weight is rows of k elements. A part of a row, from a multiple of the format's elements and group on, is decoded to
// codes (small integers; float where they are none), and a scale and bias for each `step` codes:
//
//   value = scale * (code * unit) + bias       dot = sum over steps of scale * (sum of x * code) + bias * (sum of x)
#pragma once

#include <cstdint>

#include "melix/core/dtype.h"
#include "melix/ops/quant_modes.h"

namespace melix::cpu {

/// Where a part of a row lies. Blocks have neither scales nor biases, and only affine has biases.
struct QuantPart {
  const uint8_t* packed;
  const uint8_t* scales;
  const uint8_t* biases;
};

/// Most codes that are decoded at a time: a multiple of every block and group.
inline constexpr int64_t kQuantChunk = 1024;

/// What all rows of a weight have in common.
struct QuantLayout {
  QuantFormat format;
  Dtype dtype;         // of affine's scales and biases
  int64_t group;       // elements for each of `scales`
  float global;        // factor of all scales
  int64_t row_bytes;   // of packed
  int64_t row_scales;  // bytes between the scales of rows, and between the biases
};

/// Products of m rows of x with `rows` rows of a weight from `first` on: y[i * y_row + r].
struct QuantDots {
  const QuantLayout* layout;
  QuantPart first;
  int64_t rows, k;
  const float* const* x;     // m rows of k
  const float* const* sums;  // of each `step` elements of x, filled up with zeros to a multiple of kQuantPad
  int64_t m;                 // at most kQuantRows
  float* y;
  int64_t y_row;
};
inline constexpr int64_t kQuantRows = 8;
inline constexpr int64_t kQuantPad = 16;

}  // namespace melix::cpu
