// Rules of softmax.
#include "melix/ops/softmax.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// From so many elements behind the axes on, the kernel runs over them side by side; else the axes are moved to the end.
constexpr int64_t kWideInner = 16;

std::vector<int> axes_of(const Attrs* attrs) {
  const Axes& axes = attrs_as<SoftmaxAttrs>(attrs).axes;
  return {axes.begin(), axes.end()};
}

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const Axes& axes = attrs_as<SoftmaxAttrs>(attrs).axes;
  bool fits = !axes.empty() && axes[0] >= 0 && axes.back() < int(in[0].ndim());
  for (uint32_t i = 1; i < axes.size(); i++) fits &= axes[i] == axes[i - 1] + 1;
  if (!fits)
    fail(Code::value, "softmax", "the axes of an array of shape ", in[0].shape(), " are no neighbours");
  if (!is_floating(in[0].dtype())) fail(Code::value, "softmax", "has no kernel for ", in[0].dtype());
  out.push_back({in[0].shape(), in[0].dtype()});
}

// The definition, of any floating or complex dtype.
array composed(const array& a, const std::vector<int>& axes) {
  array x = astype(a, carrier_of(a.dtype()));
  array e = exp(x - stop_gradient(max(x, axes, true)));
  return astype(e / sum(e, axes, true), a.dtype());
}
std::vector<array> decompose(const Attrs* attrs, std::span<const array> in) {
  return {composed(in[0], axes_of(attrs))};
}

// y * (g - sum(g * y)): both the gradient and the tangent.
array derivative(const Attrs* attrs, const array& result, const array& change) {
  const Dtype wide = carrier_of(result.dtype());
  array y = astype(result, wide), g = astype(change, wide);
  return astype(y * (g - sum(g * y, axes_of(attrs), true)), result.dtype());
}
std::vector<MaybeArray> vjp(const VjpContext& c) {
  return {derivative(c.attrs, c.outputs[0], c.cotangents[0])};
}
std::vector<MaybeArray> jvp(const JvpContext& c) {
  return {derivative(c.attrs, c.outputs[0], *c.tangents[0])};
}

std::vector<array> vmap(const VmapContext& c) {
  Axes axes;
  for (int axis : attrs_as<SoftmaxAttrs>(c.attrs).axes) axes.push_back(axis + 1);
  return {make(op::softmax, make_attrs<SoftmaxAttrs>(axes), {c.inputs[0]})};
}

// Whether the kernel takes these axes where they are.
bool in_place(const Shape& shape, const Axes& axes) {
  for (uint32_t i = 1; i < axes.size(); i++) {
    if (axes[i] != axes[i - 1] + 1) return false;
  }
  int64_t inner = 1;
  for (uint32_t d = uint32_t(axes.back()) + 1; d < shape.size(); d++) inner *= shape[d];
  return inner == 1 || inner >= kWideInner;
}

}  // namespace

namespace op {
const Op softmax{.name = "softmax",
                 .infer = infer,
                 .vjp = vjp,
                 .jvp = jvp,
                 .vmap = vmap,
                 .decompose = decompose,
                 .read_attrs = SoftmaxAttrs::read,
                 .layout = InputLayout::any,
                 .takes_region = true};
}  // namespace op

array softmax(const array& a, const MaybeAxes& axis, bool, StreamOrDevice s) {
  StreamScope scope(s);
  if (a.ndim() == 0 && axis && !axis->empty()) fail(Code::value, "softmax", "a scalar has no axes");
  array x = astype(a, inexact_of(a.dtype()));
  Axes axes = axis ? normal_axes("softmax", *axis, x.shape()) : all_axes(x.ndim());
  if (axes.empty()) return squeeze(softmax(expand_dims(x, {-1}), std::vector<int>{-1}), std::vector<int>{-1});
  if (x.size() == 0) return x;
  if (is_complex(x.dtype())) return composed(x, {axes.begin(), axes.end()});
  if (in_place(x.shape(), axes)) return make(op::softmax, make_attrs<SoftmaxAttrs>(axes), {x});
  std::vector<int> order, back(x.ndim());
  for (int i = 0; i < int(x.ndim()); i++) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  }
  Axes last;
  for (int i : axes) {
    last.push_back(int(order.size()));
    order.push_back(i);
  }
  for (size_t i = 0; i < order.size(); i++) back[size_t(order[i])] = int(i);
  return transpose(make(op::softmax, make_attrs<SoftmaxAttrs>(last), {transpose(x, order)}), back);
}

}  // namespace melix
