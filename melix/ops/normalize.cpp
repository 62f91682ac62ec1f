// Rules of the normalisations. `kCentred` tells layer_norm from rms_norm.
#include "melix/ops/normalize.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

const std::vector<int> kLast{-1};

template <bool kCentred>
constexpr const char* kName = kCentred ? "layer_norm" : "rms_norm";
template <bool kCentred>
constexpr const Op& op_of() {
  return kCentred ? op::layer_norm : op::rms_norm;
}
template <bool kCentred>
constexpr const Op& grad_op_of() {
  return kCentred ? op::layer_norm_grad : op::rms_norm_grad;
}

void check_input(const char* op, const array& x) {
  if (x.ndim() == 0) fail(Code::value, op, "the input must have at least 1 dimension, got a scalar");
}

void check_vector(const char* op, const char* what, const array& a, const array& x) {
  if (a.shape() != Shape{x.shape(-1)}) {
    fail(Code::value, op, what, " must have shape (", x.shape(-1),
         ",), the last dimension of the input of shape ", x.shape(), ", got shape ", a.shape());
  }
}

void check_kernel(const char* op, std::span<const array> in, size_t expected) {
  if (in.size() != expected) fail(Code::value, op, "got ", in.size(), " inputs for ", expected);
  for (const array& a : in) {
    if (!is_floating(a.dtype()) || a.dtype() != in[0].dtype())
      fail(Code::value, op, "has no kernel for ", in[0].dtype(), " with ", a.dtype());
  }
}

template <bool kCentred>
void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const char* name = kName<kCentred>;
  const auto& a = attrs_as<NormAttrs>(attrs);
  check_kernel(name, in, size_t(1 + a.weight + a.bias));
  check_input(name, in[0]);
  if (a.weight) check_vector(name, "weight", in[1], in[0]);
  if (a.bias) check_vector(name, "bias", in.back(), in[0]);
  out.push_back({in[0].shape(), in[0].dtype()});
}

template <bool kCentred>
void infer_grad(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const char* name = grad_op_of<kCentred>().name;
  const auto& a = attrs_as<NormGradAttrs>(attrs);
  check_kernel(name, in, size_t(2 + a.weight));
  check_input(name, in[0]);
  if (in[1].shape() != in[0].shape())
    fail(Code::value, name, "a cotangent of shape ", in[1].shape(), " for an input of shape ", in[0].shape());
  if (a.weight) check_vector(name, "weight", in[2], in[0]);
  out.push_back({in[0].shape(), in[0].dtype()});
  for (int i = 0; i < a.of_weight + a.of_bias; i++) out.push_back({{in[0].shape(-1)}, in[0].dtype()});
}

// ---- the definitions, in the carrier ----

array wide(const array& a) { return astype(a, carrier_of(a.dtype())); }

// x less its mean, and the factor that normalises it.
template <bool kCentred>
std::pair<array, array> normal_form(const array& x, double eps) {
  array centred = wide(x);
  if (kCentred) centred = centred - mean(centred, kLast, true);
  return {centred, rsqrt(mean(square(centred), kLast, true) + eps)};
}

template <bool kCentred>
array composed(const array& x, const MaybeArray& weight, const MaybeArray& bias, double eps) {
  auto [centred, factor] = normal_form<kCentred>(x, eps);
  array y = centred * factor;
  if (weight) y = y * wide(*weight);
  if (bias) y = y + wide(*bias);
  return astype(y, x.dtype());
}

struct Parts {
  MaybeArray weight, bias;
};
Parts parts_of(const Attrs* attrs, std::span<const array> in) {
  const auto& a = attrs_as<NormAttrs>(attrs);
  return {a.weight ? MaybeArray(in[1]) : std::nullopt, a.bias ? MaybeArray(in.back()) : std::nullopt};
}

template <bool kCentred>
std::vector<array> decompose(const Attrs* attrs, std::span<const array> in) {
  auto [weight, bias] = parts_of(attrs, in);
  return {composed<kCentred>(in[0], weight, bias, attrs_as<NormAttrs>(attrs).eps)};
}

// With y = centred * factor and h = weight * g: factor * (h - mean(h) - y * mean(h * y)), without mean(h) for rms_norm.
template <bool kCentred>
std::vector<array> decompose_grad(const Attrs* attrs, std::span<const array> in) {
  const auto& a = attrs_as<NormGradAttrs>(attrs);
  auto [centred, factor] = normal_form<kCentred>(in[0], a.eps);
  array y = centred * factor, g = wide(in[1]);
  array h = a.weight ? g * wide(in[2]) : g;
  array dx = h - y * mean(h * y, kLast, true);
  if (kCentred) dx = dx - mean(h, kLast, true);
  std::vector<array> out{astype(dx * factor, in[0].dtype())};
  const Shape vector{in[0].shape(-1)};
  if (a.of_weight) out.push_back(astype(sum_to(g * y, vector), in[0].dtype()));
  if (a.of_bias) out.push_back(astype(sum_to(g, vector), in[0].dtype()));
  return out;
}

