// Rules of slices. Those with dynamic starts are gathers and scatters of a single window.
#include "melix/ops/slice.h"

#include <algorithm>

#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

Ref<const Attrs> copy_of(const SliceAttrs& part) {
  return make_attrs<SliceAttrs>(part.start, part.step, part.size, part.drop);
}

// The part's shape. Attributes may come from a file: nothing about them is believed.
Shape checked_shape(const char* op, const SliceAttrs& part, const Shape& shape) {
  size_t ndim = shape.size();
  if (part.start.size() != ndim || part.step.size() != ndim || part.size.size() != ndim) {
    fail(Code::value, op, "start ", part.start, ", step ", part.step, " and size ", part.size,
         " do not fit shape ", shape);
  }
  Shape out;
  size_t dropped = 0;
  for (size_t d = 0; d < ndim; d++) {
    int64_t n = part.size[d], last;
    bool wrong = n < 0;
    if (n > 0) {
      wrong |= __builtin_mul_overflow(n - 1, part.step[d], &last) ||
               __builtin_add_overflow(last, part.start[d], &last);
      wrong |= part.start[d] < 0 || part.start[d] >= shape[d] || last < 0 || last >= shape[d];
    }
    if (wrong) {
      fail(Code::value, op, "start ", part.start[d], ", step ", part.step[d], " and size ", n, " leave axis ",
           d, " of shape ", shape);
    }
    if (dropped < part.drop.size() && part.drop[dropped] == int(d)) {
      if (n != 1) fail(Code::value, op, "axis ", d, " cannot be dropped, it has size ", n);
      dropped++;
    } else {
      out.push_back(n);
    }
  }
  if (dropped != part.drop.size())
    fail(Code::value, op, "the axes to drop are not sorted axes of shape ", shape);
  return out;
}

// ---- slice ----

void infer_slice(const Attrs* attrs, std::span<const array> in, Avals& out) {
  out.push_back({checked_shape("slice", attrs_as<SliceAttrs>(attrs), in[0].shape()), in[0].dtype()});
}

bool view_slice(const Attrs* attrs, std::span<const View> in, std::span<View> out) {
  const auto& part = attrs_as<SliceAttrs>(attrs);
  View& to = out[0];
  to.buffer = in[0].buffer;
  to.offset = in[0].offset;
  to.strides.clear();
  bool empty = elements(to.shape) == 0;
  for (uint32_t d = 0, k = 0; d < part.size.size(); d++) {
    if (!empty) to.offset += part.start[d] * in[0].strides[d];
    if (k < part.drop.size() && part.drop[k] == int(d)) {
      k++;
    } else {
      to.strides.push_back(part.size[d] > 1 ? part.step[d] * in[0].strides[d] : 1);
    }
  }
  return true;
}

array zeros(const Shape& shape, Dtype dtype) { return broadcast_to(array(int64_t(0), dtype), shape); }

std::vector<MaybeArray> slice_vjp(const VjpContext& c) {
  const array& a = c.inputs[0];
  return {slice_part_update(zeros(a.shape(), a.dtype()), c.cotangents[0], attrs_as<SliceAttrs>(c.attrs))};
}

std::vector<MaybeArray> slice_jvp(const JvpContext& c) { return linear_jvp(op::slice, c); }

// The attributes for arrays with a batch as axis 0, which is taken as a whole.
SliceAttrs batched_part(const SliceAttrs& part, int64_t batch) {
  SliceAttrs out = part;
  out.start.insert(out.start.begin(), 0);
  out.step.insert(out.step.begin(), 1);
  out.size.insert(out.size.begin(), batch);
  for (int& axis : out.drop) axis++;
  return out;
}

std::vector<array> slice_vmap(const VmapContext& c) {
  return {slice_part(c.inputs[0], batched_part(attrs_as<SliceAttrs>(c.attrs), c.batch))};
}

// ---- slice_update ----

