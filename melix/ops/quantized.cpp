// Rules of quantized weights: what modes mean, what fits together, and derivatives.
#include "melix/ops/quantized.h"

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/matmul.h"
#include "melix/ops/quantized_weight.h"
#include "melix/ops/reduce.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// ---- quantize and dequantize ----

void infer_quantize(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const QuantAttrs& at = quant(attrs);
  check_attrs("quantize", at);
  const QuantFacts& f = facts_of(at.format);
  const array& w = in[0];
  if (!is_floating(w.dtype())) fail(Code::value, "quantize", "floating types are quantized, not ", w.dtype());
  if (w.ndim() < 2) fail(Code::value, "quantize", "a matrix has two axes or more, not ", w.ndim());
  if (f.elements > 32 || at.format == QuantFormat::mxfp4_blocks) {
    fail(Code::value, "quantize", "weights of mode ", f.mode, " blocks are read, but not made");
  }
  const bool blocks = f.kind == QuantKind::blocks;
  const int64_t k = w.shape(-1), piece = blocks ? f.elements : at.group;
  if (k % piece) {
    fail(Code::value, "quantize", "the last axis of shape ", w.shape(), " is no multiple of ", piece);
  }
  Shape packed = w.shape(), scales = w.shape();
  packed.back() = blocks ? k / f.elements * f.bytes : k * f.bits / 32;
  scales.back() = k / at.group;
  out.push_back({packed, blocks ? uint8 : uint32});
  if (blocks) return;
  out.push_back({scales, f.kind == QuantKind::affine ? w.dtype() : uint8});
  if (f.kind == QuantKind::affine) out.push_back({scales, w.dtype()});
}

void infer_dequantize(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const QuantAttrs& at = quant(attrs);
  out.push_back({values_shape("dequantize", at, in), at.dtype});
}

// All inputs with the batch in front. A global scale is one number: where it has a batch, examples are computed apart.
std::vector<array> all_batched(const Op& op, const VmapContext& c) {
  const size_t n = c.inputs.size();
  const bool has_global = c.inputs[n - 1].dtype() == float32 &&
                          c.inputs[n - 1].ndim() == size_t(c.batched[n - 1]) &&
                          quant(c.attrs).format == QuantFormat::nvfp4;
  if (!has_global || !c.batched[n - 1]) {
    Inputs inputs;
    for (size_t i = 0; i < n; i++) inputs.push_back(i + 1 == n && has_global ? c.inputs[i] : c.with_batch(i));
    return make_all(op, Ref<const Attrs>(c.attrs), inputs);
  }
  std::vector<std::vector<array>> results;
  for (int64_t b = 0; b < c.batch; b++) {
    Inputs inputs;
    for (size_t i = 0; i < n; i++) inputs.push_back(take(c.with_batch(i), array(b, int64), 0));
    std::vector<array> one = make_all(op, Ref<const Attrs>(c.attrs), inputs);
    results.resize(one.size());
    for (size_t r = 0; r < one.size(); r++) results[r].push_back(one[r]);
  }
  std::vector<array> out;
  for (const auto& parts : results) out.push_back(stack(parts));
  return out;
}
std::vector<array> vmap_quantize(const VmapContext& c) { return all_batched(op::quantize, c); }
std::vector<array> vmap_dequantize(const VmapContext& c) { return all_batched(op::dequantize, c); }

// The codes themselves, as exact numbers of the type.
array codes_of(const QuantAttrs& at, const array& w, const array& scales, Dtype dtype) {
  array one = ones_like(scales, dtype), none = zeros_like(scales, dtype);
  return make(op::dequantize, make_attrs<QuantAttrs>(at.format, at.group, false, dtype), {w, one, none});
}

array sum_groups(const array& values, int group) {
  return sum(unflatten(values, -1, {-1, group}), std::vector<int>{-1});
}

// Gradients of scales and biases of an affine weight, from that of its values.
void affine_grads(const QuantAttrs& at, const array& w, const array& scales, const array& values,
                  std::span<const bool> wanted, MaybeArray* grads) {
  const Dtype wide = carrier_of(values.dtype()), dtype = scales.dtype();
  array g = astype(values, wide);
  if (wanted[0]) grads[0] = astype(sum_groups(g * codes_of(at, w, scales, wide), at.group), dtype);
  if (wanted[1]) grads[1] = astype(sum_groups(g, at.group), dtype);
}

