// LAPACK of the OpenBLAS that blas.h loads, by element type: float, double, complex64_t. Matrices are column-major, as
// LAPACK has them; kernels see a row-major matrix as its transpose wherever that saves a copy. Each call runs on the
// calling thread alone, and any number of threads may call at once. Not a way to share work: that is in the kernels.
#pragma once

#include <algorithm>
#include <climits>
#include <complex>
#include <type_traits>

#include "melix/backend/cpu/blas.h"
#include "melix/core/half.h"

namespace melix::cpu {

template <class T>
inline constexpr bool is_complex_type = !std::is_floating_point_v<T>;
/// float for complex64_t, T itself for the real ones.
template <class T>
using RealOf = std::conditional_t<is_complex_type<T>, float, T>;

/// What LAPACKE calls the order of its matrices, and sides, triangles and transposes of the C interface of BLAS.
inline constexpr int kColumnMajor = 102;
enum class BlasSide : int { left = 141, right = 142 };
enum class BlasTriangle : int { upper = 121, lower = 122 };
enum class BlasDiagonal : int { any = 131, unit = 132 };
inline constexpr BlasTranspose kConjugateTranspose = BlasTranspose(113);

/// Entry points of LAPACKE with explicit work memory, under LAPACK's names (those of the real types where they differ:
/// orglq is unglq, syevd is heevd). All return `info`: 0, or a positive number that each defines.
template <class T>
struct Lapack {
  using Real = RealOf<T>;
  static constexpr bool kComplex = is_complex_type<T>;

  int (*getrf)(int, int m, int n, T* a, int lda, int* pivots);
  int (*getri)(int, int n, T* a, int lda, const int* pivots, T* work, int lwork);
  int (*potrf)(int, char triangle, int n, T* a, int lda);
  int (*trtri)(int, char triangle, char diagonal, int n, T* a, int lda);
  int (*gelqf)(int, int m, int n, T* a, int lda, T* tau, T* work, int lwork);
  int (*orglq)(int, int m, int n, int k, T* a, int lda, const T* tau, T* work, int lwork);

  using RealSvd = int (*)(int, char job, int m, int n, T* a, int lda, Real* s, T* u, int ldu, T* vt, int ldvt,
                          T* work, int lwork, int* iwork);
  using ComplexSvd = int (*)(int, char job, int m, int n, T* a, int lda, Real* s, T* u, int ldu, T* vt,
                             int ldvt, T* work, int lwork, Real* rwork, int* iwork);
  std::conditional_t<kComplex, ComplexSvd, RealSvd> gesdd;

  using RealEigh = int (*)(int, char job, char triangle, int n, T* a, int lda, Real* w, T* work, int lwork,
                           int* iwork, int liwork);
  using ComplexEigh = int (*)(int, char job, char triangle, int n, T* a, int lda, Real* w, T* work, int lwork,
                              Real* rwork, int lrwork, int* iwork, int liwork);
  std::conditional_t<kComplex, ComplexEigh, RealEigh> syevd;

  using RealEig = int (*)(int, char left, char right, int n, T* a, int lda, Real* wr, Real* wi, T* vl,
                          int ldvl, T* vr, int ldvr, T* work, int lwork);
  using ComplexEig = int (*)(int, char left, char right, int n, T* a, int lda, T* w, T* vl, int ldvl, T* vr,
                             int ldvr, T* work, int lwork, Real* rwork);
  std::conditional_t<kComplex, ComplexEig, RealEig> geev;

  /// Of BLAS, in either order: b (m x n) becomes the x of op(a) x = alpha b, or of x op(a) = alpha b.
  using Scalar = std::conditional_t<kComplex, const void*, T>;
  void (*trsm)(BlasOrder, BlasSide, BlasTriangle, BlasTranspose, BlasDiagonal, int m, int n, Scalar alpha,
               const T* a, int lda, T* b, int ldb);
};

/// The functions for T. Throws Code::runtime, naming `op`, when no OpenBLAS is found or it has no LAPACK.
template <class T>
const Lapack<T>& lapack(const char* op);

/// LAPACK's answer to how much work memory it wants, which floats hold rounded. Where that is beyond its integers, less
/// does as well.
template <class T>
int work_size(T answer) {
  return int(std::min(double(std::real(answer)) * (1 + 1e-6) + 1, double(INT_MAX)));
}

}  // namespace melix::cpu
