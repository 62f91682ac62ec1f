// Windows: the geometry that gather and scatter share. Index arrays place windows of one size in an array; gather
// copies the windows side by side, scatter writes to them. Public functions are in gather.h and scatter.h.
//
//   a: (rows, columns)   indices (2, 3) along axis 0   sizes (1, columns)   squeeze   place 0
//   gather(a)[i, j, :] = a[indices[i, j], :]
#pragma once

#include <algorithm>

#include "melix/graph/op.h"

namespace melix {

/// What happens to a window that is not within the array. (A negative index has counted from the end by then, once.)
enum class Bounds : uint8_t {
  clamp,  // it is moved to the nearest place inside
  drop,   // scatter leaves it out; gather gives zeros
};

/// How scatter puts an update to an element that has a value. Several updates of one element are applied in order.
enum class Scatter : uint8_t { none, add, prod, max, min, divide };

/// All index arrays have one shape, the index space. Window dimensions are the axes of the array, without the batch
/// axes and, with `squeeze`, without the indexed axes. The packed array (gather's result, scatter's updates) has the
/// dimensions of the index space before window dimension number `place`.
struct WindowAttrs : Attributes<WindowAttrs> {
  Axes axes;        // axis that each index array indexes
  Axes batch_axes;  // axes of the array that go along with a dimension of the index space: of it
  Axes batch_dims;  // ... these, one each
  Shape sizes;      // of a window, for each axis of the array
  int place = 0;
  bool squeeze = true;
  Bounds bounds = Bounds::clamp;
  Scatter mode = Scatter::none;  // for scatter
  static constexpr auto fields() {
    return std::tuple{field("axes", &WindowAttrs::axes),
                      field("batch_axes", &WindowAttrs::batch_axes),
                      field("batch_dims", &WindowAttrs::batch_dims),
                      field("sizes", &WindowAttrs::sizes),
                      field("place", &WindowAttrs::place),
                      field("squeeze", &WindowAttrs::squeeze),
                      field("bounds", &WindowAttrs::bounds),
                      field("mode", &WindowAttrs::mode)};
  }

  bool is_indexed(size_t axis) const { return std::find(axes.begin(), axes.end(), int(axis)) != axes.end(); }
  bool is_batch(size_t axis) const {
    return std::find(batch_axes.begin(), batch_axes.end(), int(axis)) != batch_axes.end();
  }
  /// Whether an axis of the array is a dimension of the packed array too.
  bool is_packed(size_t axis) const { return !is_batch(axis) && !(squeeze && is_indexed(axis)); }
};

/// The shape of the index space.
Shape index_space(std::span<const array> indices);

/// The shape of the packed array. Throws, naming `op`, where attributes, array and index arrays do not fit together.
Shape packed_shape(const char* op, const WindowAttrs& w, const array& a, std::span<const array> indices);

/// Index arrays as the operations want them: int32, uint32 or int64, all broadcast to one shape.
std::vector<array> index_arrays(const char* op, const std::vector<array>& indices);

/// Windows in an array of that shape that are one element long along the indexed axes and whole along the others.
WindowAttrs windows_along(const Shape& shape, const Axes& axes);
/// Windows of one element: an index array of the same shape, but along `axis`, names one in each row.
WindowAttrs windows_in_rows(const Shape& shape, int axis);

/// The operations themselves, of prepared index arrays. 16-bit floats are combined in float32 and rounded once.
array gather_windows(const array& a, std::span<const array> indices, const WindowAttrs& w);
array scatter_windows(const array& a, const array& updates, std::span<const array> indices,
                      const WindowAttrs& w);

/// vmap of both: the windows of all examples at once. Where index arrays have a batch, it becomes the first dimension
/// of the index space; where only the others have one, the first window dimension.
struct BatchedWindows {
  std::vector<array> indices;
  WindowAttrs attrs;
  int packed_axis;  // of the batch, in the packed array
};
BatchedWindows batched_windows(const VmapContext& c, size_t first_index, bool batched_array);

}  // namespace melix
