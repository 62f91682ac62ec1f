// Rules of products of picked matrices, masked blocks and segments.
#include "melix/ops/gathered_products.h"

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/matmul.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

array count_up(int64_t n) { return arange(int64_t(0), n, int64_t(1), int64); }

// Each of n matrices x[p] added to the one at[p] of a result of so many.
array added_up(const array& x, const array& at, int64_t count) {
  array none = zeros({count, x.shape(1), x.shape(2)}, x.dtype());
  return scatter(none, {at}, expand_dims(x, {1}), {0}, Scatter::add);
}

// ---- gather_mm ----

void infer_gather(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({{in[2].shape(0), in[0].shape(1), in[1].shape(2)}, in[0].dtype()});
}
void infer_sum(const Attrs* attrs, std::span<const array> in, Avals& out) {
  out.push_back({{attrs_as<GatheredSumAttrs>(attrs).count, in[0].shape(2), in[1].shape(2)}, in[0].dtype()});
}

array gather_product(const array& a, const array& b, const array& left, const array& right) {
  return make(op::gather_mm, {}, {a, b, left, right});
}
array sum_of_products(const array& a, const array& g, const array& left, const array& to, int64_t count) {
  return make(op::gathered_sum, make_attrs<GatheredSumAttrs>(count), {a, g, left, to});
}

array conjugated(const array& a) { return is_complex(a.dtype()) ? conj(a) : a; }

// of a b: g b^H and a^H g
std::vector<MaybeArray> gather_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &b = c.inputs[1], &left = c.inputs[2], &right = c.inputs[3],
              &g = c.cotangents[0];
  std::vector<MaybeArray> grads(4);
  if (!is_inexact(g.dtype())) return grads;
  if (c.wanted[0]) {
    array each = gather_product(g, conjugated(matrix_transpose(b)), count_up(g.shape(0)), right);
    grads[0] = added_up(each, left, a.shape(0));
  }
  if (c.wanted[1]) grads[1] = sum_of_products(conjugated(a), g, left, right, b.shape(0));
  return grads;
}

// of a^T x: conj(x) g^T and conj(a) g
std::vector<MaybeArray> sum_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &x = c.inputs[1], &left = c.inputs[2], &to = c.inputs[3],
              &g = c.cotangents[0];
  std::vector<MaybeArray> grads(4);
  if (!is_inexact(g.dtype())) return grads;
  if (c.wanted[0]) {
    array each = gather_product(conjugated(x), matrix_transpose(g), count_up(x.shape(0)), to);
    grads[0] = added_up(each, left, a.shape(0));
  }
  if (c.wanted[1]) grads[1] = gather_product(conjugated(a), g, left, to);
  return grads;
}

// Indices into one batch become indices into all of them, one after the other: index + n * count of the batch n.
array shifted(const VmapContext& c, size_t i, int64_t count, bool batched) {
  array index = c.with_batch(i);
  array at = clip(where(index < 0, index + count, index), array(int64_t(0), int64),
                  array(std::max<int64_t>(count - 1, 0), int64));
  if (batched) at = at + reshape(count_up(c.batch), {c.batch, 1}) * count;
  return reshape(at, {-1});
}
array joined(const VmapContext& c, size_t i, bool batched) {
  if (!batched) return c.inputs[i];
  array x = c.with_batch(i);
  return reshape(x, {x.shape(0) * x.shape(1), x.shape(2), x.shape(3)});
}
array parted(const array& x, int64_t batch) {
  return reshape(x, {batch, batch == 0 ? 0 : x.shape(0) / batch, x.shape(1), x.shape(2)});
}

std::vector<array> gather_vmap(const VmapContext& c) {
  const bool a = c.batched[0], b = c.batched[1];
  const int64_t left = c.inputs[0].shape(a ? 1 : 0), right = c.inputs[1].shape(b ? 1 : 0);
  return {parted(
      gather_product(joined(c, 0, a), joined(c, 1, b), shifted(c, 2, left, a), shifted(c, 3, right, b)),
      c.batch)};
}
std::vector<array> sum_vmap(const VmapContext& c) {
  const bool a = c.batched[0];
  const int64_t left = c.inputs[0].shape(a ? 1 : 0), count = attrs_as<GatheredSumAttrs>(c.attrs).count;
  return {parted(sum_of_products(joined(c, 0, a), joined(c, 1, true), shifted(c, 2, left, a),
                                 shifted(c, 3, count, true), count * c.batch),
                 c.batch)};
}

