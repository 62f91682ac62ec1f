// Rules of singular values, eigenvalues and the pseudo-inverse.
//
// Vectors of values that are equal span a space of which any basis is right: quotients by the differences of such
// values are left out of derivatives, which are then right for functions that do not depend on the basis.
#include <cctype>
#include <limits>

#include "melix/ops/linalg_rules.h"
#include "melix/ops/reduce.h"

namespace melix {
namespace {

using namespace linalg_rules;

array zero_of(const array& a) { return array(0.0, a.dtype()); }

// x[i, j] / (w[j] - w[i]); 0 where the values are equal, on the diagonal above all.
array over_differences(const array& x, const array& w) {
  array differences = expand_dims(w, {-2}) - expand_dims(w, {-1});
  return x * reciprocal_or_zero(is_complex(w.dtype()) ? conj(differences) : differences);
}

// ---- svd ----

void infer_svd(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& at = attrs_as<SvdAttrs>(attrs);
  check_matrices("svd", in[0], kMaxOrder);
  const int64_t m = rows_of(in[0]), n = columns_of(in[0]), k = std::min(m, n);
  const Shape batch = batch_of(in[0].shape());
  const Dtype dtype = in[0].dtype();
  if (at.vectors) out.push_back({joined(batch, {m, at.full ? m : k}), dtype});
  out.push_back({joined(batch, {k}), real_of(dtype)});
  if (at.vectors) out.push_back({joined(batch, {at.full ? n : k, n}), dtype});
}

array skew(const array& x) { return x - adjoint(x); }

// With e[i, j] = s[j]^2 - s[i]^2 and `x / e` without its diagonal:
//   u ((skew(u^H gu) / e) s + s (skew(v^H gv) / e) + gs) v^H, and what turns u and v out of their spaces:
//   (1 - u u^H) gu s^-1 v^H + u s^-1 gv^H (1 - v v^H)
array svd_gradient(const array& u, const array& s, const array& vt, const array& gu, const array& gs,
                   const array& gvt) {
  array v = adjoint(vt), gv = adjoint(gvt), squares = square(s), inverse = reciprocal_or_zero(s);
  array of_u = matmul(adjoint(u), gu), of_v = matmul(adjoint(v), gv);
  array inner = times_columns(over_differences(skew(of_u), squares), s) +
                times_rows(s, over_differences(skew(of_v), squares)) + with_diagonal(astype(gs, u.dtype()));
  if (is_complex(u.dtype())) {  // a phase that u and v share
    array turn = diagonal_of(skew(of_u)) * inverse * array(0.5, s.dtype());
    inner = inner + with_diagonal(turn);
  }
  array left = matmul(u, inner);
  if (rows_of(u) > columns_of(u)) left = left + times_columns(gu - matmul(u, of_u), inverse);
  array out = matmul(left, vt);
  if (columns_of(vt) > rows_of(vt)) out = out + matmul(u, times_rows(inverse, adjoint(gv - matmul(v, of_v))));
  return out;
}

std::vector<MaybeArray> svd_vjp(const VjpContext& c) {
  const auto& at = attrs_as<SvdAttrs>(c.attrs);
  const array& a = c.inputs[0];
  const int64_t k = std::min(rows_of(a), columns_of(a));
  if (k == 0) return {zeros_like(a)};
  if (!at.vectors) {
    std::vector<array> all = make_all(op::svd, make_attrs<SvdAttrs>(true, false), {a});
    return {matmul(times_columns(all[0], c.cotangents[0]), all[2])};
  }
  return {svd_gradient(first_columns(c.outputs[0], k), c.outputs[1], first_rows(c.outputs[2], k),
                       first_columns(c.cotangents[0], k), c.cotangents[1], first_rows(c.cotangents[2], k))};
}

// ---- eigh ----

void infer_eigh(const Attrs* attrs, std::span<const array> in, Avals& out) {
  check_square("eigh", in[0], kMaxOrder);
  const Shape& shape = in[0].shape();
  out.push_back({Shape(shape.begin(), shape.end() - 1), real_of(in[0].dtype())});
  if (attrs_as<EighAttrs>(attrs).vectors) out.push_back({shape, in[0].dtype()});
}

// v ((v^H gv) / (w[j] - w[i]) + gw) v^H
std::vector<MaybeArray> eigh_vjp(const VjpContext& c) {
  const auto& at = attrs_as<EighAttrs>(c.attrs);
  const array& a = c.inputs[0];
  if (!at.vectors) {
    array v = matrix_transpose(make_all(op::eigh, make_attrs<EighAttrs>(at.upper, true), {a})[1]);
    return {hermitian_part(matmul(times_columns(v, c.cotangents[0]), adjoint(v)))};
  }
  array v = matrix_transpose(c.outputs[1]), gv = matrix_transpose(c.cotangents[1]);
  array inner = over_differences(matmul(adjoint(v), gv), c.outputs[0]) +
                with_diagonal(astype(c.cotangents[0], a.dtype()));
  return {hermitian_part(matmul(matmul(v, inner), adjoint(v)))};
}

bool is_upper(const char* name, const std::string& triangle) {
  if (triangle == "U" || triangle == "u") return true;
  if (triangle == "L" || triangle == "l") return false;
  fail(Code::value, name, "UPLO is \"", triangle, "\", not \"L\" or \"U\"");
}

// ---- eig ----

void infer_eig(const Attrs* attrs, std::span<const array> in, Avals& out) {
  check_square("eig", in[0], kMaxOrder);
  const Shape& shape = in[0].shape();
  out.push_back({Shape(shape.begin(), shape.end() - 1), complex64});
  if (attrs_as<EigAttrs>(attrs).vectors) out.push_back({shape, complex64});
}

// v^-H ((v^H gv - v^H v re(diag(v^H gv))) / conj(w[j] - w[i]) + gw) v^H: the vectors keep their length.
std::vector<MaybeArray> eig_vjp(const VjpContext& c) {
  const array& a = c.inputs[0];
  if (a.size() == 0) return {zeros_like(a)};
  const bool vectors = attrs_as<EigAttrs>(c.attrs).vectors;
  array rows = vectors ? c.outputs[1] : make_all(op::eig, make_attrs<EigAttrs>(true), {a})[1];
  array v = matrix_transpose(rows), vh = adjoint(v), inner = with_diagonal(c.cotangents[0]);
  if (vectors) {
    array of_v = matmul(vh, matrix_transpose(c.cotangents[1]));
    array lengths = times_columns(matmul(vh, v), astype(real(diagonal_of(of_v)), complex64));
    inner = inner + over_differences(of_v - lengths, c.outputs[0]);
  }
  array gradient = linalg::solve(vh, matmul(inner, vh));
  return {astype(is_complex(a.dtype()) ? gradient : real(gradient), a.dtype())};
}

// ---- pinv ----

void infer_pinv(const Attrs*, std::span<const array> in, Avals& out) {
  check_matrices("pinv", in[0], kMaxOrder);
  const Shape batch = batch_of(in[0].shape());
  out.push_back({joined(batch, {columns_of(in[0]), rows_of(in[0])}), in[0].dtype()});
}

std::vector<array> decompose_pinv(const Attrs*, std::span<const array> in) {
  const array& a = in[0];
  if (a.size() == 0) return {zeros_like(matrix_transpose(a))};
  std::vector<array> all = make_all(op::svd, make_attrs<SvdAttrs>(true, false), {a});
  const array& s = all[1];
  const double eps = s.dtype() == float64 ? std::numeric_limits<double>::epsilon()
                                          : double(std::numeric_limits<float>::epsilon());
  const double cutoff = 10 * eps * double(std::max(rows_of(a), columns_of(a)));
  array counts = s > max(s, std::vector<int>{-1}, true) * array(cutoff, s.dtype());
  // A NaN is not above the cutoff, and must not vanish.
  array kept = where(logical_or(counts, isnan(s)), s, zero_of(s));
  return {matmul(adjoint(all[2]), times_rows(reciprocal_or_zero(kept), adjoint(all[0])))};
}

// Of a constant rank: -p^H g p^H + (1 - a p) g^H p p^H + p^H p g^H (1 - p a)
std::vector<MaybeArray> pinv_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &p = c.outputs[0];
  array g = adjoint(c.cotangents[0]), ph = adjoint(p);
  array out = negative(matmul(matmul(ph, c.cotangents[0]), ph));
  out = out + matmul(matmul(g - matmul(a, matmul(p, g)), p), ph);
  return {out + matmul(matmul(ph, p), g - matmul(matmul(g, p), a))};
}

}  // namespace

