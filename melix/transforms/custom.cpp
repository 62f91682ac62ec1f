// See custom.h. A call is one view node over (arguments..., results...) whose results are the latter: evaluation and
// transforms without a rule pass straight through to the function's own graph.
#include "melix/transforms/custom.h"

#include <memory>

#include "melix/graph/unreadable.h"
#include "melix/ops/shape.h"

namespace melix {

namespace op {
extern const Op custom;
}

namespace {

struct CustomAttrs : Attributes<CustomAttrs> {
  std::shared_ptr<const CustomRules> rules;
  int64_t arguments;  // inputs that are arguments; the others are the function's own results
  static constexpr auto fields() { return std::tuple{field("arguments", &CustomAttrs::arguments)}; }
};

size_t arguments_of(const Attrs* attrs) { return size_t(attrs_as<CustomAttrs>(attrs).arguments); }

std::vector<array> slice(std::span<const array> from, size_t begin, size_t end) {
  return {from.begin() + ptrdiff_t(begin), from.begin() + ptrdiff_t(end)};
}

std::vector<array> make_call(const std::shared_ptr<const CustomRules>& rules,
                             std::span<const array> arguments, std::span<const array> results) {
  auto attrs = make_ref<CustomAttrs>();
  attrs->rules = rules;
  attrs->arguments = int64_t(arguments.size());
  Inputs inputs;
  inputs.insert(inputs.end(), arguments.begin(), arguments.end());
  inputs.insert(inputs.end(), results.begin(), results.end());
  return make_all(op::custom, attrs, std::move(inputs));
}

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  for (const array& result : in.subspan(arguments_of(attrs))) out.push_back({result.shape(), result.dtype()});
}

bool view_results(const Attrs* attrs, std::span<const View> in, std::span<View> out) {
  for (size_t i = 0; i < out.size(); i++) out[i] = in[arguments_of(attrs) + i];
  return true;
}

// For export: the function's own results.
std::vector<array> decompose(const Attrs* attrs, std::span<const array> in) {
  return slice(in, arguments_of(attrs), in.size());
}

std::vector<MaybeArray> vjp_of(const VjpContext& c) {
  size_t n = arguments_of(c.attrs);
  const auto& rule = attrs_as<CustomAttrs>(c.attrs).rules->vjp;
  std::vector<MaybeArray> grads(c.inputs.size());
  if (!rule) {
    for (size_t i = n; i < grads.size(); i++) grads[i] = c.cotangents[i - n];
    return grads;
  }
  std::vector<array> primals = slice(c.inputs, 0, n);
  std::vector<array> back =
      rule(primals, slice(c.cotangents, 0, c.cotangents.size()), slice(c.outputs, 0, c.outputs.size()));
  if (back.size() != n)
    fail(Code::value, "custom_function", "the vjp gave ", back.size(), " gradients for ", n, " arguments");
  for (size_t i = 0; i < n; i++) {
    if (back[i].shape() != primals[i].shape()) {
      fail(Code::value, "custom_function", "the vjp gave a gradient of shape ", back[i].shape(),
           " for an argument of shape ", primals[i].shape());
    }
    grads[i] = back[i];
  }
  return grads;
}

std::vector<MaybeArray> jvp_of(const JvpContext& c) {
  size_t n = arguments_of(c.attrs);
  const auto& rule = attrs_as<CustomAttrs>(c.attrs).rules->jvp;
  std::vector<MaybeArray> out;
  if (!rule) {
    out.assign(c.tangents.begin() + ptrdiff_t(n), c.tangents.end());
    return out;
  }
  std::vector<array> tangents;
  for (size_t i = 0; i < n; i++) {
    tangents.push_back(c.tangents[i]
                           ? *c.tangents[i]
                           : broadcast_to(array(int64_t(0), c.inputs[i].dtype()), c.inputs[i].shape()));
  }
  std::vector<array> given = rule(slice(c.inputs, 0, n), tangents);
  if (given.size() != c.outputs.size()) {
    fail(Code::value, "custom_function", "the jvp gave ", given.size(), " tangents for ", c.outputs.size(),
         " results");
  }
  out.assign(given.begin(), given.end());
  return out;
}

std::vector<array> vmap_of(const VmapContext& c) {
  size_t n = arguments_of(c.attrs);
  const auto& rules = attrs_as<CustomAttrs>(c.attrs).rules;
  std::vector<array> results;
  if (!rules->vmap) {
    for (size_t i = n; i < c.inputs.size(); i++) results.push_back(c.with_batch(i));
    return results;
  }
  std::vector<std::optional<int>> axes;
  for (size_t i = 0; i < n; i++) axes.push_back(c.batched[i] ? std::optional<int>(0) : std::nullopt);
  auto [outputs, out_axes] = rules->vmap(slice(c.inputs, 0, n), axes);
  if (outputs.size() != c.inputs.size() - n || out_axes.size() != outputs.size()) {
    fail(Code::value, "custom_function", "the vmap gave ", outputs.size(), " results for ",
         c.inputs.size() - n);
  }
  for (size_t i = 0; i < outputs.size(); i++) {
    array moved = out_axes[i] ? moveaxis(outputs[i], *out_axes[i], 0) : outputs[i];
    array values[] = {moved};
    bool has[] = {out_axes[i].has_value()};
    results.push_back(VmapContext{nullptr, values, has, c.batch}.with_batch(0));
  }
  return results;
}

}  // namespace

namespace op {
const Op custom{.name = "custom_function",
                .kind = OpClass::view,
                .infer = infer,
                .vjp = vjp_of,
                .jvp = jvp_of,
                .vmap = vmap_of,
                .decompose = decompose,
                .view = view_results,
                .read_attrs = unreadable_attrs};
}  // namespace op

Function custom_function(Function fun, CustomRules rules) {
  auto shared = std::make_shared<const CustomRules>(std::move(rules));
  return [fun = std::move(fun), shared](const std::vector<array>& arguments) {
    return make_call(shared, arguments, fun(arguments));
  };
}

Function checkpoint(Function fun) {
  CustomRules rules;
  rules.vjp = [fun](const std::vector<array>& primals, const std::vector<array>& cotangents,
                    const std::vector<array>&) { return vjp(fun, primals, cotangents).second; };
  return custom_function(std::move(fun), std::move(rules));
}

}  // namespace melix
