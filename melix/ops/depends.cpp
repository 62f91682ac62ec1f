// Rules of depends.
#include "melix/ops/depends.h"

namespace melix {
namespace {

size_t count_of(const Attrs* attrs) { return size_t(attrs_as<DependsAttrs>(attrs).count); }

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const int64_t count = attrs_as<DependsAttrs>(attrs).count;
  if (count <= 0 || size_t(count) > in.size())
    fail(Code::value, "depends", count, " results of ", in.size(), " inputs");
  for (const array& a : in.first(size_t(count))) out.push_back({a.shape(), a.dtype()});
}

bool view_inputs(const Attrs*, std::span<const View> in, std::span<View> out) {
  for (size_t i = 0; i < out.size(); i++) out[i] = in[i];
  return true;
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  std::vector<MaybeArray> grads(c.inputs.size());
  for (size_t i = 0; i < count_of(c.attrs); i++) grads[i] = c.cotangents[i];
  return grads;
}

std::vector<MaybeArray> jvp(const JvpContext& c) {
  return {c.tangents.begin(), c.tangents.begin() + ptrdiff_t(count_of(c.attrs))};
}

std::vector<array> vmap(const VmapContext& c) {
  const size_t count = count_of(c.attrs);
  Inputs inputs(c.inputs.begin(), c.inputs.end());
  for (size_t i = 0; i < count; i++) inputs[uint32_t(i)] = c.with_batch(i);
  return make_all(op::depends, Ref<const Attrs>(c.attrs), std::move(inputs));
}

}  // namespace

namespace op {
const Op depends{.name = "depends",
                 .kind = OpClass::view,
                 .infer = infer,
                 .vjp = vjp,
                 .jvp = jvp,
                 .vmap = vmap,
                 .view = view_inputs,
                 .read_attrs = DependsAttrs::read};
}  // namespace op

std::vector<array> depends(const std::vector<array>& inputs, const std::vector<array>& dependencies) {
  if (inputs.empty()) return {};
  Inputs all(inputs.begin(), inputs.end());
  all.insert(all.end(), dependencies.begin(), dependencies.end());
  return make_all(op::depends, make_attrs<DependsAttrs>(int64_t(inputs.size())), std::move(all));
}

}  // namespace melix
