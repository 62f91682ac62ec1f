// Inverses, triangular factors and solvers on LAPACK: inv, cholesky, solve_triangular, lu_factor, lu_solve.
//
// A row-major matrix is its own transpose to LAPACK. Inverses commute with that, and the upper Cholesky factor of the
// transpose is the transpose of the lower one, so that both need no copy; LU does not, and is transposed in and out.
// Small real matrices are eliminated by our own loops: a call of LAPACK costs 100 ns to 1 us, a 4 x 4 matrix 50 ns.
#include <algorithm>

#include "melix/backend/cpu/lapack.h"
#include "melix/backend/cpu/matrices.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/ops/linalg.h"

namespace melix::cpu {
namespace {

constexpr const char* kSingular = "is singular";

// The triangle of a row-major matrix, as LAPACK sees its transpose.
char transposed(bool upper) { return upper ? 'L' : 'U'; }

// Orders up to which our own loops are faster than OpenBLAS (Zen 5, one thread).
constexpr int64_t kSmall = 32;
constexpr int64_t kSmallCholesky = 8;

template <class T>
bool is_small(int64_t n, int64_t most = kSmall) {
  return !is_complex_type<T> && n <= most;
}
template <class T>
constexpr Dtype kDtype = std::is_same_v<T, float> ? float32 : float64;

template <class T>
bool zero_on_diagonal(const T* a, int64_t n, int64_t row) {
  for (int64_t i = 0; i < n; i++) {
    if (a[i * (row + 1)] == T(0)) return true;
  }
  return false;
}

// Row r of x (n rows of k elements) changes its place with row pivot(r), from the first row on or from the last.
template <class T, class Pivot>
void exchange_rows(T* x, int64_t n, int64_t k, bool from_last, Pivot pivot) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t r = from_last ? n - 1 - i : i, other = std::min<int64_t>(pivot(r), n - 1);
    if (other != r) std::swap_ranges(x + r * k, x + (r + 1) * k, x + other * k);
  }
}

// The inverse of an n x n matrix, which is lost, or false.
template <class T>
bool small_inverse(T* a, int64_t n, int* pivots, T* inverse) {
  simd().small_lu(kDtype<T>, a, n, n, pivots);
  if (zero_on_diagonal(a, n, n)) return false;
  fill_identity(inverse, n);
  exchange_rows(inverse, n, n, false, [&](int64_t r) { return pivots[r] - 1; });
  simd().small_divide(kDtype<T>, a, n, n, inverse, n);
  return true;
}

template <class T>
void inverses(const Call& call) {
  const Lapack<T>& la = lapack<T>("inv");
  const Triangle triangle = attrs_as<InverseAttrs>(call.attrs).triangle;
  const Matrices<T> in(call.inputs[0]);
  const int n = int(in.rows());
  const int64_t size = in.rows() * in.rows();
  T* out = call.outputs[0].as<T>();
  T answer(0);
  if (triangle == Triangle::none) la.getri(kColumnMajor, n, nullptr, n, nullptr, &answer, -1);
  const bool small = is_small<T>(n);
  const int lwork = small ? int(size) : work_size(answer);
  FirstFailure singular;
  for_matrices(in.count(), 2.0 * double(size) * n, [&](int64_t begin, int64_t end) {
    ThreadMemory memory;
    T* work = static_cast<T*>(memory.bytes(lwork * int64_t(sizeof(T)) + n * int64_t(sizeof(int))));
    int* pivots = reinterpret_cast<int*>(work + lwork);
    for (int64_t i = begin; i < end; i++) {
      T* x = out + i * size;
      int info = 0;
      in.load(i, small && triangle == Triangle::none ? work : x);
      if (small && triangle == Triangle::none) {
        info = !small_inverse(work, n, pivots, x);
      } else if (triangle != Triangle::none) {
        clear_triangle(x, n, triangle == Triangle::lower);
        info = la.trtri(kColumnMajor, transposed(triangle == Triangle::upper), 'N', n, x, n);
      } else {
        info = la.getrf(kColumnMajor, n, n, x, n, pivots);
        if (info == 0) info = la.getri(kColumnMajor, n, x, n, pivots, work, lwork);
      }
      if (info == 0) continue;
      in.load(i, x);
      if (all_finite(x, size)) singular.add(i);
      fill_nan(x, size);
    }
  });
  singular.raise(triangle == Triangle::none ? "inv" : "tri_inv", in.count(), kSingular);
}