// ---- transforms ----

template <bool kCentred>
std::vector<MaybeArray> vjp(const VjpContext& c) {
  const auto& a = attrs_as<NormAttrs>(c.attrs);
  const bool of_weight = a.weight && c.wanted[1], of_bias = a.bias && c.wanted[c.inputs.size() - 1];
  Inputs in{c.inputs[0], c.cotangents[0]};
  if (a.weight) in.push_back(c.inputs[1]);
  std::vector<array> grads =
      make_all(grad_op_of<kCentred>(), make_attrs<NormGradAttrs>(a.eps, a.weight, of_weight, of_bias), in);
  std::vector<MaybeArray> out{grads[0]};
  if (a.weight) out.push_back(of_weight ? MaybeArray(grads[1]) : std::nullopt);
  if (a.bias) out.push_back(of_bias ? MaybeArray(grads.back()) : std::nullopt);
  return out;
}

// Rows of the batch are rows. Weights of their own for each example are applied behind the kernel, with the same
// roundings.
template <bool kCentred>
std::vector<array> vmap(const VmapContext& c) {
  bool own = false;
  for (size_t i = 1; i < c.inputs.size(); i++) own |= c.batched[i];
  array x = c.with_batch(0);
  if (!own) {
    Inputs in(c.inputs.begin(), c.inputs.end());
    in[0] = x;
    return {make(op_of<kCentred>(), Ref<const Attrs>(c.attrs), in)};
  }
  Shape aligned(uint32_t(x.ndim()), 1);  // (batch, 1, ..., n)
  aligned[0] = c.batch;
  aligned.back() = x.shape(-1);
  const auto& a = attrs_as<NormAttrs>(c.attrs);
  array y = make(op_of<kCentred>(), make_attrs<NormAttrs>(a.eps, false, false), {wide(x)});
  for (size_t i = 1; i < c.inputs.size(); i++) {
    const array vectors = wide(c.batched[i] ? reshape(c.inputs[i], aligned) : c.inputs[i]);
    y = i == 1 && a.weight ? y * vectors : y + vectors;
  }
  return {astype(y, x.dtype())};
}

template <bool kCentred>
array normalise(const array& x, const MaybeArray& weight, const MaybeArray& bias, double eps) {
  const char* name = kName<kCentred>;
  check_input(name, x);
  Dtype dtype = x.dtype();
  Inputs in{x};
  for (const auto& [what, a] : {std::pair{"weight", &weight}, std::pair{"bias", &bias}}) {
    if (!*a) continue;
    check_vector(name, what, **a, x);
    dtype = promote(dtype, (*a)->dtype());
    in.push_back(**a);
  }
  if (is_complex(dtype)) fail(Code::value, name, "is not defined for ", dtype);
  for (array& a : in) a = astype(a, inexact_of(dtype));
  return make(op_of<kCentred>(), make_attrs<NormAttrs>(eps, weight.has_value(), bias.has_value()), in);
}

}  // namespace

namespace op {
#define MELIX_NORM(symbol, centred)                            \
  const Op symbol{.name = #symbol,                             \
                  .infer = infer<centred>,                     \
                  .vjp = vjp<centred>,                         \
                  .vmap = vmap<centred>,                       \
                  .decompose = decompose<centred>,             \
                  .read_attrs = NormAttrs::read,               \
                  .layout = InputLayout::any,                  \
                  .takes_region = true};                       \
  const Op symbol##_grad{.name = #symbol "_grad",              \
                         .infer = infer_grad<centred>,         \
                         .decompose = decompose_grad<centred>, \
                         .read_attrs = NormGradAttrs::read,    \
                         .layout = InputLayout::any};
MELIX_NORM(rms_norm, false)
MELIX_NORM(layer_norm, true)
#undef MELIX_NORM
}  // namespace op

array fast::rms_norm(const array& x, const MaybeArray& weight, double eps, StreamOrDevice s) {
  StreamScope scope(s);
  return normalise<false>(x, weight, std::nullopt, eps);
}

array fast::layer_norm(const array& x, const MaybeArray& weight, const MaybeArray& bias, double eps,
                       StreamOrDevice s) {
  StreamScope scope(s);
  return normalise<true>(x, weight, bias, eps);
}

}  // namespace melix
