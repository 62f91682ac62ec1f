// Linear algebra on the matrices along the last two axes; the axes before them are a batch. The factorizations and
// solvers take float32, float64 and complex64, by LAPACK, each matrix on one thread and a batch on all.
//
// A matrix that cannot be dealt with (singular, not positive definite) is an error when the result is evaluated, which
// says which one of the batch it is.
#pragma once

#include "melix/ops/reduce.h"

namespace melix {

/// Which elements of a matrix count; the others are taken for zero.
enum class Triangle : int { none, lower, upper };

struct InverseAttrs : Attributes<InverseAttrs> {
  Triangle triangle;
  static constexpr auto fields() { return std::tuple{field("triangle", &InverseAttrs::triangle)}; }
};

struct CholeskyAttrs : Attributes<CholeskyAttrs> {
  bool upper;
  static constexpr auto fields() { return std::tuple{field("upper", &CholeskyAttrs::upper)}; }
};

/// A triangle, or its adjoint, of which the inverse is meant.
struct SolveTriangularAttrs : Attributes<SolveTriangularAttrs> {
  bool upper, adjoint;
  static constexpr auto fields() {
    return std::tuple{field("upper", &SolveTriangularAttrs::upper),
                      field("adjoint", &SolveTriangularAttrs::adjoint)};
  }
};

struct LuSolveAttrs : Attributes<LuSolveAttrs> {
  bool adjoint;
  static constexpr auto fields() { return std::tuple{field("adjoint", &LuSolveAttrs::adjoint)}; }
};

/// `full`: square u and vt. Without vectors s is the only result.
struct SvdAttrs : Attributes<SvdAttrs> {
  bool vectors, full;
  static constexpr auto fields() {
    return std::tuple{field("vectors", &SvdAttrs::vectors), field("full", &SvdAttrs::full)};
  }
};

/// Which triangle is read. Without vectors the eigenvalues are the only result.
struct EighAttrs : Attributes<EighAttrs> {
  bool upper, vectors;
  static constexpr auto fields() {
    return std::tuple{field("upper", &EighAttrs::upper), field("vectors", &EighAttrs::vectors)};
  }
};

struct EigAttrs : Attributes<EigAttrs> {
  bool vectors;
  static constexpr auto fields() { return std::tuple{field("vectors", &EigAttrs::vectors)}; }
};

namespace op {
/// lu_factor: a -> lu, pivots, rows, where a[i] is row rows[i] of l @ u.
/// lu_solve: a, lu, pivots, b -> x. Derivatives are those of a and b: lu and pivots say how to divide by a, once.
/// det, slogdet: a, lu, pivots, in the same way.
/// eigh, eig: the values, and the vectors as rows.
extern const Op inv, cholesky, solve_triangular, lu_factor, lu_solve, det, slogdet, qr, svd, eigh, eig, pinv;
}  // namespace op

namespace linalg {

/// Norm of vectors or matrices, as `ord` says:
///
///     ord         of a matrix                       of a vector
///     none        root of the sum of squares        the same
///     "fro", "f"  the same                          -
///     "nuc"       sum of the singular values        -
///     inf         largest sum of a row              largest magnitude
///     -inf        smallest sum of a row             smallest magnitude
///     1, -1       largest, smallest sum of a column sum of magnitudes (1)
///     2, -2       largest, smallest singular value  root of the sum of squares (2)
///     0           -                                 how many are not zero
///     p           -                                 sum(abs(a) ** p) ** (1 / p)
///
/// One axis makes vectors, two make matrices. Without an axis the whole array is one vector (without `ord`), or it must
/// be a vector or a matrix. The result is real; integers give float32. The gradient at zero is 0.
/// @python positional=1
array norm(const array& a, const std::optional<std::variant<double, std::string>>& ord = std::nullopt,
           const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// q with orthonormal columns and r upper triangular, with q @ r = a. For a of shape (..., m, n) and k = min(m, n) they
/// are (..., m, k) and (..., k, n).
std::pair<array, array> qr(const array& a, StreamOrDevice s = {});

/// u, s, vt with a = (u[:, :k] * s) @ vt[:k] and s descending, k = min(m, n). With `compute_uv` false just s.
///
/// u is (m, m) and vt is (n, n); with `full_matrices` false (m, k) and (k, n). Derivatives are those of the first k
/// columns of u and rows of vt, for singular values that differ. A matrix that is not finite gives NaN.
/// @python returns=one_or_tuple
std::vector<array> svd(const array& a, bool compute_uv = true, bool full_matrices = true,
                       StreamOrDevice s = {});

/// Inverse of square matrices.
array inv(const array& a, StreamOrDevice s = {});

/// Inverse of the lower (or upper) triangles of square matrices.
array tri_inv(const array& a, bool upper = false, StreamOrDevice s = {});

/// Lower triangular l with l @ l^H = a, or with `upper` u with u^H @ u = a, for symmetric (Hermitian) positive definite
/// matrices. Only that triangle of `a` is read; the gradient is symmetric.
array cholesky(const array& a, bool upper = false, StreamOrDevice s = {});

/// Inverse of the matrices whose Cholesky factors (as cholesky gives them) these are.
array cholesky_inv(const array& a, bool upper = false, StreamOrDevice s = {});

/// p, l, u with a = l[p] @ u: a permutation (uint32), a lower triangle with ones on the diagonal, an upper triangle.
std::tuple<array, array, array> lu(const array& a, StreamOrDevice s = {});

/// The same factors in one matrix, with l below the diagonal, and the pivots (uint32): row i was exchanged with row
/// pivots[i], in that order.
std::pair<array, array> lu_factor(const array& a, StreamOrDevice s = {});

/// x with a @ x = b. b is a vector or a matrix; the axes before the matrices broadcast.
array solve(const array& a, const array& b, StreamOrDevice s = {});

/// x with a @ x = b for the lower (or upper) triangles of a, as solve.
/// @python keyword=upper
array solve_triangular(const array& a, const array& b, bool upper = false, StreamOrDevice s = {});

/// Eigenvalues, and eigenvectors of length 1 as columns, of square matrices: complex64 always, in any order. A matrix
/// that is not finite gives NaN.
std::pair<array, array> eig(const array& a, StreamOrDevice s = {});

/// The eigenvalues of eig.
array eigvals(const array& a, StreamOrDevice s = {});

/// Eigenvalues in ascending order (real), and orthonormal eigenvectors as columns, of symmetric (Hermitian) matrices.
/// Only the triangle that `UPLO` says ("L" or "U") is read; the gradient is symmetric. A matrix that is not finite
/// gives NaN.
std::pair<array, array> eigh(const array& a, const std::string& UPLO = "L", StreamOrDevice s = {});

/// The eigenvalues of eigh.
array eigvalsh(const array& a, const std::string& UPLO = "L", StreamOrDevice s = {});

/// Pseudo-inverse. Singular values below 10 max(m, n) eps times the largest one are taken for zero.
array pinv(const array& a, StreamOrDevice s = {});

/// Cross product of the vectors along an axis, of length 2 or 3 (the missing third element is zero); the other axes
/// broadcast.
array cross(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

/// Determinant of square matrices; of any dtype, integers give float32.
array det(const array& a, StreamOrDevice s = {});

/// Sign of the determinant (of a complex one: a number of magnitude 1) and logarithm of its magnitude: 0 and -inf for a
/// singular matrix.
std::pair<array, array> slogdet(const array& a, StreamOrDevice s = {});

}  // namespace linalg

/// Norm of matrices along two axes, by default the last two: see linalg.norm.
/// @python positional=1
array matrix_norm(const array& a, const std::optional<std::variant<double, std::string>>& ord = std::nullopt,
                  const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

}  // namespace melix