// Both factors come from the upper triangle: the lower one from that of the transpose.
template <class T>
bool small_factor(T* x, int64_t n, bool upper) {
  if (!simd().small_cholesky(kDtype<T>, x, n)) return false;
  for (int64_t i = 0; i < n && !upper; i++) {
    for (int64_t j = i + 1; j < n; j++) std::swap(x[i * n + j], x[j * n + i]);
  }
  clear_triangle(x, n, !upper);
  return true;
}

template <class T>
void choleskys(const Call& call) {
  const Lapack<T>& la = lapack<T>("cholesky");
  const bool upper = attrs_as<CholeskyAttrs>(call.attrs).upper;
  const Matrices<T> in(call.inputs[0]);
  const int n = int(in.rows());
  const int64_t size = in.rows() * in.rows();
  const bool small = is_small<T>(n, kSmallCholesky);
  T* out = call.outputs[0].as<T>();
  FirstFailure failure;
  for_matrices(in.count(), double(size) * n / 3, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      T* x = out + i * size;
      in.load(i, x, small && !upper);
      if (small) {
        if (small_factor(x, n, upper)) continue;
      } else {
        clear_triangle(x, n, !upper);
        if (la.potrf(kColumnMajor, transposed(upper), n, x, n) == 0) continue;
      }
      in.load(i, x);
      clear_triangle(x, n, !upper);
      if (all_finite(x, size)) failure.add(i);
      fill_nan(x, size);
    }
  });
  failure.raise("cholesky", in.count(), "is not positive definite");
}

// ---- triangular systems ----

template <class T>
struct Triangular {
  const Lapack<T>& la;
  int n, k;  // the triangle is n x n, the right side n x k

  // The right side becomes the solution. Both are row-major.
  void solve(const T* a, int row, bool upper, bool unit, bool adjoint, T* x) const {
    const T one(1);
    const auto alpha = [&] {
      if constexpr (is_complex_type<T>) {
        return static_cast<const void*>(&one);
      } else {
        return one;
      }
    }();
    la.trsm(BlasOrder::row_major, BlasSide::left, upper ? BlasTriangle::upper : BlasTriangle::lower,
            adjoint ? kConjugateTranspose : BlasTranspose::no, unit ? BlasDiagonal::unit : BlasDiagonal::any,
            n, k, alpha, a, row, x, k);
  }
};

template <class T>
void triangular_solutions(const Call& call) {
  const auto& attrs = attrs_as<SolveTriangularAttrs>(call.attrs);
  const Matrices<T> a(call.inputs[0]), b(call.inputs[1]);
  const int64_t n = a.rows(), k = b.columns();
  const Triangular<T> triangular{lapack<T>("solve_triangular"), int(n), int(k)};
  T* out = call.outputs[0].as<T>();
  FirstFailure singular;
  for_matrices(a.count(), double(n) * double(n) * double(k), [&](int64_t begin, int64_t end) {
    ThreadMemory copy;
    for (int64_t i = begin; i < end; i++) {
      T* x = out + i * n * k;
      const T* triangle = a.rows_of(i, copy);
      if (zero_on_diagonal(triangle, n, a.stride())) singular.add(i);
      b.load(i, x);
      triangular.solve(triangle, a.stride(), attrs.upper, false, attrs.adjoint, x);
    }
  });
  singular.raise("solve_triangular", a.count(), kSingular);
}

// ---- LU ----

// Where the rows go: rows[i] is the row of l @ u that is row i of the matrix.
void permutation(const int* pivots, int64_t k, int64_t m, uint32_t* order, uint32_t* rows) {
  for (int64_t i = 0; i < m; i++) order[i] = uint32_t(i);
  for (int64_t i = 0; i < k; i++) std::swap(order[i], order[pivots[i] - 1]);
  for (int64_t i = 0; i < m; i++) rows[order[i]] = uint32_t(i);
}

