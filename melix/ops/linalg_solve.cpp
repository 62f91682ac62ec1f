// Rules of inverses, solvers and determinants.
#include <cmath>
#include <limits>

#include "melix/ops/linalg_rules.h"
#include "melix/ops/reduce.h"

namespace melix {
namespace {

using namespace linalg_rules;

// ---- inverses ----

const char* name_of(Triangle triangle) { return triangle == Triangle::none ? "inv" : "tri_inv"; }

void infer_inv(const Attrs* attrs, std::span<const array> in, Avals& out) {
  check_square(name_of(attrs_as<InverseAttrs>(attrs).triangle), in[0]);
  out.push_back({in[0].shape(), in[0].dtype()});
}

array triangle_of(const array& a, Triangle triangle) {
  return triangle == Triangle::none ? a : triangle == Triangle::lower ? tril(a) : triu(a);
}

// d(y) = -y d(a) y
std::vector<MaybeArray> inv_vjp(const VjpContext& c) {
  array y = adjoint(c.outputs[0]);
  return {
      triangle_of(negative(matmul(matmul(y, c.cotangents[0]), y)), attrs_as<InverseAttrs>(c.attrs).triangle)};
}
std::vector<MaybeArray> inv_jvp(const JvpContext& c) {
  const array& y = c.outputs[0];
  array change = triangle_of(*c.tangents[0], attrs_as<InverseAttrs>(c.attrs).triangle);
  return {negative(matmul(matmul(y, change), y))};
}

// ---- systems ----

void check_systems(const char* name, const array& a, const array& b) {
  check_square(name, a);
  check_matrices(name, b);
  if (batch_of(a.shape()) != batch_of(b.shape()) || columns_of(a) != rows_of(b) || a.dtype() != b.dtype()) {
    fail(Code::value, name, "matrices of shape ", a.shape(), " and right sides of shape ", b.shape(),
         " do not fit");
  }
}

void infer_triangular(const Attrs*, std::span<const array> in, Avals& out) {
  check_systems("solve_triangular", in[0], in[1]);
  out.push_back({in[1].shape(), in[1].dtype()});
}

// a @ x = b gives d(x) = a^-1 (d(b) - d(a) x), and the same for the adjoint of a.
std::vector<MaybeArray> triangular_vjp(const VjpContext& c) {
  const auto& at = attrs_as<SolveTriangularAttrs>(c.attrs);
  const array& x = c.outputs[0];
  array g = divide_triangle(c.inputs[0], c.cotangents[0], at.upper, !at.adjoint);
  array of_a = negative(at.adjoint ? matmul(x, adjoint(g)) : matmul(g, adjoint(x)));
  return {triangle_of(of_a, at.upper ? Triangle::upper : Triangle::lower), g};
}
std::vector<MaybeArray> triangular_jvp(const JvpContext& c) {
  const auto& at = attrs_as<SolveTriangularAttrs>(c.attrs);
  array change = c.tangents[1] ? *c.tangents[1] : zeros_like(c.outputs[0]);
  if (c.tangents[0]) {
    array of_a = triangle_of(*c.tangents[0], at.upper ? Triangle::upper : Triangle::lower);
    change = change - matmul(at.adjoint ? adjoint(of_a) : of_a, c.outputs[0]);
  }
  return {divide_triangle(c.inputs[0], change, at.upper, at.adjoint)};
}

void infer_lu_solve(const Attrs*, std::span<const array> in, Avals& out) {
  check_systems("solve", in[0], in[3]);
  const Shape pivots(in[3].shape().begin(), in[3].shape().end() - 1);
  if (in[1].shape() != in[0].shape() || in[1].dtype() != in[0].dtype() || in[2].shape() != pivots ||
      in[2].dtype() != uint32) {
    fail(Code::value, "solve", "factors of shape ", in[1].shape(), " and pivots of shape ", in[2].shape(),
         " are not those of matrices of shape ", in[0].shape());
  }
  out.push_back({in[3].shape(), in[3].dtype()});
}

array divide(const array& a, const array& lu, const array& pivots, const array& b, bool adjoint) {
  return make(op::lu_solve, make_attrs<LuSolveAttrs>(adjoint), {a, lu, pivots, b});
}

std::vector<MaybeArray> lu_solve_vjp(const VjpContext& c) {
  const bool reversed = attrs_as<LuSolveAttrs>(c.attrs).adjoint;
  const array& x = c.outputs[0];
  array g = divide(c.inputs[0], c.inputs[1], c.inputs[2], c.cotangents[0], !reversed);
  return {negative(reversed ? matmul(x, adjoint(g)) : matmul(g, adjoint(x))), std::nullopt, std::nullopt, g};
}
std::vector<MaybeArray> lu_solve_jvp(const JvpContext& c) {
  const bool reversed = attrs_as<LuSolveAttrs>(c.attrs).adjoint;
  array change = c.tangents[3] ? *c.tangents[3] : zeros_like(c.outputs[0]);
  if (c.tangents[0])
    change = change - matmul(reversed ? adjoint(*c.tangents[0]) : *c.tangents[0], c.outputs[0]);
  return {divide(c.inputs[0], c.inputs[1], c.inputs[2], change, reversed)};
}

// ---- determinants ----

void check_factors(const char* name, std::span<const array> in) {
  check_square(name, in[0]);
  const Shape& shape = in[0].shape();
  if (in[1].shape() != shape || in[1].dtype() != in[0].dtype() || in[2].dtype() != uint32 ||
      in[2].shape() != Shape(shape.begin(), shape.end() - 1)) {
    fail(Code::value, name, "factors of shape ", in[1].shape(), " and pivots of shape ", in[2].shape(),
         " are not those of matrices of shape ", shape);
  }
}

void infer_det(const Attrs*, std::span<const array> in, Avals& out) {
  check_factors("det", in);
  out.push_back({batch_of(in[0].shape()), in[0].dtype()});
}
void infer_slogdet(const Attrs*, std::span<const array> in, Avals& out) {
  check_factors("slogdet", in);
  out.push_back({batch_of(in[0].shape()), in[0].dtype()});
  out.push_back({batch_of(in[0].shape()), real_of(in[0].dtype())});
}

// -1 for an odd number of exchanged rows, else 1.
array parity(const array& pivots, Dtype dtype) {
  array places = arange(0, pivots.shape(-1), std::nullopt, uint32);
  array odd = sum(astype(pivots != places, uint32), std::vector<int>{-1}) & array(int64_t(1), uint32);
  return where(odd == array(int64_t(1), uint32), array(-1.0, dtype), array(1.0, dtype));
}

array product_of_diagonal(const array& lu, const array& pivots) {
  return prod(diagonal_of(lu), std::vector<int>{-1}) * parity(pivots, lu.dtype());
}

std::vector<array> decompose_det(const Attrs*, std::span<const array> in) {
  return {product_of_diagonal(in[1], in[2])};
}

// The gradient is that of the cofactors: det(a) a^-H. A zero on the diagonal of u is replaced by one rounding error of
// the largest element, which the product takes out again, so that singular matrices have their finite gradient too.
std::vector<MaybeArray> det_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &lu = c.inputs[1], &pivots = c.inputs[2], &det = c.outputs[0];
  const Dtype dtype = a.dtype(), real = real_of(dtype);
  const int64_t n = rows_of(a);
  if (n == 0) return {zeros_like(a), std::nullopt, std::nullopt};
  const double eps = real == float64 ? std::numeric_limits<double>::epsilon()
                                     : double(std::numeric_limits<float>::epsilon());
  array largest = max(abs(lu), std::vector<int>{-2, -1}, true);
  array small = where(largest == array(0.0, real), array(1.0, real), largest) * array(eps, real);
  array regular = where(logical_and(on_diagonal(n), lu == array(0.0, dtype)), astype(small, dtype), lu);
  // Of the value that belongs to these factors, with the derivative of the determinant.
  array product = det + stop_gradient(product_of_diagonal(regular, pivots) - det);
  array unit = broadcast_to(eye(n, n, 0, dtype), a.shape());
  array inverse = divide(a, stop_gradient(regular), pivots, unit, true);
  array factor = c.cotangents[0] * (is_complex(dtype) ? conj(product) : product);
  return {expand_dims(factor, {-2, -1}) * inverse, std::nullopt, std::nullopt};
}

std::vector<array> decompose_slogdet(const Attrs*, std::span<const array> in) {
  array diagonal = diagonal_of(in[1]);
  array sizes = abs(diagonal), zero(0.0, sizes.dtype()), one(1.0, sizes.dtype());
  array signs = is_complex(diagonal.dtype()) ? diagonal / where(sizes == zero, one, sizes) : sign(diagonal);
  std::vector<int> last{-1};
  return {prod(signs, last) * parity(in[2], diagonal.dtype()), sum(log(sizes), last)};
}

// log|det| has the gradient a^-H. A complex sign turns by the imaginary part of tr(a^-1 d(a)).
std::vector<MaybeArray> slogdet_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &sign = c.outputs[0];
  if (rows_of(a) == 0) return {zeros_like(a), std::nullopt, std::nullopt};
  array factor = astype(c.cotangents[1], a.dtype());
  if (is_complex(a.dtype())) {
    array turn = astype(imag(conj(c.cotangents[0]) * sign), complex64);
    factor = factor - turn * array(complex64_t(0, 1));
  }
  array unit = broadcast_to(eye(rows_of(a), rows_of(a), 0, a.dtype()), a.shape());
  array inverse = divide(a, c.inputs[1], c.inputs[2], unit, true);
  return {expand_dims(factor, {-2, -1}) * inverse, std::nullopt, std::nullopt};
}