std::vector<MaybeArray> vjp_dequantize(const VjpContext& c) {
  const QuantAttrs& at = quant(c.attrs);
  std::vector<MaybeArray> grads(c.inputs.size());
  if (facts_of(at.format).kind == QuantKind::affine) {
    affine_grads(at, c.inputs[0], c.inputs[1], c.cotangents[0], c.wanted.subspan(1), &grads[1]);
  }
  return grads;
}

// ---- products ----

Shape leading(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

// Checks x against a weight, and gives rows and columns of the product.
std::pair<int64_t, int64_t> product_of(const char* name, const QuantAttrs& at, const array& x,
                                       const Shape& values) {
  if (x.ndim() < 2) fail(Code::value, name, "x of shape ", x.shape(), " is no matrix");
  if (x.dtype() != at.dtype) fail(Code::value, name, "x is ", x.dtype(), ", the result ", at.dtype);
  const int64_t k = values[values.size() - (at.transpose ? 1 : 2)];
  if (x.shape(-1) != k) {
    fail(Code::value, name, "the last axis of x of shape ", x.shape(),
         " does not match the weight, which is ", values,
         at.transpose ? " and is transposed" : " and is not transposed");
  }
  return {x.shape(-2), values[values.size() - (at.transpose ? 2 : 1)]};
}

void infer_product(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const QuantAttrs& at = quant(attrs);
  Shape values = values_shape("quantized_matmul", at, in.subspan(1));
  auto [m, n] = product_of("quantized_matmul", at, in[0], values);
  Shape shape = broadcast("quantized_matmul", leading(in[0].shape()), leading(values));
  shape.insert(shape.end(), {m, n});
  out.push_back({shape, at.dtype});
}

void infer_gather(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const QuantAttrs& at = quant(attrs);
  Shape values = values_shape("gather_qmm", at, in.subspan(3));
  auto [m, n] = product_of("gather_qmm", at, in[0], values);
  Shape shape = in[1].shape();
  if (in[2].shape() != shape || in[1].dtype() != in[2].dtype() || !is_integer(in[1].dtype())) {
    fail(Code::value, "gather_qmm", "index arrays ", in[1].dtype(), in[1].shape(), " and ", in[2].dtype(),
         in[2].shape(), " differ");
  }
  if (elements(shape) > 0 && (elements(leading(in[0].shape())) == 0 || elements(leading(values)) == 0)) {
    fail(Code::value, "gather_qmm", "indices of matrices where there are none: ", in[0].shape(), " and ",
         values);
  }
  shape.insert(shape.end(), {m, n});
  out.push_back({shape, at.dtype});
}

Ref<const Attrs> turned(const QuantAttrs& at) {
  return make_attrs<QuantAttrs>(at.format, at.group, !at.transpose, at.dtype);
}

// Inputs of a product with another x (and without the indices of a gather).
Inputs with_x(const array& x, std::span<const array> weight) {
  Inputs out{x};
  for (const array& part : weight) out.push_back(part);
  return out;
}

// Gradient of a weight's values: x and g as matrices of one shape of leading axes.
array weight_grad(bool transpose, const array& x, const array& g) {
  return transpose ? matmul(swapaxes(g, -1, -2), x) : matmul(swapaxes(x, -1, -2), g);
}

std::vector<MaybeArray> vjp_product(const VjpContext& c) {
  const QuantAttrs& at = quant(c.attrs);
  const array &x = c.inputs[0], &w = c.inputs[1], &g = c.cotangents[0];
  std::vector<MaybeArray> grads(c.inputs.size());
  if (c.wanted[0]) {
    grads[0] = sum_to(make(op::quantized_matmul, turned(at), with_x(g, c.inputs.subspan(1))), x.shape());
  }
  if (facts_of(at.format).kind != QuantKind::affine || !(c.wanted[2] || c.wanted[3])) return grads;
  const Dtype wide = carrier_of(g.dtype());
  array rows = astype(x, wide), changes = astype(g, wide);
  if (elements(leading(w.shape())) == 1) {  // one matrix: one product of all rows
    Shape all = g.shape();
    all.back() = x.shape(-1);
    rows = reshape(broadcast_to(rows, all), {-1, x.shape(-1)});
    changes = reshape(changes, {-1, g.shape(-1)});
  }
  Shape values = values_shape("quantized_matmul", at, c.inputs.subspan(1));
  array change = weight_grad(at.transpose, rows, changes);
  change = change.size() == elements(values) ? reshape(change, values) : sum_to(change, values);
  affine_grads(at, w, c.inputs[2], change, c.wanted.subspan(2), &grads[2]);
  return grads;
}

// Matrices added up where indices name them: (i..., rows, columns) to (n, rows, columns).
array add_at(const array& matrices, const array& indices, int64_t n) {
  const Shape shape{n, matrices.shape(-2), matrices.shape(-1)};
  WindowAttrs w = windows_along(shape, {0});
  w.mode = Scatter::add;
  return scatter_windows(zeros(shape, matrices.dtype()), matrices, std::span(&indices, 1), w);
}

std::vector<MaybeArray> vjp_gather(const VjpContext& c) {
  const QuantAttrs& at = quant(c.attrs);
  const array &x = c.inputs[0], &lhs = c.inputs[1], &rhs = c.inputs[2], &w = c.inputs[3],
              &g = c.cotangents[0];
  std::vector<MaybeArray> grads(c.inputs.size());
  if (c.wanted[0]) {
    array order =
        reshape(arange(Number(int64_t(0)), Number(lhs.size()), std::nullopt, rhs.dtype()), rhs.shape());
    Inputs inputs{g, order, rhs};
    for (const array& part : c.inputs.subspan(3)) inputs.push_back(part);
    array rows = make(op::gather_qmm, turned(at), inputs);
    grads[0] = reshape(add_at(rows, lhs, elements(leading(x.shape()))), x.shape());
  }
  if (facts_of(at.format).kind != QuantKind::affine || !(c.wanted[4] || c.wanted[5])) return grads;
  const Dtype wide = carrier_of(g.dtype());
  array matrices = reshape(x, {-1, x.shape(-2), x.shape(-1)});
  array change = weight_grad(at.transpose, astype(take(matrices, lhs, 0), wide), astype(g, wide));
  array all = add_at(change, rhs, elements(leading(w.shape())));
  affine_grads(at, w, c.inputs[4], reshape(all, values_shape("gather_qmm", at, c.inputs.subspan(3))),
               c.wanted.subspan(4), &grads[4]);
  return grads;
}

// The batch in front of all leading axes; axes of 1 behind it align them.
array aligned(const array& a, size_t ndim) {
  Shape shape(1, a.shape(0));
  shape.resize(ndim + 2 - a.ndim(), 1);
  shape.insert(shape.end(), a.shape().begin() + 1, a.shape().end());
  return reshape(a, shape);
}

bool any_of(std::span<const bool> batched) {
  return std::find(batched.begin(), batched.end(), true) != batched.end();
}

// The parts of a weight, all with the batch if one of them has it. A global scale stays one number.
Inputs weight_parts(const VmapContext& c, size_t first, bool batched) {
  Inputs out;
  for (size_t i = first; i < c.inputs.size(); i++) {
    const bool global = c.inputs[i].ndim() == size_t(c.batched[i]);
    if (global && c.batched[i])
      fail(Code::value, "vmap", "products have one global scale for the whole batch");
    out.push_back(batched && !global ? c.with_batch(i) : c.inputs[i]);
  }
  return out;
}

std::vector<array> vmap_product(const VmapContext& c) {
  const bool of_weight = any_of(c.batched.subspan(1));
  const size_t x_ndim = c.inputs[0].ndim() - c.batched[0], w_ndim = c.inputs[1].ndim() - c.batched[1];
  const size_t ndim = std::max(x_ndim, w_ndim);
  Inputs inputs{c.batched[0] ? aligned(c.inputs[0], ndim) : c.inputs[0]};
  for (const array& part : weight_parts(c, 1, of_weight))
    inputs.push_back(of_weight && part.ndim() > 0 ? aligned(part, ndim) : part);
  return {make(op::quantized_matmul, Ref<const Attrs>(c.attrs), inputs)};
}

// Indices of example b count from b times the matrices of one on, where the matrices have a batch.
array offset_indices(const VmapContext& c, size_t i, bool offset, int64_t matrices) {
  array indices = astype(c.with_batch(i), int64);
  if (!offset) return indices;
  Shape first(indices.ndim(), 1);
  first[0] = c.batch;
  array inside = where(indices < 0, indices + matrices, indices);
  inside = clip(inside, array(int64_t(0), int64), array(matrices - 1, int64));
  return inside + reshape(arange(Number(int64_t(0)), Number(c.batch), std::nullopt, int64) * matrices, first);
}

std::vector<array> vmap_gather(const VmapContext& c) {
  const bool of_weight = any_of(c.batched.subspan(3));
  const array& x = c.inputs[0];
  Inputs weight = weight_parts(c, 3, of_weight);
  auto matrices = [&](const array& a, bool batched) {
    return elements(leading(a.shape())) / (batched ? c.batch : 1);
  };
  Inputs inputs{x, offset_indices(c, 1, c.batched[0], matrices(x, c.batched[0])),
                offset_indices(c, 2, of_weight, matrices(weight[0], of_weight))};
  for (const array& part : weight) inputs.push_back(part);
  return {make(op::gather_qmm, Ref<const Attrs>(c.attrs), inputs)};
}

// ---- straight through, 8-bit floats ----

void infer_same(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({in[0].shape(), in[0].dtype()});
}

std::vector<array> decompose_straight(const Attrs* attrs, std::span<const array> in) {
  const QuantAttrs& at = quant(attrs);
  std::vector<array> parts = make_all(op::quantize, Ref<const Attrs>(attrs), Inputs(in.begin(), in.end()));
  Inputs inputs(parts.begin(), parts.end());
  if (in.size() > 1) inputs.push_back(in[1]);
  const Dtype dtype =
      in[0].dtype() == float64 && facts_of(at.format).kind != QuantKind::affine ? float32 : in[0].dtype();
  return {astype(make(op::dequantize, make_attrs<QuantAttrs>(at.format, at.group, false, dtype), inputs),
                 in[0].dtype())};
}
std::vector<MaybeArray> vjp_straight(const VjpContext& c) {
  std::vector<MaybeArray> grads(c.inputs.size());
  grads[0] = c.cotangents[0];
  return grads;
}
std::vector<MaybeArray> jvp_straight(const JvpContext& c) { return {c.tangents[0]}; }

void infer_to_fp8(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({in[0].shape(), uint8});
}
void infer_from_fp8(const Attrs*, std::span<const array> in, Avals& out) {
  if (in[0].dtype() != uint8) fail(Code::value, "from_fp8", "8-bit floats are uint8, not ", in[0].dtype());
  out.push_back({in[0].shape(), float32});
}
std::vector<array> vmap_to_fp8(const VmapContext& c) { return {make(op::to_fp8, {}, {c.inputs[0]})}; }
std::vector<array> vmap_from_fp8(const VmapContext& c) { return {make(op::from_fp8, {}, {c.inputs[0]})}; }

// ---- what the public functions share ----

// Values of this type multiply with the weight: that of x and of floating scales together.
Dtype product_dtype(const char* name, const array& x, const Weight& w) {
  const Dtype dtype =
      w.facts().kind == QuantKind::affine ? promote(x.dtype(), w.parts[1].dtype()) : x.dtype();
  if (!is_floating(dtype)) fail(Code::value, name, "x is ", x.dtype(), ", which is no floating type");
  return dtype;
}

// Scales of doubles for products of doubles.
Inputs parts_for(const Weight& w, Dtype dtype) {
  Inputs out = w.parts;
  if (dtype == float64 && w.facts().kind == QuantKind::affine) {
    for (size_t i : {1, 2}) out[i] = astype(out[i], float64);
  }
  return out;
}

array multiplied(const char* name, const array& x, const Weight& w, bool transpose) {
  const Dtype dtype = product_dtype(name, x, w);
  if (x.ndim() == 0) fail(Code::value, name, "a scalar is no factor of a matrix product");
  array rows = x.ndim() == 1 ? expand_dims(x, {0}) : x;
  array out =
      make(op::quantized_matmul, w.attrs(transpose, dtype), with_x(astype(rows, dtype), parts_for(w, dtype)));
  return x.ndim() == 1 ? squeeze(out, std::vector<int>{-2}) : out;
}

array in_order(const Shape& shape) {
  return reshape(arange(Number(int64_t(0)), Number(elements(shape)), std::nullopt, int32), shape);
}

std::vector<array> gather_indices(const char* name, const array& x, const array& w, MaybeArrayRef lhs,
                                  MaybeArrayRef rhs) {
  if (x.ndim() < 2 || w.ndim() < 2)
    fail(Code::value, name, "shapes ", x.shape(), " and ", w.shape(), " are no matrices");
  for (MaybeArrayRef given : {lhs, rhs}) {
    if (given && !is_integer(given->dtype()))
      fail(Code::value, name, "indices are integers, not ", given->dtype());
  }
  return index_arrays(name,
                      {lhs ? *lhs : in_order(leading(x.shape())), rhs ? *rhs : in_order(leading(w.shape()))});
}

array gathered(const char* name, const array& x, const Weight& w, const std::vector<array>& indices,
               bool transpose) {
  const Dtype dtype = product_dtype(name, x, w);
  Inputs inputs{astype(x, dtype), astype(indices[0], int64), astype(indices[1], int64)};
  for (const array& part : parts_for(w, dtype)) inputs.push_back(part);
  return make(op::gather_qmm, w.attrs(transpose, dtype), inputs);
}

// x as what its quantized form stands for.
array straight_through(const char* name, const array& x, std::optional<int> group_size,
                       std::optional<int> bits, const std::string& mode, MaybeArrayRef global) {
  if (!is_floating(x.dtype())) fail(Code::value, name, "floating types are quantized, not ", x.dtype());
  QuantFormat format = format_of(name, mode, bits, false);
  Inputs inputs{x.ndim() == 1 ? expand_dims(x, {0}) : x};
  if (global) inputs.push_back(global_of(name, format, *global));
  array out =
      make(op::straight_through,
           make_attrs<QuantAttrs>(format, group_of(name, format, group_size), false, x.dtype()), inputs);
  return x.ndim() == 1 ? squeeze(out, std::vector<int>{0}) : out;
}

void both_globals(const char* name, MaybeArrayRef x, MaybeArrayRef w) {
  if (x.has_value() != w.has_value())
    fail(Code::value, name, "the global scales of x and w come together, or not at all");
}

}  // namespace