std::vector<array> decompose_gather(const Attrs*, std::span<const array> in) {
  return {matmul(take(in[0], in[2], 0), take(in[1], in[3], 0))};
}
std::vector<array> decompose_sum(const Attrs* attrs, std::span<const array> in) {
  return {added_up(matmul(matrix_transpose(take(in[0], in[2], 0)), in[1]), in[3],
                   attrs_as<GatheredSumAttrs>(attrs).count)};
}

// ---- segmented_mm ----

void infer_segmented(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({{in[2].shape(0), in[0].shape(0), in[1].shape(1)}, in[0].dtype()});
}

// a with zeros outside of the segment, for each of them, times b.
std::vector<array> decompose_segmented(const Attrs*, std::span<const array> in) {
  const int64_t n = in[2].shape(0), k = in[0].shape(1);
  array at = count_up(k), begin = slice(in[2], {0, 0}, {n, 1}), end = slice(in[2], {0, 1}, {n, 2});
  array inside = reshape(at >= begin && at < end, {n, 1, k});
  return {matmul(where(inside, in[0], array(int64_t(0), in[0].dtype())), in[1])};
}

// Indices of the matrices of x, flattened: those given, or all.
array indices_of(const char* name, const std::optional<array>& given, const array& x) {
  Shape batch(x.shape().begin(), x.shape().end() - 2);
  if (!given) return reshape(count_up(elements(batch)), batch);
  if (!is_integer(given->dtype())) fail(Code::value, name, "indices are integers, got ", given->dtype());
  return astype(*given, int64);
}

array flat(const array& x) {
  Shape batch(x.shape().begin(), x.shape().end() - 2);
  return reshape(x, {elements(batch), x.shape(-2), x.shape(-1)});
}

// ---- block_masked_mm ----

// A mask of blocks as one of elements of (..., rows, columns).
array of_elements(const char* what, const array& mask, int64_t rows, int64_t columns, int block) {
  const int64_t down = (rows + block - 1) / block, across = (columns + block - 1) / block;
  const bool fits = mask.ndim() < 2 || ((mask.shape(-2) == down || mask.shape(-2) == 1) &&
                                        (mask.shape(-1) == across || mask.shape(-1) == 1));
  if (!fits) {
    fail(Code::value, "block_masked_mm", what, " of shape ", mask.shape(), " does not fit ", down, " x ",
         across, " blocks of ", block);
  }
  array out = mask;
  for (auto [axis, length] : {std::pair(-2, rows), std::pair(-1, columns)}) {
    if (int(out.ndim()) < -axis || out.shape(axis) == 1) continue;  // it broadcasts
    out = repeat(out, block, axis);
    Shape stop = out.shape();
    stop[stop.size() - size_t(-axis)] = length;
    out = slice(out, Shape(stop.size(), 0), stop);
  }
  return out;
}

array masked(const char* what, const array& x, const std::optional<array>& mask, int block) {
  if (!mask) return x;
  array each = of_elements(what, *mask, x.shape(-2), x.shape(-1), block);
  if (each.dtype() == bool_) return where(each, x, array(int64_t(0), x.dtype()));
  return x * astype(each, x.dtype());
}

// Both as matrices; a vector is a row on the left and a column on the right.
struct Matrices {
  Matrices(const char* name, const array& x, const array& y)
      : a(x), b(y), row(x.ndim() == 1), column(y.ndim() == 1) {
    if (x.ndim() == 0 || y.ndim() == 0) fail(Code::value, name, "a scalar is no factor of a matrix product");
    const Dtype dtype = promote(x.dtype(), y.dtype());
    a = astype(row ? expand_dims(x, {0}) : x, dtype);
    b = astype(column ? expand_dims(y, {1}) : y, dtype);
    if (a.shape(-1) != b.shape(-2)) {
      fail(Code::value, name, "the last axis of shape ", x.shape(),
           " does not match the last but one of shape ", y.shape());
    }
  }
  array finish(const array& product) const {
    std::vector<int> added;
    if (row) added.push_back(-2);
    if (column) added.push_back(-1);
    return added.empty() ? product : squeeze(product, added);
  }
  array a, b;
  bool row, column;
};

}  // namespace

