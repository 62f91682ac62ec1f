// Rules of sorting, partitioning and searching. Kernels work along the last axis; other axes are moved there.
#include "melix/ops/sort.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

// Indices of an axis are uint32.
void require_indexable(const char* op, int64_t length) {
  if (length > int64_t(1) << 32)
    fail(Code::value, op, "an axis of ", length, " elements has more than uint32 can count");
}

// The array with an axis moved to the end; flattened, without one.
array rows_of(const char* op, const array& a, std::optional<int> axis) {
  if (!axis) return reshape(a, {-1});
  return moveaxis(a, normal_axis(op, *axis, a.shape()), -1);
}
// The way back, of a result with the same rows.
array from_rows(const array& rows, std::optional<int> axis) {
  return axis ? moveaxis(rows, -1, *axis < 0 ? int(rows.ndim()) + *axis : *axis) : rows;
}

// ---- sort, argsort ----

// Sorting is along the last axis: there must be one.
void require_rows(const char* op, const array& a) {
  if (a.ndim() == 0) fail(Code::value, op, "a scalar has no rows");
}

void infer_sort(const Attrs*, std::span<const array> in, Avals& out) {
  require_rows("sort", in[0]);
  out.push_back({in[0].shape(), in[0].dtype()});
}

void infer_argsort(const Attrs*, std::span<const array> in, Avals& out) {
  require_rows("argsort", in[0]);
  require_indexable("argsort", in[0].shape().back());
  out.push_back({in[0].shape(), uint32});
}

template <const Op& kOp>
std::vector<array> vmap_rows(const VmapContext& c) {
  return {make(kOp, Ref<const Attrs>(c.attrs), {c.inputs[0]})};
}

// Every element goes somewhere: its gradient comes from there.
array put_back(const array& like, const array& places, const array& cotangent) {
  array zeros = broadcast_to(array(int64_t(0), cotangent.dtype()), like.shape());
  return scatter_along_axis(zeros, places, cotangent, -1, Scatter::none);
}