namespace op {
const Op quantize{
    .name = "quantize", .infer = infer_quantize, .vmap = vmap_quantize, .read_attrs = QuantAttrs::read};
const Op dequantize{.name = "dequantize",
                    .infer = infer_dequantize,
                    .vjp = vjp_dequantize,
                    .vmap = vmap_dequantize,
                    .read_attrs = QuantAttrs::read};
const Op quantized_matmul{.name = "quantized_matmul",
                          .infer = infer_product,
                          .vjp = vjp_product,
                          .vmap = vmap_product,
                          .read_attrs = QuantAttrs::read};
const Op gather_qmm{.name = "gather_qmm",
                    .infer = infer_gather,
                    .vjp = vjp_gather,
                    .vmap = vmap_gather,
                    .read_attrs = QuantAttrs::read};
const Op straight_through{.name = "straight_through",
                          .infer = infer_same,
                          .vjp = vjp_straight,
                          .jvp = jvp_straight,
                          .decompose = decompose_straight,
                          .read_attrs = QuantAttrs::read};
const Op to_fp8{.name = "to_fp8", .infer = infer_to_fp8, .vmap = vmap_to_fp8};
const Op from_fp8{.name = "from_fp8", .infer = infer_from_fp8, .vmap = vmap_from_fp8};
}  // namespace op

