// See windows.h.
#include "melix/ops/windows.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// Each of the axes once, in range, and none twice.
void check_axes(const char* op, const WindowAttrs& w, size_t ndim) {
  SmallVector<bool, 8> used(ndim, false);
  for (const Axes* axes : {&w.axes, &w.batch_axes}) {
    for (int axis : *axes) {
      if (axis < 0 || size_t(axis) >= ndim)
        fail(Code::value, op, "axis ", axis, " is out of range for ", ndim, " dimensions");
      if (used[size_t(axis)]) fail(Code::value, op, "axis ", axis, " is given twice");
      used[size_t(axis)] = true;
    }
  }
}

void check_sizes(const char* op, const WindowAttrs& w, const Shape& shape, bool any_window) {
  if (w.sizes.size() != shape.size())
    fail(Code::value, op, "slice sizes ", w.sizes, " for an array of shape ", shape);
  for (size_t d = 0; d < shape.size(); d++) {
    bool one = w.is_batch(d) || (w.squeeze && w.is_indexed(d));
    if (w.sizes[d] < 0 || (one && w.sizes[d] != 1))
      fail(Code::value, op, "slice sizes ", w.sizes, " are wrong for axis ", d);
    if (w.sizes[d] <= shape[d] || (w.is_indexed(d) && (!any_window || w.bounds == Bounds::drop))) continue;
    if (shape[d] == 0 && w.is_indexed(d))
      fail(Code::value, op, "axis ", d, " of shape ", shape, " has no element to choose from");
    fail(Code::value, op, "slice sizes ", w.sizes, " are larger than shape ", shape);
  }
}

void check_indices(const char* op, const WindowAttrs& w, const Shape& shape, std::span<const array> indices) {
  if (indices.size() != w.axes.size())
    fail(Code::value, op, indices.size(), " index arrays for ", w.axes.size(), " axes");
  for (const array& index : indices) {
    Dtype dtype = index.dtype();
    if (dtype != int32 && dtype != uint32 && dtype != int64)
      fail(Code::value, op, "index arrays of ", dtype, " are not taken");
    if (index.shape() != indices[0].shape())
      fail(Code::value, op, "index arrays of shapes ", indices[0].shape(), " and ", index.shape());
  }
  Shape space = index_space(indices);
  if (w.batch_axes.size() != w.batch_dims.size())
    fail(Code::value, op, "batch axes and dimensions differ in number");
  for (size_t k = 0; k < w.batch_axes.size(); k++) {
    int64_t n = shape[size_t(w.batch_axes[k])];
    int dim = w.batch_dims[k];
    if (dim < 0 || size_t(dim) >= space.size() || space[size_t(dim)] != n) {
      fail(Code::value, op, "index arrays of shape ", space, " do not go along axis ", w.batch_axes[k],
           " of shape ", shape);
    }
  }
}

}  // namespace

Shape index_space(std::span<const array> indices) { return indices.empty() ? Shape() : indices[0].shape(); }

Shape packed_shape(const char* op, const WindowAttrs& w, const array& a, std::span<const array> indices) {
  const Shape& shape = a.shape();
  check_axes(op, w, shape.size());
  check_indices(op, w, shape, indices);
  Shape space = index_space(indices);
  check_sizes(op, w, shape, elements(space) > 0);
  Shape out;
  for (size_t d = 0; d < shape.size(); d++) {
    if (w.is_packed(d)) out.push_back(w.sizes[d]);
  }
  if (w.place < 0 || size_t(w.place) > out.size())
    fail(Code::value, op, "windows have no dimension number ", w.place);
  out.insert(out.begin() + w.place, space.begin(), space.end());
  elements(op, out);
  return out;
}

std::vector<array> index_arrays(const char* op, const std::vector<array>& indices) {
  std::vector<array> out;
  Shape space;
  for (const array& index : indices) {
    Dtype dtype = index.dtype();
    if (!is_integer(dtype)) fail(Code::value, op, "indices must be integers, got ", dtype);
    if (dtype != int32 && dtype != uint32 && dtype != int64) dtype = size_of(dtype) < 4 ? int32 : int64;
    out.push_back(astype(index, dtype));
    space = broadcast(op, space, index.shape());
  }
  for (array& index : out) {
    if (index.shape() != space) index = broadcast_to(index, space);
  }
  return out;
}

WindowAttrs windows_along(const Shape& shape, const Axes& axes) {
  WindowAttrs w;
  w.axes = axes;
  w.sizes = shape;
  for (int axis : axes) w.sizes[size_t(axis)] = 1;
  return w;
}

WindowAttrs windows_in_rows(const Shape& shape, int axis) {
  WindowAttrs w;
  w.axes.push_back(axis);
  w.sizes.assign(shape.size(), 1);
  for (int d = 0; d < int(shape.size()); d++) {
    if (d == axis) continue;
    w.batch_axes.push_back(d);
    w.batch_dims.push_back(d);
  }
  return w;
}

BatchedWindows batched_windows(const VmapContext& c, size_t first_index, bool batched_array) {
  const auto& w = attrs_as<WindowAttrs>(c.attrs);
  BatchedWindows out{{c.inputs.begin() + ptrdiff_t(first_index), c.inputs.end()}, w, w.place};
  WindowAttrs& b = out.attrs;
  bool by_index = false;
  for (size_t i = first_index; i < c.inputs.size(); i++) by_index |= c.batched[i];
  if (by_index) {
    for (size_t i = first_index; i < c.inputs.size(); i++) out.indices[i - first_index] = c.with_batch(i);
    for (int& dim : b.batch_dims) dim++;
  }
  if (!batched_array) return out;
  for (int& axis : b.axes) axis++;
  for (int& axis : b.batch_axes) axis++;
  b.sizes.insert(b.sizes.begin(), by_index ? 1 : c.batch);
  if (by_index) {
    b.batch_axes.push_back(0);
    b.batch_dims.push_back(0);
  } else {
    b.place++;
    out.packed_axis = 0;
  }
  return out;
}

}  // namespace melix