void infer_update(const Attrs* attrs, std::span<const array> in, Avals& out) {
  Shape shape = checked_shape("slice_update", attrs_as<SliceAttrs>(attrs), in[0].shape());
  if (in[1].shape() != shape)
    fail(Code::value, "slice_update", "update of shape ", in[1].shape(), " for a part of shape ", shape);
  if (in[1].dtype() != in[0].dtype())
    fail(Code::value, "slice_update", "update of ", in[1].dtype(), " for an array of ", in[0].dtype());
  out.push_back({in[0].shape(), in[0].dtype()});
}

std::vector<MaybeArray> update_vjp(const VjpContext& c) {
  const auto& part = attrs_as<SliceAttrs>(c.attrs);
  const array& g = c.cotangents[0];
  std::vector<MaybeArray> grads(2);
  if (c.wanted[0]) grads[0] = slice_part_update(g, zeros(c.inputs[1].shape(), g.dtype()), part);
  if (c.wanted[1]) grads[1] = slice_part(g, part);
  return grads;
}

std::vector<MaybeArray> update_jvp(const JvpContext& c) {
  if (!c.tangents[0] && !c.tangents[1]) return {std::nullopt};
  Dtype dtype = c.inputs[0].dtype();
  array a = c.tangents[0] ? *c.tangents[0] : zeros(c.inputs[0].shape(), dtype);
  array update = c.tangents[1] ? *c.tangents[1] : zeros(c.inputs[1].shape(), dtype);
  return {slice_part_update(a, update, attrs_as<SliceAttrs>(c.attrs))};
}

std::vector<array> update_vmap(const VmapContext& c) {
  return {slice_part_update(c.with_batch(0), c.with_batch(1),
                            batched_part(attrs_as<SliceAttrs>(c.attrs), c.batch))};
}

// ---- arguments ----

// Start, stop and step as Python's slices mean them.
SliceAttrs resolved(const char* op, const Shape& shape, const Shape& start, const Shape& stop,
                    const std::optional<Shape>& strides) {
  size_t ndim = shape.size();
  if (start.size() != ndim || stop.size() != ndim || (strides && strides->size() != ndim)) {
    fail(Code::value, op, "needs a start, a stop and a stride for each of the ", ndim, " axes of shape ",
         shape);
  }
  SliceAttrs out;
  for (size_t d = 0; d < ndim; d++) {
    int64_t n = shape[d], step = strides ? (*strides)[d] : 1;
    if (step == 0) fail(Code::value, op, "the stride of axis ", d, " is 0");
    // A negative step runs down to -1, which is then the place before the first element.
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t from = std::clamp(start[d] < 0 ? start[d] + n : start[d], low, high);
    int64_t to = std::clamp(stop[d] < 0 ? stop[d] + n : stop[d], low, high);
    int64_t distance = step > 0 ? to - from : from - to;
    // |step| without overflow: a step beyond the axis takes one element.
    int64_t length = distance <= 0 ? 0 : (distance - 1) / (step > 0 ? step : step < -n ? n : -step) + 1;
    out.start.push_back(length ? from : 0);
    out.step.push_back(length > 1 ? step : 1);
    out.size.push_back(length);
  }
  return out;
}

bool is_whole(const SliceAttrs& part, const Shape& shape) {
  if (part.size != shape || !part.drop.empty()) return false;
  return std::all_of(part.step.begin(), part.step.end(), [](int64_t step) { return step == 1; });
}

// The dynamic starts as scalars, one for each axis.
std::vector<array> starts(const char* op, const array& start_indices, size_t axes) {
  if (start_indices.ndim() > 1 || start_indices.size() != int64_t(axes)) {
    fail(Code::value, op, "start_indices of shape ", start_indices.shape(), " for ", axes, " axes");
  }
  if (start_indices.ndim() == 0) return {start_indices};
  std::vector<array> out;
  for (size_t k = 0; k < axes; k++) {
    SliceAttrs one;
    one.start.push_back(int64_t(k));
    one.step.push_back(1);
    one.size.push_back(1);
    one.drop.push_back(0);
    out.push_back(slice_part(start_indices, one));
  }
  return out;
}

}  // namespace

