// Rules of gather, and the functions made of it.
#include "melix/ops/gather.h"

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  out.push_back({packed_shape("gather", attrs_as<WindowAttrs>(attrs), in[0], in.subspan(1)), in[0].dtype()});
}

// Reading is linear; what it read several times gets the sum. Where reading clamped, so does this.
std::vector<MaybeArray> vjp(const VjpContext& c) {
  const array& a = c.inputs[0];
  std::vector<MaybeArray> grads(c.inputs.size());
  if (!c.wanted[0] || !is_inexact(a.dtype())) return grads;
  WindowAttrs w = attrs_as<WindowAttrs>(c.attrs);
  w.mode = Scatter::add;
  array zeros = broadcast_to(array(int64_t(0), a.dtype()), a.shape());
  grads[0] = scatter_windows(zeros, c.cotangents[0], c.inputs.subspan(1), w);
  return grads;
}

std::vector<MaybeArray> jvp(const JvpContext& c) {
  if (!c.tangents[0]) return {std::nullopt};
  return {gather_windows(*c.tangents[0], c.inputs.subspan(1), attrs_as<WindowAttrs>(c.attrs))};
}

std::vector<array> vmap(const VmapContext& c) {
  BatchedWindows batched = batched_windows(c, 1, c.batched[0]);
  array out = gather_windows(c.inputs[0], batched.indices, batched.attrs);
  return {batched.packed_axis == 0 ? out : moveaxis(out, batched.packed_axis, 0)};
}

}  // namespace

namespace op {
const Op gather{.name = "gather",
                .infer = infer,
                .vjp = vjp,
                .jvp = jvp,
                .vmap = vmap,
                .read_attrs = WindowAttrs::read,
                .layout = InputLayout::any};
}  // namespace op

array gather_windows(const array& a, std::span<const array> indices, const WindowAttrs& w) {
  Inputs inputs{a};
  for (const array& index : indices) inputs.push_back(index);
  Ref<WindowAttrs> attrs = make_ref<WindowAttrs>(w);
  attrs->mode = Scatter::none;  // callers may have the attributes of a scatter
  return make(op::gather, std::move(attrs), std::move(inputs));
}

array gather(const array& a, const std::vector<array>& indices, const std::vector<int>& axes,
             const Shape& slice_sizes, StreamOrDevice s) {
  StreamScope scope(s);
  WindowAttrs w;
  for (int axis : axes) w.axes.push_back(normal_axis("gather", axis, a.shape()));
  w.sizes = slice_sizes;
  w.squeeze = false;
  return gather_windows(a, index_arrays("gather", indices), w);
}

array take(const array& a, const array& indices, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  if (!axis) return take(a.ndim() == 1 ? a : reshape(a, {-1}), indices, 0);
  int at = normal_axis("take", *axis, a.shape());
  if (a.shape()[size_t(at)] == 0 && indices.size() > 0) {
    fail(Code::value, "take", "axis ", at, " of shape ", a.shape(), " has no element to choose from");
  }
  WindowAttrs w = windows_along(a.shape(), {at});
  w.place = at;
  return gather_windows(a, index_arrays("take", {indices}), w);
}

array take_along_axis(const array& a, const array& indices, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  if (!axis) return take_along_axis(reshape(a, {-1}), reshape(indices, {-1}), 0);
  if (indices.ndim() != a.ndim()) {
    fail(Code::value, "take_along_axis", "indices of shape ", indices.shape(), " for an array of shape ",
         a.shape());
  }
  int at = normal_axis("take_along_axis", *axis, a.shape());
  Shape of_array = a.shape(), of_indices = indices.shape();
  of_array[size_t(at)] = of_indices[size_t(at)] = 1;
  Shape rows = broadcast("take_along_axis", of_array, of_indices);
  of_array = of_indices = rows;
  of_array[size_t(at)] = a.shape()[size_t(at)];
  of_indices[size_t(at)] = indices.shape()[size_t(at)];
  array from = a.shape() == of_array ? a : broadcast_to(a, of_array);
  array index = index_arrays("take_along_axis", {indices})[0];
  if (index.shape() != of_indices) index = broadcast_to(index, of_indices);
  if (of_array[size_t(at)] == 0 && index.size() > 0) {
    fail(Code::value, "take_along_axis", "axis ", at, " of shape ", a.shape(),
         " has no element to choose from");
  }
  if (index.size() == 0) return zeros(of_indices, a.dtype());  // no axis has room for a window
  return gather_windows(from, std::span(&index, 1), windows_in_rows(of_array, at));
}

}  // namespace melix