namespace op {
const Op svd{.name = "svd",
             .infer = infer_svd,
             .vjp = svd_vjp,
             .vmap = with_batch<&op::svd>,
             .read_attrs = SvdAttrs::read,
             .layout = InputLayout::any};
const Op eigh{.name = "eigh",
              .infer = infer_eigh,
              .vjp = eigh_vjp,
              .vmap = with_batch<&op::eigh>,
              .read_attrs = EighAttrs::read,
              .layout = InputLayout::any};
const Op eig{.name = "eig",
             .infer = infer_eig,
             .vjp = eig_vjp,
             .vmap = with_batch<&op::eig>,
             .read_attrs = EigAttrs::read,
             .layout = InputLayout::any};
const Op pinv{.name = "pinv",
              .infer = infer_pinv,
              .vjp = pinv_vjp,
              .vmap = with_batch<&op::pinv>,
              .decompose = decompose_pinv};
}  // namespace op

namespace linalg {

std::vector<array> svd(const array& a, bool compute_uv, bool full_matrices, StreamOrDevice s) {
  return make_all(op::svd, make_attrs<SvdAttrs>(compute_uv, compute_uv && full_matrices), {a}, s);
}

std::pair<array, array> eigh(const array& a, const std::string& UPLO, StreamOrDevice s) {
  StreamScope scope(s);
  std::vector<array> both = make_all(op::eigh, make_attrs<EighAttrs>(is_upper("eigh", UPLO), true), {a});
  return {both[0], matrix_transpose(both[1])};
}

array eigvalsh(const array& a, const std::string& UPLO, StreamOrDevice s) {
  check_square("eigvalsh", a, kMaxOrder);
  return make(op::eigh, make_attrs<EighAttrs>(is_upper("eigvalsh", UPLO), false), {a}, s);
}

std::pair<array, array> eig(const array& a, StreamOrDevice s) {
  StreamScope scope(s);
  std::vector<array> both = make_all(op::eig, make_attrs<EigAttrs>(true), {a});
  return {both[0], matrix_transpose(both[1])};
}

array eigvals(const array& a, StreamOrDevice s) {
  check_square("eigvals", a, kMaxOrder);
  return make(op::eig, make_attrs<EigAttrs>(false), {a}, s);
}

array pinv(const array& a, StreamOrDevice s) { return make(op::pinv, {}, {a}, s); }

}  // namespace linalg
}  // namespace melix
