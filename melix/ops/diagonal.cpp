// Rules of diagonals and triangles.
#include "melix/ops/diagonal.h"

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

struct DiagonalAttrs : Attributes<DiagonalAttrs> {
  int64_t offset;
  int axis1, axis2;  // counted from the front, not the same
  static constexpr auto fields() {
    return std::tuple{field("offset", &DiagonalAttrs::offset), field("axis1", &DiagonalAttrs::axis1),
                      field("axis2", &DiagonalAttrs::axis2)};
  }
};

// Length of a diagonal of an (n, m) matrix.
int64_t length(int64_t n, int64_t m, int64_t offset) {
  offset = std::clamp(offset, -n, m);
  return std::max<int64_t>(0, std::min(offset < 0 ? n + offset : n, offset > 0 ? m - offset : m));
}

void infer_diagonal(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<DiagonalAttrs>(attrs);
  const Shape& from = in[0].shape();
  int first = normal_axis("diagonal", a.axis1, from), second = normal_axis("diagonal", a.axis2, from);
  if (first != a.axis1 || second != a.axis2)
    fail(Code::value, "diagonal", "axes ", a.axis1, " and ", a.axis2, " are not counted from the front");
  if (first == second) fail(Code::value, "diagonal", "axis1 and axis2 are the same axis ", a.axis1);
  Shape shape;
  for (int d = 0; d < int(from.size()); d++) {
    if (d != first && d != second) shape.push_back(from[uint32_t(d)]);
  }
  shape.push_back(length(from[uint32_t(first)], from[uint32_t(second)], a.offset));
  out.push_back({std::move(shape), in[0].dtype()});
}

bool view_diagonal(const Attrs* attrs, std::span<const View> in, std::span<View> out) {
  const auto& a = attrs_as<DiagonalAttrs>(attrs);
  const View& from = in[0];
  int64_t step1 = from.strides[uint32_t(a.axis1)], step2 = from.strides[uint32_t(a.axis2)];
  out[0].buffer = from.buffer;
  out[0].offset = from.offset;
  if (out[0].size() > 0) out[0].offset += a.offset < 0 ? -a.offset * step1 : a.offset * step2;
  out[0].strides.clear();
  for (int d = 0; d < int(from.strides.size()); d++) {
    if (d != a.axis1 && d != a.axis2) out[0].strides.push_back(from.strides[uint32_t(d)]);
  }
  out[0].strides.push_back(step1 + step2);
  return true;
}

// Matrices (..., n, m) with the last axis of `a` on a diagonal and zeros elsewhere.
array on_diagonal(const array& a, int64_t n, int64_t m, int64_t offset) {
  Shape shape = a.shape();
  int64_t count = shape.back();
  if (count == 0) {
    shape.back() = n;
    shape.push_back(m);
    return zeros(shape, a.dtype());
  }
  // Beside each row its own element: of the diagonal below the main one, the first belongs to row -offset.
  int64_t before = std::max<int64_t>(-offset, 0);
  std::vector<std::pair<int64_t, int64_t>> widths(a.ndim(), {0, 0});
  widths.back() = {before, n - before - count};
  array rows = expand_dims(pad(a, widths), {-1});
  return where(eye(n, m, offset, bool_), rows, array(int64_t(0), a.dtype()));
}

std::vector<MaybeArray> diagonal_vjp(const VjpContext& c) {
  const auto& a = attrs_as<DiagonalAttrs>(c.attrs);
  const Shape& shape = c.inputs[0].shape();
  int64_t n = shape[uint32_t(a.axis1)], m = shape[uint32_t(a.axis2)];
  array matrices = on_diagonal(c.cotangents[0], n, m, a.offset);
  // The two last axes go back to where they were.
  std::vector<int> order(shape.size());
  int other = 0;
  for (int d = 0; d < int(order.size()); d++) {
    order[size_t(d)] = d == a.axis1 ? int(shape.size()) - 2 : d == a.axis2 ? int(shape.size()) - 1 : other++;
  }
  return {transpose(matrices, order)};
}

std::vector<MaybeArray> diagonal_jvp(const JvpContext& c) { return linear_jvp(op::diagonal, c); }

std::vector<array> diagonal_vmap(const VmapContext& c) {
  const auto& a = attrs_as<DiagonalAttrs>(c.attrs);
  return {make(op::diagonal, make_attrs<DiagonalAttrs>(a.offset, a.axis1 + 1, a.axis2 + 1), {c.inputs[0]})};
}

void check_matrices(const char* op, const array& x) {
  if (x.ndim() < 2) fail(Code::value, op, "needs at least two dimensions, got shape ", x.shape());
}

}  // namespace

namespace op {
const Op diagonal{.name = "diagonal",
                  .kind = OpClass::view,
                  .infer = infer_diagonal,
                  .vjp = diagonal_vjp,
                  .jvp = diagonal_jvp,
                  .vmap = diagonal_vmap,
                  .view = view_diagonal,
                  .read_attrs = DiagonalAttrs::read};
}

array diagonal(const array& a, int64_t offset, int axis1, int axis2, StreamOrDevice s) {
  check_matrices("diagonal", a);
  int first = normal_axis("diagonal", axis1, a.shape()), second = normal_axis("diagonal", axis2, a.shape());
  return make(op::diagonal, make_attrs<DiagonalAttrs>(offset, first, second), {a}, s);
}

array diag(const array& a, int64_t k, StreamOrDevice s) {
  if (a.ndim() == 2) return diagonal(a, k, 0, 1, s);
  if (a.ndim() != 1) fail(Code::value, "diag", "needs one or two dimensions, got shape ", a.shape());
  StreamScope scope(s);
  int64_t n;
  if (__builtin_add_overflow(a.size(), k < 0 ? -uint64_t(k) : uint64_t(k), &n)) {
    fail(Code::value, "diag", "diagonal ", k, " is out of range");
  }
  return on_diagonal(a, n, n, k);
}

array trace(const array& a, int64_t offset, int axis1, int axis2, std::optional<Dtype> dtype,
            StreamOrDevice s) {
  check_matrices("trace", a);
  array elements = diagonal(a, offset, axis1, axis2, s);
  return sum(astype(elements, dtype.value_or(a.dtype()), s), std::vector<int>{-1}, false, s);
}

array tril(const array& x, int64_t k, StreamOrDevice s) {
  check_matrices("tril", x);
  StreamScope scope(s);
  return where(tri(x.shape(-2), x.shape(-1), k, bool_), x, array(int64_t(0), x.dtype()));
}

array triu(const array& x, int64_t k, StreamOrDevice s) {
  check_matrices("triu", x);
  StreamScope scope(s);
  // Below diagonal k is up to and with diagonal k - 1; there is none before the lowest number.
  array below =
      k == INT64_MIN ? zeros({x.shape(-2), x.shape(-1)}, bool_) : tri(x.shape(-2), x.shape(-1), k - 1, bool_);
  return where(below, array(int64_t(0), x.dtype()), x);
}

}  // namespace melix