namespace op {
const Op gather_mm{.name = "gather_mm",
                   .infer = infer_gather,
                   .vjp = gather_vjp,
                   .vmap = gather_vmap,
                   .decompose = decompose_gather,
                   .layout = InputLayout::any};
const Op gathered_sum{.name = "gathered_sum",
                      .infer = infer_sum,
                      .vjp = sum_vjp,
                      .vmap = sum_vmap,
                      .decompose = decompose_sum,
                      .read_attrs = GatheredSumAttrs::read,
                      .layout = InputLayout::any};
const Op segmented_mm{.name = "segmented_mm",
                      .infer = infer_segmented,
                      .decompose = decompose_segmented,
                      .layout = InputLayout::any};
}  // namespace op

array gather_mm(const array& a, const array& b, const std::optional<array>& lhs_indices,
                const std::optional<array>& rhs_indices, bool, StreamOrDevice s) {
  StreamScope scope(s);
  if (!lhs_indices && !rhs_indices) return matmul(a, b);
  Matrices x("gather_mm", a, b);
  std::vector<array> at = broadcast_arrays(
      {indices_of("gather_mm", lhs_indices, x.a), indices_of("gather_mm", rhs_indices, x.b)});
  array left = flat(x.a), right = flat(x.b);
  Shape shape = at[0].shape();
  if (elements(shape) > 0 && (left.shape(0) == 0 || right.shape(0) == 0)) {
    fail(Code::value, "gather_mm", "there is no matrix to pick in shapes ", a.shape(), " and ", b.shape());
  }
  array out = gather_product(left, right, reshape(at[0], {-1}), reshape(at[1], {-1}));
  shape.insert(shape.end(), {left.shape(1), right.shape(2)});
  return x.finish(reshape(out, shape));
}

array block_masked_mm(const array& a, const array& b, int block_size, const std::optional<array>& mask_out,
                      const std::optional<array>& mask_lhs, const std::optional<array>& mask_rhs,
                      StreamOrDevice s) {
  StreamScope scope(s);
  if (block_size < 1) fail(Code::value, "block_masked_mm", "blocks of ", block_size, " elements have none");
  Matrices x("block_masked_mm", a, b);
  if (!is_inexact(x.a.dtype()))
    fail(Code::value, "block_masked_mm", "takes floating and complex types, got ", x.a.dtype());
  // Numbers as masks are further products, before the one rounding.
  const Dtype dtype = x.a.dtype();
  bool numbers = false;
  for (const auto* mask : {&mask_out, &mask_lhs, &mask_rhs}) numbers |= *mask && (*mask)->dtype() != bool_;
  if (numbers) x.a = astype(x.a, carrier_of(dtype)), x.b = astype(x.b, carrier_of(dtype));
  array out =
      matmul(masked("mask_lhs", x.a, mask_lhs, block_size), masked("mask_rhs", x.b, mask_rhs, block_size));
  return x.finish(astype(masked("mask_out", out, mask_out, block_size), dtype));
}

array segmented_mm(const array& a, const array& b, const array& segments, StreamOrDevice s) {
  StreamScope scope(s);
  if (a.ndim() != 2 || b.ndim() != 2) {
    fail(Code::value, "segmented_mm", "shapes ", a.shape(), " and ", b.shape(), " are not two matrices");
  }
  Matrices x("segmented_mm", a, b);
  if (!is_integer(segments.dtype())) {
    fail(Code::value, "segmented_mm", "segments are integers, got ", segments.dtype());
  }
  if (segments.ndim() == 0 || segments.shape(-1) != 2) {
    fail(Code::value, "segmented_mm", "segments of shape ", segments.shape(), " are no pairs");
  }
  Shape shape(segments.shape().begin(), segments.shape().end() - 1);
  array pairs = reshape(astype(segments, int64), {elements(shape), 2});
  array out = make(op::segmented_mm, {}, {x.a, x.b, pairs});
  shape.insert(shape.end(), {a.shape(0), b.shape(1)});
  return reshape(out, shape);
}

}  // namespace melix