namespace op {
const Op slice{.name = "slice",
               .kind = OpClass::view,
               .infer = infer_slice,
               .vjp = slice_vjp,
               .jvp = slice_jvp,
               .vmap = slice_vmap,
               .view = view_slice,
               .read_attrs = SliceAttrs::read};
const Op slice_update{.name = "slice_update",
                      .infer = infer_update,
                      .vjp = update_vjp,
                      .jvp = update_jvp,
                      .vmap = update_vmap,
                      .read_attrs = SliceAttrs::read,
                      .least_inputs = 2,
                      .layout = InputLayout::any,
                      .updates_input = true};
}  // namespace op

array slice_part(const array& a, const SliceAttrs& part, StreamOrDevice s) {
  return make(op::slice, copy_of(part), {a}, s);
}

array slice_part_update(const array& a, const array& update, const SliceAttrs& part, StreamOrDevice s) {
  return make(op::slice_update, copy_of(part), {a, update}, s);
}

array slice(const array& a, const Shape& start, const Shape& stop, const std::optional<Shape>& strides,
            StreamOrDevice s) {
  SliceAttrs part = resolved("slice", a.shape(), start, stop, strides);
  return is_whole(part, a.shape()) ? a : slice_part(a, part, s);
}

array slice(const array& a, const array& start_indices, const std::vector<int>& axes, const Shape& slice_size,
            StreamOrDevice s) {
  StreamScope scope(s);
  Axes sorted = normal_axes("slice", axes, a.shape());
  if (slice_size.size() != a.ndim())
    fail(Code::value, "slice", "slice_size ", slice_size, " for shape ", a.shape());
  for (size_t d = 0; d < a.ndim(); d++) {
    if (slice_size[d] < 0 || slice_size[d] > a.shape()[d]) {
      fail(Code::value, "slice", "slice_size ", slice_size, " is larger than shape ", a.shape());
    }
  }
  return gather(a, starts("slice", start_indices, axes.size()), axes, slice_size);
}

array slice_update(const array& a, const array& update, const Shape& start, const Shape& stop,
                   const std::optional<Shape>& strides, StreamOrDevice s) {
  StreamScope scope(s);
  SliceAttrs part = resolved("slice_update", a.shape(), start, stop, strides);
  array values = astype(update, a.dtype());
  if (broadcast("slice_update", values.shape(), part.size) != part.size) {
    fail(Code::value, "slice_update", "update of shape ", update.shape(),
         " does not broadcast to the part's shape ", part.size);
  }
  if (values.shape() != part.size) values = broadcast_to(values, part.size);
  return is_whole(part, a.shape()) ? values : slice_part_update(a, values, part);
}

array slice_update(const array& a, const array& update, const array& start_indices,
                   const std::vector<int>& axes, StreamOrDevice s) {
  StreamScope scope(s);
  Axes dynamic = normal_axes("slice_update", axes, a.shape());
  if (update.ndim() > a.ndim()) {
    fail(Code::value, "slice_update", "update of shape ", update.shape(), " for an array of shape ",
         a.shape());
  }
  size_t lead = a.ndim() - update.ndim();
  Shape size;
  for (size_t d = 0; d < a.ndim(); d++) {
    bool moves = std::find(dynamic.begin(), dynamic.end(), int(d)) != dynamic.end();
    size.push_back(d >= lead ? update.shape()[d - lead] : moves ? 1 : a.shape()[d]);
    if (size[d] > a.shape()[d]) {
      fail(Code::value, "slice_update", "update of shape ", update.shape(), " does not fit into shape ",
           a.shape());
    }
  }
  array values = broadcast_to(astype(update, a.dtype()), size);
  return scatter(a, starts("slice_update", start_indices, axes.size()), values, axes, Scatter::none);
}

}  // namespace melix
