// An index brought into the order in which it is carried out: a slice, a reshape, one gather (or scatter). Checks all
// that can be known when the operation is built.
//
//   a[1, rows, None, :5] of a (4, 6, 8)
//   part     (4, 6, 8) -> (6, 5)     numbers and slices; axis 0 is dropped
//   basic    (6, 1, 5)               new axes; the axes of a mask become one
//   indices  rows, for axis 0 of it; its dimensions stand at place 0 of the result
#pragma once

#include "melix/ops/indexing.h"
#include "melix/ops/slice.h"

namespace melix {

struct IndexPlan {
  SliceAttrs part;
  bool whole = true;           // the part is the array itself
  Shape kept;                  // shape of the part
  Shape basic;                 // the same elements, with new axes, and the axes of each mask joined
  Shape open;                  // as `basic`, with a mask's axes as they are
  std::vector<array> indices;  // integers, or masks
  Axes axes;                   // of `basic`, that they index
  int place = 0;               // dimensions of the result before those of the index arrays

  /// The dimensions of `basic` that are not indexed.
  size_t window_dims() const { return basic.size() - axes.size(); }
  /// Whether the only index array is a mask whose axes stay where they are.
  bool is_mask() const { return indices.size() == 1 && indices[0].dtype() == bool_ && axes[0] == place; }
};

/// Throws Code::index where the index does not fit the shape.
IndexPlan plan_index(const Shape& shape, const Index& key);

}  // namespace melix