// ---- arguments ----

struct System {
  array a, b;
  bool vector;  // b had one axis; it is a matrix of one column here
};

System system_of(const char* name, const array& a, const array& b) {
  const Dtype dtype = promote(a.dtype(), b.dtype());
  System out{astype(a, dtype), astype(b, dtype), b.ndim() == 1};
  check_square(name, out.a);
  if (out.vector) out.b = expand_dims(out.b, {-1});
  if (out.b.ndim() < 2 || rows_of(out.b) != rows_of(a)) {
    fail(Code::value, name, "a of shape ", a.shape(), " and b of shape ", b.shape(), " do not fit");
  }
  return out;
}

array with_batch_of(const array& a, const Shape& batch, size_t keep) {
  Shape shape = batch;
  shape.insert(shape.end(), a.shape().end() - keep, a.shape().end());
  return shape == a.shape() ? a : broadcast_to(a, shape);
}

Shape common_batch(const char* name, const System& system) {
  return broadcast(name, batch_of(system.a.shape()), batch_of(system.b.shape()));
}

array without_column(const array& x, const System& system) {
  return system.vector ? squeeze(x, std::vector<int>{-1}) : x;
}

// The determinant's argument as LAPACK takes it: 16-bit floats and integers are computed in float32.
array factored(const char* name, const array& a) {
  array x = astype(a, carrier_of(inexact_of(a.dtype())));
  check_square(name, x);
  return x;
}

}  // namespace

