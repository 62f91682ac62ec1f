// Rules of the factorizations by elimination and by reflections: cholesky, lu, qr. Their derivatives are those of the
// equation that the factors solve: with x = l^-1 d(a) u^-1, say, d(l) = l tril(x, -1) and d(u) = triu(x) u.
#include "melix/ops/linalg_rules.h"

namespace melix {
namespace {

using namespace linalg_rules;

// ---- cholesky ----

void infer_cholesky(const Attrs*, std::span<const array> in, Avals& out) {
  check_square("cholesky", in[0]);
  out.push_back({in[0].shape(), in[0].dtype()});
}

// The lower triangle with half of the diagonal: x = phi(x) + phi(x)^H for Hermitian x.
array half_triangle(const array& x) {
  const array half(0.5, x.dtype());
  return where(on_diagonal(rows_of(x)), x * half, tril(x, -1));
}

// l = cholesky(a): l^-H phi(l^H g) l^-1, of which the Hermitian part counts.
std::vector<MaybeArray> cholesky_vjp(const VjpContext& c) {
  const bool upper = attrs_as<CholeskyAttrs>(c.attrs).upper;
  array l = upper ? adjoint(c.outputs[0]) : c.outputs[0];
  array g = upper ? adjoint(c.cotangents[0]) : c.cotangents[0];
  array left = divide_triangle(l, half_triangle(matmul(adjoint(l), g)), false, true);
  array both = adjoint(divide_triangle(l, adjoint(left), false, true));
  return {hermitian_part(both)};
}
// l phi(l^-1 d(a) l^-H)
std::vector<MaybeArray> cholesky_jvp(const JvpContext& c) {
  const bool upper = attrs_as<CholeskyAttrs>(c.attrs).upper;
  array l = upper ? adjoint(c.outputs[0]) : c.outputs[0];
  array left = divide_triangle(l, hermitian_part(*c.tangents[0]), false, false);
  array change = matmul(l, half_triangle(over_adjoint(left, l, false)));
  return {upper ? adjoint(change) : change};
}

// ---- lu ----

void infer_lu(const Attrs*, std::span<const array> in, Avals& out) {
  check_matrices("lu_factor", in[0]);
  const Shape batch = batch_of(in[0].shape());
  out.push_back({in[0].shape(), in[0].dtype()});
  out.push_back({joined(batch, {std::min(rows_of(in[0]), columns_of(in[0]))}), uint32});
  out.push_back({joined(batch, {rows_of(in[0])}), uint32});
}

array lower_factor(const array& lu) {
  const int64_t m = rows_of(lu), k = std::min(m, columns_of(lu));
  return where(eye(m, k, 0, bool_), array(1.0, lu.dtype()), tril(first_columns(lu, k), -1));
}
array upper_factor(const array& lu) { return triu(first_rows(lu, std::min(rows_of(lu), columns_of(lu)))); }

// Rows of l @ u in the order of a.
array in_order(const array& x, const array& rows) {
  return take_along_axis(x, broadcast_to(expand_dims(rows, {-1}), x.shape()), -2);
}

// Of l @ u with square l and u: l^-H (tril(l^H gl, -1) + triu(gu u^H)) u^-H.
array square_gradient(const array& l, const array& u, const array& gl, const array& gu) {
  array inner = tril(matmul(adjoint(l), gl), -1) + triu(matmul(gu, adjoint(u)));
  return over_adjoint(divide_triangle(l, inner, false, true), u, true);
}

// Blocks behind the square are a2 = l2 u (more rows) or a2 = l u2 (more columns); what they say about u or l is added
// to the square's.
std::vector<MaybeArray> lu_vjp(const VjpContext& c) {
  const array &lu = c.outputs[0], &g = c.cotangents[0];
  const int64_t m = rows_of(lu), n = columns_of(lu), k = std::min(m, n);
  if (k == 0) return {zeros_like(c.inputs[0])};
  array square = part(lu, 0, k, 0, k), g1 = part(g, 0, k, 0, k);
  array l = lower_factor(square), u = upper_factor(square), all = g;
  if (m > n) {
    array g2 = part(g, k, m, 0, n), of_a2 = over_adjoint(g2, u, true);
    array gu = triu(g1) - matmul(adjoint(part(lu, k, m, 0, n)), of_a2);
    all = concatenate({square_gradient(l, u, tril(g1, -1), gu), of_a2}, -2);
  } else if (m < n) {
    array of_a2 = divide_triangle(l, part(g, 0, m, k, n), false, true);
    array gl = tril(g1, -1) - matmul(of_a2, adjoint(part(lu, 0, m, k, n)));
    all = concatenate({square_gradient(l, u, gl, triu(g1)), of_a2}, -1);
  } else {
    all = square_gradient(l, u, tril(g1, -1), triu(g1));
  }
  return {in_order(all, c.outputs[2])};
}

// ---- qr ----

void infer_qr(const Attrs*, std::span<const array> in, Avals& out) {
  check_matrices("qr", in[0]);
  const int64_t m = rows_of(in[0]), n = columns_of(in[0]), k = std::min(m, n);
  const Shape batch = batch_of(in[0].shape());
  out.push_back({joined(batch, {m, k}), in[0].dtype()});
  out.push_back({joined(batch, {k, n}), in[0].dtype()});
}

// Of q r with square r: (gq + q (x + x^H - diag(x))) r^-H with x = triu(gr r^H - q^H gq). r has a real diagonal.
array tall_gradient(const array& q, const array& r, const array& gq, const array& gr) {
  array x = triu(matmul(gr, adjoint(r)) - matmul(adjoint(q), gq)), both = x + adjoint(x);
  array symmetric = where(on_diagonal(rows_of(x)), both * array(0.5, x.dtype()), both);
  return over_adjoint(gq + matmul(q, symmetric), r, true);
}

// A wide matrix is [a1 a2] = q [r1 r2]: r2 = q^H a2.
std::vector<MaybeArray> qr_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &q = c.outputs[0], &r = c.outputs[1];
  const array &gq = c.cotangents[0], &gr = c.cotangents[1];
  const int64_t m = rows_of(a), n = columns_of(a);
  if (m == 0 || n == 0) return {zeros_like(a)};
  if (m >= n) return {tall_gradient(q, r, gq, gr)};
  array a2 = part(a, 0, m, m, n), gr2 = part(gr, 0, m, m, n);
  array of_a1 = tall_gradient(q, first_columns(r, m), gq + matmul(a2, adjoint(gr2)), first_columns(gr, m));
  return {concatenate({of_a1, matmul(q, gr2)}, -1)};
}

}  // namespace

