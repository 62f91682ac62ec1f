// Arguments of the product kernels (simd/matmul_tiles.cpp, simd/matmul_skinny.cpp).
#pragma once

#include <cstdint>

namespace melix::cpu {

/// c (m x n) = a (m x k) times b (k x n) (+ c), on one thread. Strides in elements, any for a and b. c has the
/// accumulated type and rows of contiguous elements.
struct ProductTile {
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_column;
  const void* b;
  int64_t b_row, b_column;
  void* c;
  int64_t c_row;
  bool add;  // to what is in c
  /// kPanelBytes of memory, 64-byte aligned.
  void* panels;
};

/// y (m x n) = x (m x k) times a matrix of k x n that is read once: few rows. x has the accumulated type and
/// contiguous rows.
struct SkinnyProduct {
  int64_t m, n, k;
  const void* x;
  int64_t x_row;
  const void* b;  // stored elements
  int64_t b_row;  // between contiguous runs: rows of b for skinny_rows, columns of b for skinny_columns
  void* y;
  int64_t y_row;
};

/// Most rows of x that the kernels of skinny products take.
inline constexpr int64_t kMaxSkinny = 16;

/// Elements of k that one pass over packed panels takes, and that are added up one after the other. Sums of passes
/// are added to the sums before, so that errors grow with k / kPass + kPass, not with k.
inline constexpr int64_t kPass = 256;
/// Rows of a in a panel: a multiple of the rows of a register tile, 6 or 12.
inline constexpr int64_t kPanelRows = 96;
/// Bytes of a panel of b: half of a 512 KB L2.
inline constexpr int64_t kPanelOfB = 256 * 1024;
inline constexpr int64_t kPanelBytes = kPanelOfB + kPanelRows * kPass * 8 + 4096;

}  // namespace melix::cpu