std::vector<array> quantize(const array& w, std::optional<int> group_size, std::optional<int> bits,
                            const std::string& mode, MaybeArrayRef global_scale, StreamOrDevice s) {
  StreamScope scope(s);
  QuantFormat format = format_of("quantize", mode, bits, false);
  Inputs inputs{w};
  if (global_scale) inputs.push_back(global_of("quantize", format, *global_scale));
  return make_all(op::quantize,
                  make_attrs<QuantAttrs>(format, group_of("quantize", format, group_size), false, w.dtype()),
                  inputs);
}

array dequantize(const array& w, MaybeArrayRef scales, MaybeArrayRef biases, std::optional<int> group_size,
                 std::optional<int> bits, const std::string& mode, MaybeArrayRef global_scale,
                 std::optional<Dtype> dtype, StreamOrDevice s) {
  StreamScope scope(s);
  Weight weight = weight_of("dequantize", w, scales, biases, group_size, bits, mode, global_scale);
  const QuantKind kind = weight.facts().kind;
  if (dtype && !is_floating(*dtype)) fail(Code::value, "dequantize", "values are floating, not ", *dtype);
  // Blocks are float32; scales of bytes are rounded to the type that is asked for, and so are their products.
  Dtype computed = kind == QuantKind::affine ? weight.parts[1].dtype() : float32;
  if (kind != QuantKind::affine && kind != QuantKind::blocks) {
    computed = dtype.value_or(bfloat16) == float64 ? float32 : dtype.value_or(bfloat16);
  }
  return astype(make(op::dequantize, weight.attrs(false, computed), weight.parts), dtype.value_or(computed));
}

