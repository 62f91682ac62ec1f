// Rectangular parts of an array: reading one is a window on the same memory, writing one gives an array with new values
// in that part. Starts may be numbers, which are checked when the operation is built, or values of an array, which are
// not: a negative one counts from the end, then reading moves the part inside the array, and a part to be written that
// does not fit is not written.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Element i of axis d is element start[d] + i * step[d] of the argument, for i < size[d]. Steps may be negative.
struct SliceAttrs : Attributes<SliceAttrs> {
  Shape start, step, size;
  Axes drop;  // sorted axes of size 1 that the part does not have
  static constexpr auto fields() {
    return std::tuple{field("start", &SliceAttrs::start), field("step", &SliceAttrs::step),
                      field("size", &SliceAttrs::size), field("drop", &SliceAttrs::drop)};
  }
};

namespace op {
extern const Op slice, slice_update;
}

/// The part from `start` to before `stop`, every `strides`-th element (1 where not given), for each axis. As in
/// Python's slices, negative numbers count from the end and all are then limited to the axis; strides may be negative.
/// @python hidden
array slice(const array& a, const Shape& start, const Shape& stop,
            const std::optional<Shape>& strides = std::nullopt, StreamOrDevice s = {});

/// The part of shape `slice_size` that begins at `start_indices` along `axes`, and at 0 along all others. The starts
/// are values of an array: the same graph serves all of them.
array slice(const array& a, const array& start_indices, const std::vector<int>& axes, const Shape& slice_size,
            StreamOrDevice s = {});

/// The array with the part from `start` to before `stop` replaced by `update`, which broadcasts to it.
/// @python hidden
array slice_update(const array& a, const array& update, const Shape& start, const Shape& stop,
                   const std::optional<Shape>& strides = std::nullopt, StreamOrDevice s = {});

/// The array with a part of the shape of `update` replaced by it. The part begins at `start_indices` along `axes`, and
/// at 0 along all others; leading axes that the update does not have are filled as a whole.
/// @python weak=a,update
array slice_update(const array& a, const array& update, const array& start_indices,
                   const std::vector<int>& axes, StreamOrDevice s = {});

/// The part that the attributes describe, all numbers counted from the front and inside the array; and the array with
/// that part replaced by `update`, which has the part's shape.
/// @python hidden
array slice_part(const array& a, const SliceAttrs& part, StreamOrDevice s = {});
/// @python hidden
array slice_part_update(const array& a, const array& update, const SliceAttrs& part, StreamOrDevice s = {});

}  // namespace melix