namespace op {
const Op inv{.name = "inv",
             .infer = infer_inv,
             .vjp = inv_vjp,
             .jvp = inv_jvp,
             .vmap = with_batch<&op::inv>,
             .read_attrs = InverseAttrs::read,
             .layout = InputLayout::any};
const Op solve_triangular{.name = "solve_triangular",
                          .infer = infer_triangular,
                          .vjp = triangular_vjp,
                          .jvp = triangular_jvp,
                          .vmap = with_batch<&op::solve_triangular>,
                          .read_attrs = SolveTriangularAttrs::read,
                          .least_inputs = 2,
                          .layout = InputLayout::any};
const Op lu_solve{.name = "lu_solve",
                  .infer = infer_lu_solve,
                  .vjp = lu_solve_vjp,
                  .jvp = lu_solve_jvp,
                  .vmap = with_batch<&op::lu_solve>,
                  .read_attrs = LuSolveAttrs::read,
                  .least_inputs = 4,
                  .layout = InputLayout::any};
const Op det{.name = "det",
             .infer = infer_det,
             .vjp = det_vjp,
             .vmap = with_batch<&op::det>,
             .decompose = decompose_det,
             .least_inputs = 3};
const Op slogdet{.name = "slogdet",
                 .infer = infer_slogdet,
                 .vjp = slogdet_vjp,
                 .vmap = with_batch<&op::slogdet>,
                 .decompose = decompose_slogdet,
                 .least_inputs = 3};
}  // namespace op

namespace linalg {

array inv(const array& a, StreamOrDevice s) {
  return make(op::inv, make_attrs<InverseAttrs>(Triangle::none), {a}, s);
}

array tri_inv(const array& a, bool upper, StreamOrDevice s) {
  return make(op::inv, make_attrs<InverseAttrs>(upper ? Triangle::upper : Triangle::lower), {a}, s);
}

array cholesky_inv(const array& a, bool upper, StreamOrDevice s) {
  StreamScope scope(s);
  check_square("cholesky_inv", a);
  array inverse = tri_inv(a, upper);
  return upper ? matmul(inverse, adjoint(inverse)) : matmul(adjoint(inverse), inverse);
}

array solve(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  System system = system_of("solve", a, b);
  const Shape batch = common_batch("solve", system);
  std::vector<array> factors = constant_factors(system.a);
  array x = divide(with_batch_of(system.a, batch, 2), with_batch_of(factors[0], batch, 2),
                   with_batch_of(factors[1], batch, 1), with_batch_of(system.b, batch, 2), false);
  return without_column(x, system);
}

array solve_triangular(const array& a, const array& b, bool upper, StreamOrDevice s) {
  StreamScope scope(s);
  System system = system_of("solve_triangular", a, b);
  const Shape batch = common_batch("solve_triangular", system);
  array x =
      divide_triangle(with_batch_of(system.a, batch, 2), with_batch_of(system.b, batch, 2), upper, false);
  return without_column(x, system);
}

array det(const array& a, StreamOrDevice s) {
  StreamScope scope(s);
  array x = factored("det", a);
  std::vector<array> factors = constant_factors(x);
  return astype(make(op::det, {}, {x, factors[0], factors[1]}), inexact_of(a.dtype()));
}

std::pair<array, array> slogdet(const array& a, StreamOrDevice s) {
  StreamScope scope(s);
  array x = factored("slogdet", a);
  std::vector<array> factors = constant_factors(x);
  std::vector<array> both = make_all(op::slogdet, {}, {x, factors[0], factors[1]});
  const Dtype dtype = inexact_of(a.dtype());
  return {astype(both[0], dtype), astype(both[1], real_of(dtype))};
}

}  // namespace linalg
}  // namespace melix