std::vector<MaybeArray> sort_vjp(const VjpContext& c) {
  if (!is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  return {put_back(c.inputs[0], argsort(c.inputs[0]), c.cotangents[0])};
}
std::vector<MaybeArray> sort_jvp(const JvpContext& c) {
  return {take_along_axis(*c.tangents[0], argsort(c.inputs[0]), -1)};
}

std::vector<MaybeArray> no_vjp(const VjpContext& c) { return std::vector<MaybeArray>(c.inputs.size()); }
std::vector<MaybeArray> no_jvp(const JvpContext& c) { return std::vector<MaybeArray>(c.outputs.size()); }

// ---- partition ----

template <const Op& kOp>
void infer_partition(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<PartitionAttrs>(attrs);
  require_rows(kOp.name, in[0]);
  Shape shape = in[0].shape();
  const int64_t n = shape.back();
  bool fits = a.kth >= 0 && a.kth < n && a.begin >= 0 && a.begin <= a.end && a.end <= n;
  if (!fits) fail(Code::value, kOp.name, "place ", a.kth, " is out of range for rows of ", n, " elements");
  const bool places = &kOp == &op::argpartition;
  if (places) require_indexable(kOp.name, n);
  shape.back() = a.end - a.begin;
  out.push_back({std::move(shape), places ? uint32 : in[0].dtype()});
}

std::vector<MaybeArray> partition_vjp(const VjpContext& c) {
  if (!is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  array places = make(op::argpartition, Ref<const Attrs>(c.attrs), {c.inputs[0]});
  return {put_back(c.inputs[0], places, c.cotangents[0])};
}
std::vector<MaybeArray> partition_jvp(const JvpContext& c) {
  array places = make(op::argpartition, Ref<const Attrs>(c.attrs), {c.inputs[0]});
  return {take_along_axis(*c.tangents[0], places, -1)};
}

array partitioned(const Op& op, const array& a, int64_t kth, std::optional<int> axis) {
  array rows = rows_of(op.name, a, axis);
  const int64_t n = rows.shape().back(), place = kth < 0 ? kth + n : kth;
  if (place < 0 || place >= n) {
    fail(Code::value, op.name, "kth ", kth, " is out of range for ", n, " elements of an array of shape ",
         a.shape());
  }
  return from_rows(make(op, make_attrs<PartitionAttrs>(place, int64_t(0), n), {rows}), axis);
}

// ---- searchsorted: rows (..., n), values (..., m) with the same axes before ----

void infer_searchsorted(const Attrs*, std::span<const array> in, Avals& out) {
  const Shape &rows = in[0].shape(), &values = in[1].shape();
  bool fits = !rows.empty() && rows.size() == values.size() &&
              std::equal(rows.begin(), rows.end() - 1, values.begin());
  if (!fits)
    fail(Code::value, "searchsorted", "rows of shape ", rows, " do not go with values of shape ", values);
  if (in[0].dtype() != in[1].dtype())
    fail(Code::value, "searchsorted", in[1].dtype(), " values in rows of ", in[0].dtype());
  require_indexable("searchsorted", rows.back() + 1);
  out.push_back({values, uint32});
}

std::vector<array> searchsorted_vmap(const VmapContext& c) {
  if (c.batched[0])
    return {make(op::searchsorted, Ref<const Attrs>(c.attrs), {c.with_batch(0), c.with_batch(1)})};
  // One sequence for the whole batch: where it stands alone, its values are one row.
  const Shape shape = c.inputs[1].shape();
  if (c.inputs[0].ndim() > 1) {
    return {make(op::searchsorted, Ref<const Attrs>(c.attrs), {c.with_batch(0), c.inputs[1]})};
  }
  return {reshape(
      make(op::searchsorted, Ref<const Attrs>(c.attrs), {c.inputs[0], reshape(c.inputs[1], {-1})}), shape)};
}

// ---- unique: places, inverse and counts of the different elements of each row ----

void infer_unique(const Attrs* attrs, std::span<const array> in, Avals& out) {
  require_rows("unique", in[0]);
  Shape shape = in[0].shape();
  require_indexable("unique", shape.back());
  if (shape.back() == 0) fail(Code::value, "unique", "a row without elements");
  out.push_back({shape, uint32});
  const int64_t size = attrs_as<UniqueAttrs>(attrs).size;
  if (size < 0) fail(Code::value, "unique", size, " values of a row");
  shape.back() = size;
  out.insert(out.begin(), {shape, uint32});
  out.push_back({shape, int32});
}

std::vector<array> unique_vmap(const VmapContext& c) {
  return make_all(op::unique, Ref<const Attrs>(c.attrs), {c.inputs[0]});
}

}  // namespace

namespace op {
const Op sort{.name = "sort",
              .infer = infer_sort,
              .vjp = sort_vjp,
              .jvp = sort_jvp,
              .vmap = vmap_rows<sort>,
              .layout = InputLayout::any};
const Op argsort{.name = "argsort",
                 .infer = infer_argsort,
                 .vjp = no_vjp,
                 .jvp = no_jvp,
                 .vmap = vmap_rows<argsort>,
                 .layout = InputLayout::any};
const Op partition{.name = "partition",
                   .infer = infer_partition<partition>,
                   .vjp = partition_vjp,
                   .jvp = partition_jvp,
                   .vmap = vmap_rows<partition>,
                   .read_attrs = PartitionAttrs::read,
                   .layout = InputLayout::any};
const Op argpartition{.name = "argpartition",
                      .infer = infer_partition<argpartition>,
                      .vjp = no_vjp,
                      .jvp = no_jvp,
                      .vmap = vmap_rows<argpartition>,
                      .read_attrs = PartitionAttrs::read,
                      .layout = InputLayout::any};
const Op searchsorted{.name = "searchsorted",
                      .infer = infer_searchsorted,
                      .vjp = no_vjp,
                      .jvp = no_jvp,
                      .vmap = searchsorted_vmap,
                      .read_attrs = SearchAttrs::read,
                      .least_inputs = 2};
const Op unique{.name = "unique",
                .infer = infer_unique,
                .vjp = no_vjp,
                .jvp = no_jvp,
                .vmap = unique_vmap,
                .read_attrs = UniqueAttrs::read,
                .layout = InputLayout::any};
}  // namespace op

array sort(const array& a, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  return from_rows(make(op::sort, {}, {rows_of("sort", a, axis)}), axis);
}

array argsort(const array& a, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  return from_rows(make(op::argsort, {}, {rows_of("argsort", a, axis)}), axis);
}

array partition(const array& a, int64_t kth, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  return partitioned(op::partition, a, kth, axis);
}

array argpartition(const array& a, int64_t kth, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  return partitioned(op::argpartition, a, kth, axis);
}

array topk(const array& a, int64_t k, std::optional<int> axis, StreamOrDevice s) {
  StreamScope scope(s);
  array rows = rows_of("topk", a, axis);
  const int64_t n = rows.shape().back();
  if (k < 0 || k > n)
    fail(Code::value, "topk", "k ", k, " is out of range for ", n, " elements of an array of shape ",
         a.shape());
  if (k == 0) {
    Shape none = rows.shape();
    none.back() = 0;
    return from_rows(broadcast_to(array(int64_t(0), a.dtype()), none), axis);
  }
  return from_rows(make(op::partition, make_attrs<PartitionAttrs>(n - k, n - k, n), {rows}), axis);
}

array searchsorted(const array& sorted_sequence, const array& values, const std::string& side,
                   StreamOrDevice s) {
  StreamScope scope(s);
  if (side != "left" && side != "right")
    fail(Code::value, "searchsorted", "side must be left or right, not ", side);
  if (sorted_sequence.ndim() != 1) {
    fail(Code::value, "searchsorted", "the sorted sequence must have one dimension, got shape ",
         sorted_sequence.shape());
  }
  Dtype dtype = promote(sorted_sequence.dtype(), values.dtype());
  array flat = astype(reshape(values, {-1}), dtype);
  array found = make(op::searchsorted, make_attrs<SearchAttrs>(side == "right"),
                     {astype(sorted_sequence, dtype), flat});
  return reshape(found, values.shape());
}

std::vector<array> unique(const array& a, int64_t size, bool return_index, bool return_inverse,
                          bool return_counts, const std::optional<array>& fill_value, StreamOrDevice s) {
  StreamScope scope(s);
  if (size < 0) fail(Code::value, "unique", "size ", size, " is negative");
  if (fill_value && fill_value->size() != 1) {
    fail(Code::value, "unique", "the fill value must be one element, got shape ", fill_value->shape());
  }
  if (a.size() == 0 && size > 0 && !fill_value) {
    fail(Code::value, "unique", "an array without elements needs a fill value for a size of ", size);
  }
  array flat = reshape(a, {-1});
  auto zeros = [](const Shape& shape, Dtype dtype) { return broadcast_to(array(int64_t(0), dtype), shape); };
  std::vector<array> found =
      a.size() == 0 ? std::vector<array>{zeros({size}, uint32), zeros({0}, uint32), zeros({size}, int32)}
                    : make_all(op::unique, make_attrs<UniqueAttrs>(size), {flat});
  std::vector<array> out;
  if (fill_value) {
    array fill = broadcast_to(astype(reshape(*fill_value, {}), a.dtype()), {size});
    out.push_back(a.size() == 0 ? fill : where(greater(found[2], 0), take(flat, found[0]), fill));
  } else {
    out.push_back(size == 0 ? zeros({0}, a.dtype()) : take(flat, found[0]));
  }
  if (return_index) out.push_back(found[0]);
  if (return_inverse) out.push_back(reshape(found[1], a.shape()));
  if (return_counts) out.push_back(found[2]);
  return out;
}

array median(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  StreamScope scope(s);
  Axes axes = axis ? normal_axes("median", *axis, a.shape()) : all_axes(a.ndim());
  std::vector<int> order;
  Shape kept, result;
  int64_t n = 1;
  for (int i = 0; i < int(a.ndim()); i++) {
    const bool gone = std::find(axes.begin(), axes.end(), i) != axes.end();
    const int64_t length = a.shape()[uint32_t(i)];
    if (!gone) order.push_back(i), kept.push_back(length);
    if (!gone || keepdims) result.push_back(gone ? 1 : length);
    if (gone) n *= length;
  }
  order.insert(order.end(), axes.begin(), axes.end());
  if (n == 0) fail(Code::value, "median", "no elements along the axes of shape ", a.shape());
  kept.push_back(n);
  const Dtype dtype = inexact_of(a.dtype());
  array rows = reshape(transpose(astype(a, carrier_of(dtype)), order), kept);
  auto at = [&](int64_t place) {
    return make(op::partition, make_attrs<PartitionAttrs>(place, place, place + 1), {rows});
  };
  array middle = n % 2 == 1 ? at(n / 2) : at(n / 2 - 1) * 0.5 + at(n / 2) * 0.5;
  // NaN is sorted behind all numbers, and would otherwise be seen only where it is the middle.
  array last = at(n - 1);
  return astype(reshape(where(isnan(last), last, middle), result), dtype);
}

}  // namespace melix
