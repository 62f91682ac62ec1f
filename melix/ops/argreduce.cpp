// Rules of argmax and argmin.
#include "melix/ops/argreduce.h"

#include "melix/ops/shape.h"

namespace melix {
namespace {

template <const Op& kOp>
void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<ArgReduceAttrs>(attrs);
  const Shape& shape = in[0].shape();
  if (a.axis >= int(shape.size()))
    fail(Code::value, kOp.name, "axis ", a.axis, " is out of range for shape ", shape);
  const int64_t n = a.axis < 0 ? in[0].size() : shape[uint32_t(a.axis)];
  if (in[0].size() == 0)
    fail(Code::value, kOp.name, "an array of shape ", shape, " has no element to choose");
  if (n > int64_t(1) << 32) fail(Code::value, kOp.name, n, " elements are more than uint32 can count");
  Shape result;
  for (uint32_t d = 0; d < shape.size(); d++) {
    const bool gone = a.axis < 0 || d == uint32_t(a.axis);
    if (!gone || a.keepdims) result.push_back(gone ? 1 : shape[d]);
  }
  out.push_back({std::move(result), uint32});
}

std::vector<MaybeArray> no_vjp(const VjpContext&) { return {std::nullopt}; }
std::vector<MaybeArray> no_jvp(const JvpContext&) { return {std::nullopt}; }

template <const Op& kOp>
std::vector<array> vmap(const VmapContext& c) {
  const auto& a = attrs_as<ArgReduceAttrs>(c.attrs);
  if (a.axis >= 0) return {make(kOp, make_attrs<ArgReduceAttrs>(a.axis + 1, a.keepdims), {c.inputs[0]})};
  array out = make(kOp, make_attrs<ArgReduceAttrs>(1, false), {reshape(c.inputs[0], {c.batch, -1})});
  Shape ones(uint32_t(a.keepdims ? c.inputs[0].ndim() : 1), 1);
  ones[0] = c.batch;
  return {reshape(out, ones)};
}

array choose(const Op& op, const array& a, std::optional<int> axis, bool keepdims, StreamOrDevice s) {
  const int along = axis ? normal_axis(op.name, *axis, a.shape()) : -1;
  return make(op, make_attrs<ArgReduceAttrs>(along, keepdims), {a}, s);
}

}  // namespace

namespace op {
const Op argmax{.name = "argmax",
                .infer = infer<argmax>,
                .vjp = no_vjp,
                .jvp = no_jvp,
                .vmap = vmap<argmax>,
                .read_attrs = ArgReduceAttrs::read,
                .layout = InputLayout::any,
                .takes_region = true};
const Op argmin{.name = "argmin",
                .infer = infer<argmin>,
                .vjp = no_vjp,
                .jvp = no_jvp,
                .vmap = vmap<argmin>,
                .read_attrs = ArgReduceAttrs::read,
                .layout = InputLayout::any,
                .takes_region = true};
}  // namespace op

array argmax(const array& a, std::optional<int> axis, bool keepdims, StreamOrDevice s) {
  return choose(op::argmax, a, axis, keepdims, s);
}
array argmin(const array& a, std::optional<int> axis, bool keepdims, StreamOrDevice s) {
  return choose(op::argmin, a, axis, keepdims, s);
}

std::vector<array> minmax(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return {min(a, axis, keepdims, s), max(a, axis, keepdims, s)};
}

}  // namespace melix
