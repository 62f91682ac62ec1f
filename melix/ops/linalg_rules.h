// What the rules of linear algebra share: checks of matrices, adjoints, triangles, rules of batches. Not public.
#pragma once

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/diagonal.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/linalg.h"
#include "melix/ops/matmul.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix::linalg_rules {

/// Most rows and columns for which LAPACK's sizes of work memory, some n^2, fit its 32-bit integers.
inline constexpr int64_t kMaxOrder = 20000;
/// The same for what needs no work memory of n^2.
inline constexpr int64_t kMaxLength = 2147483647;

inline Shape batch_of(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }
inline Shape joined(Shape batch, std::initializer_list<int64_t> tail) {
  batch.insert(batch.end(), tail);
  return batch;
}
inline int64_t rows_of(const array& a) { return a.shape(-2); }
inline int64_t columns_of(const array& a) { return a.shape(-1); }
inline Dtype real_of(Dtype dtype) { return dtype == complex64 ? float32 : dtype; }

/// Throws unless `a` holds matrices of a dtype that LAPACK has and of a size within `most`.
inline void check_matrices(const char* name, const array& a, int64_t most = kMaxLength) {
  if (a.dtype() != float32 && a.dtype() != float64 && a.dtype() != complex64) {
    fail(Code::value, name, "takes float32, float64 and complex64, not ", a.dtype());
  }
  if (a.ndim() < 2) fail(Code::value, name, "an array of shape ", a.shape(), " holds no matrices");
  if (std::max(rows_of(a), columns_of(a)) > most) {
    fail(Code::value, name, "matrices of shape ", a.shape(), " are too large for LAPACK, at most ", most,
         " rows and columns");
  }
}
inline void check_square(const char* name, const array& a, int64_t most = kMaxLength) {
  check_matrices(name, a, most);
  if (rows_of(a) != columns_of(a)) {
    fail(Code::value, name, "matrices of shape ", a.shape(), " are not square");
  }
}

/// Conjugate transpose.
inline array adjoint(const array& a) {
  return is_complex(a.dtype()) ? conj(matrix_transpose(a)) : matrix_transpose(a);
}
/// (a + a^H) / 2
inline array hermitian_part(const array& a) { return (a + adjoint(a)) * array(0.5, real_of(a.dtype())); }

/// Rows [begin, end) and columns [begin, end) of matrices.
inline array part(const array& a, int64_t row, int64_t end_row, int64_t column, int64_t end_column) {
  Shape start(a.ndim(), 0), stop = a.shape();
  const size_t r = a.ndim() - 2, c = a.ndim() - 1;
  start[r] = row, start[c] = column, stop[r] = end_row, stop[c] = end_column;
  return slice(a, start, stop);
}
inline array first_rows(const array& a, int64_t n) { return part(a, 0, n, 0, columns_of(a)); }
inline array first_columns(const array& a, int64_t n) { return part(a, 0, rows_of(a), 0, n); }

/// Diagonals as vectors; and whether an element of an (n, n) matrix is on it.
inline array diagonal_of(const array& a) { return diagonal(a, 0, -2, -1); }
inline array on_diagonal(int64_t n) { return eye(n, n, 0, bool_); }
/// The matrix with this vector in its diagonal.
inline array with_diagonal(const array& vector) {
  return where(on_diagonal(vector.shape(-1)), expand_dims(vector, {-1}), array(0.0, vector.dtype()));
}
/// Columns (or rows) of matrices, each times its element of the vector.
inline array times_columns(const array& a, const array& vector) { return a * expand_dims(vector, {-2}); }
inline array times_rows(const array& vector, const array& a) { return expand_dims(vector, {-1}) * a; }

/// 1 / x, and 0 where x is 0: a quotient that does not count there.
inline array reciprocal_or_zero(const array& x) {
  const array zero(0.0, x.dtype()), one(1.0, x.dtype());
  return where(x == zero, zero, one / where(x == zero, one, x));
}

/// The vmap rule of operations whose inputs all have their batch in front: one axis more of it.
template <const Op* op>
std::vector<array> with_batch(const VmapContext& c) {
  Inputs inputs;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    inputs.push_back(c.batched[i] ? c.inputs[i] : c.with_batch(i));
  }
  return make_all(*op, Ref<const Attrs>(c.attrs), inputs);
}

/// x with t @ x = b, or adjoint(t) @ x = b, of one batch.
inline array divide_triangle(const array& t, const array& b, bool upper, bool adjoint) {
  return make(op::solve_triangular, make_attrs<SolveTriangularAttrs>(upper, adjoint), {t, b});
}
/// x @ adjoint(t)^-1
inline array over_adjoint(const array& x, const array& t, bool upper) {
  return adjoint(divide_triangle(t, adjoint(x), upper, false));
}

/// The factors of `a` by which others divide, without derivatives: lu, pivots.
inline std::vector<array> constant_factors(const array& a) {
  std::vector<array> factors = make_all(op::lu_factor, {}, {stop_gradient(a)});
  factors.pop_back();
  return factors;
}

}  // namespace melix::linalg_rules