array quantized_matmul(const array& x, const array& w, MaybeArrayRef scales, MaybeArrayRef biases,
                       bool transpose, std::optional<int> group_size, std::optional<int> bits,
                       const std::string& mode, StreamOrDevice s) {
  StreamScope scope(s);
  const char* name = "quantized_matmul";
  return multiplied(name, x, weight_of(name, w, scales, biases, group_size, bits, mode, std::nullopt),
                    transpose);
}

array gather_qmm(const array& x, const array& w, MaybeArrayRef scales, MaybeArrayRef biases,
                 MaybeArrayRef lhs_indices, MaybeArrayRef rhs_indices, bool transpose,
                 std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                 MaybeArrayRef global_scale, bool, StreamOrDevice s) {
  StreamScope scope(s);
  const char* name = "gather_qmm";
  Weight weight = weight_of(name, w, scales, biases, group_size, bits, mode, global_scale);
  return gathered(name, x, weight, gather_indices(name, x, w, lhs_indices, rhs_indices), transpose);
}

array qqmm(const array& x, const array& w, MaybeArrayRef scales, std::optional<int> group_size,
           std::optional<int> bits, const std::string& mode, MaybeArrayRef global_scale_x,
           MaybeArrayRef global_scale_w, StreamOrDevice s) {
  StreamScope scope(s);
  const char* name = "qqmm";
  both_globals(name, global_scale_x, global_scale_w);
  if (!scales && !is_floating(w.dtype())) fail(Code::value, name, "a quantized w comes with its scales");
  array rows = straight_through(name, x, group_size, bits, mode, global_scale_x);
  if (!scales) {
    if (w.ndim() < 2) fail(Code::value, name, "w of shape ", w.shape(), " is no matrix");
    return matmul(rows, swapaxes(straight_through(name, w, group_size, bits, mode, global_scale_w), -1, -2));
  }
  return multiplied(name, rows,
                    weight_of(name, w, scales, std::nullopt, group_size, bits, mode, global_scale_w), true);
}