template <class T>
void lu_factors(const Call& call) {
  const Lapack<T>& la = lapack<T>("lu_factor");
  const Matrices<T> in(call.inputs[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n), size = m * n;
  T* out = call.outputs[0].as<T>();
  const bool small = is_small<T>(std::max(m, n));
  auto *pivots = call.outputs[1].as<uint32_t>(), *rows = call.outputs[2].as<uint32_t>();
  for_matrices(in.count(), double(size) * double(k), [&](int64_t begin, int64_t end) {
    ThreadMemory memory, indices;
    T* columns = static_cast<T*>(memory.bytes(size * int64_t(sizeof(T))));
    int* exchanged = static_cast<int*>(indices.bytes((k + m) * int64_t(sizeof(int))));
    for (int64_t i = begin; i < end; i++) {
      if (small) {
        in.load(i, out + i * size);
        simd().small_lu(kDtype<T>, out + i * size, m, n, exchanged);
      } else {
        in.load(i, columns, true);
        la.getrf(kColumnMajor, int(m), int(n), columns, int(m), exchanged);
        copy_transposed(columns, n, m, m, int64_t(1), out + i * size, n);
      }
      for (int64_t j = 0; j < k; j++) pivots[i * k + j] = uint32_t(exchanged[j] - 1);
      permutation(exchanged, k, m, reinterpret_cast<uint32_t*>(exchanged + k), rows + i * m);
    }
  });
}

// a = p l u: divides by p, l and u in turn, or by the adjoints of u, l and p.
template <class T>
void lu_solutions(const Call& call) {
  const bool adjoint = attrs_as<LuSolveAttrs>(call.attrs).adjoint;
  const Matrices<T> lu(call.inputs[1]), b(call.inputs[3]);
  const Matrices<uint32_t> pivots(call.inputs[2], 1);
  const int64_t n = lu.rows(), k = b.columns();
  const Triangular<T> triangular{lapack<T>("solve"), int(n), int(k)};
  const bool small = is_small<T>(n) && !adjoint && k <= 4 * kSmall;
  T* out = call.outputs[0].as<T>();
  FirstFailure singular;
  for_matrices(b.count(), 2.0 * double(n) * double(n) * double(k), [&](int64_t begin, int64_t end) {
    ThreadMemory copy, indices;
    auto* exchanged = static_cast<uint32_t*>(indices.bytes(n * int64_t(sizeof(uint32_t))));
    for (int64_t i = begin; i < end; i++) {
      T* x = out + i * n * k;
      const T* factors = lu.rows_of(i, copy);
      if (zero_on_diagonal(factors, n, lu.stride())) {
        // The pivots of a matrix with NaN are anything, and say nothing about it.
        if (all_finite(factors, (n - 1) * lu.stride() + n)) singular.add(i);
        fill_nan(x, n * k);
        continue;
      }
      b.load(i, x);
      pivots.load(i, exchanged);
      auto pivot = [&](int64_t r) { return int64_t(exchanged[r]); };
      if (!adjoint) exchange_rows(x, n, k, false, pivot);
      if (small) {
        simd().small_divide(kDtype<T>, factors, lu.stride(), n, x, k);
      } else {
        triangular.solve(factors, lu.stride(), adjoint, !adjoint, adjoint, x);
        triangular.solve(factors, lu.stride(), !adjoint, adjoint, adjoint, x);
      }
      if (adjoint) exchange_rows(x, n, k, true, pivot);
    }
  });
  singular.raise("solve", b.count(), kSingular);
}

}  // namespace

void inv(const Call& call) {
  if (call.outputs[0].size() == 0) return;
  with_field(call.outputs[0].dtype, [&](auto t) { inverses<decltype(t)>(call); });
}
void cholesky(const Call& call) {
  if (call.outputs[0].size() == 0) return;
  with_field(call.outputs[0].dtype, [&](auto t) { choleskys<decltype(t)>(call); });
}
void solve_triangular(const Call& call) {
  if (call.outputs[0].size() == 0) return;
  with_field(call.outputs[0].dtype, [&](auto t) { triangular_solutions<decltype(t)>(call); });
}
void lu_factor(const Call& call) {
  View& rows = call.outputs[2];
  if (call.outputs[0].size() == 0) {  // of no columns, the rows stay where they are
    for (int64_t i = 0; i < rows.size(); i++) rows.as<uint32_t>()[i] = uint32_t(i % rows.shape.back());
    return;
  }
  with_field(call.outputs[0].dtype, [&](auto t) { lu_factors<decltype(t)>(call); });
}
void lu_solve(const Call& call) {
  if (call.outputs[0].size() == 0) return;
  with_field(call.outputs[0].dtype, [&](auto t) { lu_solutions<decltype(t)>(call); });
}

}  // namespace melix::cpu
