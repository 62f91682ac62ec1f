// What the loops of rope get (plain data, for all instruction sets).
#pragma once

#include <cstdint>

namespace melix::cpu {

/// Rows of `2 * half + tail` stored elements: pairs are rotated, the tail is copied. Row r is turned by row r of the
/// tables. Pair i is (i, i + half), or (2 * i, 2 * i + 1) where `traditional`.
struct RopeRows {
  const void* from;
  int64_t from_stride;  // elements from row to row
  void* to;
  int64_t to_stride;
  const void *cosines, *sines;  // [rows][half] of the carrier
  int64_t rows, half, tail;
  bool traditional, inverse;
};

}  // namespace melix::cpu