namespace op {
const Op cholesky{.name = "cholesky",
                  .infer = infer_cholesky,
                  .vjp = cholesky_vjp,
                  .jvp = cholesky_jvp,
                  .vmap = with_batch<&op::cholesky>,
                  .read_attrs = CholeskyAttrs::read,
                  .layout = InputLayout::any};
const Op lu_factor{.name = "lu_factor",
                   .infer = infer_lu,
                   .vjp = lu_vjp,
                   .vmap = with_batch<&op::lu_factor>,
                   .layout = InputLayout::any};
const Op qr{
    .name = "qr", .infer = infer_qr, .vjp = qr_vjp, .vmap = with_batch<&op::qr>, .layout = InputLayout::any};
}  // namespace op

namespace linalg {

array cholesky(const array& a, bool upper, StreamOrDevice s) {
  return make(op::cholesky, make_attrs<CholeskyAttrs>(upper), {a}, s);
}

std::pair<array, array> lu_factor(const array& a, StreamOrDevice s) {
  std::vector<array> out = make_all(op::lu_factor, {}, {a}, s);
  return {out[0], out[1]};
}

std::tuple<array, array, array> lu(const array& a, StreamOrDevice s) {
  StreamScope scope(s);
  check_matrices("lu", a);
  std::vector<array> out = make_all(op::lu_factor, {}, {a});
  return {out[2], lower_factor(out[0]), upper_factor(out[0])};
}

std::pair<array, array> qr(const array& a, StreamOrDevice s) {
  std::vector<array> out = make_all(op::qr, {}, {a}, s);
  return {out[0], out[1]};
}

}  // namespace linalg
}  // namespace melix