array gather_qqmm(const array& x, const array& w, MaybeArrayRef scales, MaybeArrayRef lhs_indices,
                  MaybeArrayRef rhs_indices, std::optional<int> group_size, std::optional<int> bits,
                  const std::string& mode, MaybeArrayRef global_scale_x, MaybeArrayRef global_scale_w, bool,
                  StreamOrDevice s) {
  StreamScope scope(s);
  const char* name = "gather_qqmm";
  both_globals(name, global_scale_x, global_scale_w);
  if (!scales && !is_floating(w.dtype())) fail(Code::value, name, "a quantized w comes with its scales");
  std::vector<array> indices = gather_indices(name, x, w, lhs_indices, rhs_indices);
  array rows = straight_through(name, x, group_size, bits, mode, global_scale_x);
  if (scales) {
    Weight weight = weight_of(name, w, scales, std::nullopt, group_size, bits, mode, global_scale_w);
    return gathered(name, rows, weight, indices, true);
  }
  array values = straight_through(name, w, group_size, bits, mode, global_scale_w);
  auto chosen = [](const array& a, const array& index) {
    return take(reshape(a, {-1, a.shape(-2), a.shape(-1)}), index, 0);
  };
  return matmul(chosen(rows, indices[0]), swapaxes(chosen(values, indices[1]), -1, -2));
}

array to_fp8(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  if (!is_floating(x.dtype()))
    fail(Code::value, "to_fp8", "floating types become 8-bit floats, not ", x.dtype());
  return make(op::to_fp8, {}, {astype(x, float32)});
}

array from_fp8(const array& x, Dtype dtype, StreamOrDevice s) {
  StreamScope scope(s);
  if (!is_floating(dtype)) fail(Code::value, "from_fp8", "8-bit floats become floating types, not ", dtype);
  return astype(make(op::from_fp8, {}, {x}), dtype);
}

}  // namespace melix
