// Where the windows of a gather or scatter are: offsets of the index space's positions, and strides within a window.
// All offsets are in elements, from the first element of the array (`table`) or of the packed one.
#pragma once

#include <cstdint>
#include <limits>

#include "melix/ops/windows.h"

namespace melix::cpu {

/// The offset of a window that is left out.
inline constexpr int64_t kDropped = std::numeric_limits<int64_t>::min();

/// Dimensions that are walked in the table and in the packed array at once, neighbours joined where both allow it.
/// There is at least one, of length 1 if need be.
struct Walk {
  Shape shape;
  Strides table, packed;

  void add(int64_t n, int64_t table_stride, int64_t packed_stride);
  void join();
  int64_t size() const { return elements(shape); }
  int64_t run() const { return shape.back(); }  // elements of the innermost dimension
  int64_t rows() const { return size() / std::max<int64_t>(run(), 1); }  // how often it is walked
};

/// Offsets of the rows of a walk, one after the other, without divisions.
class Rows {
 public:
  /// Starts at row number `row`.
  Rows(const Walk& walk, int64_t row);
  int64_t table() const { return table_; }
  int64_t packed() const { return packed_; }
  void next();

 private:
  const Walk& walk_;
  SmallVector<int64_t, 6> position_;
  int64_t table_ = 0, packed_ = 0;
};

class Windows {
 public:
  Windows(const WindowAttrs& w, const View& table, std::span<const View> indices, const View& packed);

  int64_t count() const { return count_; }
  /// Dimensions of a window before and behind those of the index space in the packed array, and all of them.
  const Walk& outer() const { return outer_; }
  const Walk& inner() const { return inner_; }
  Walk all() const;
  /// Whether two windows may share some of their elements and not all.
  bool may_overlap() const { return may_overlap_; }

  /// Offsets of windows [begin, begin + n) in the table and, unless null, in the packed array. True if any is dropped.
  bool offsets(int64_t begin, int64_t n, int64_t* table, int64_t* packed) const;

 private:
  struct Source {
    const View* view;
    int64_t length;  // of the axis
    int64_t last;    // largest start of a window
    int64_t stride;  // of the table along the axis
  };

  int64_t count_;
  bool may_overlap_ = false, drop_;
  Walk outer_, inner_;
  // The index space, joined: strides of table (by batch axes), of packed, then of each index array.
  Shape space_;
  SmallVector<Strides, 4> strides_;
  SmallVector<Source, 2> sources_;
};

}  // namespace melix::cpu
