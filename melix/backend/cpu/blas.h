// OpenBLAS, loaded when the first product asks for it. It is called on one tile at a time, from any thread of the pool
// at once, and never starts threads of its own. Not a way to split work: that is matmul.cpp.
#pragma once

#include <complex>
#include <string>

namespace melix::cpu {

/// Values of the C interface of BLAS.
enum class BlasOrder : int { row_major = 101, column_major = 102 };
enum class BlasTranspose : int { no = 111, yes = 112 };

/// c = alpha * a * b + beta * c. With beta = 0 the old c is not read.
template <class T>
using GemmFn = void (*)(BlasOrder, BlasTranspose, BlasTranspose, int m, int n, int k, T alpha, const T* a,
                        int lda, const T* b, int ldb, T beta, T* c, int ldc);
/// The same for complex numbers, whose scalars go by address.
using ComplexGemmFn = void (*)(BlasOrder, BlasTranspose, BlasTranspose, int m, int n, int k,
                               const void* alpha, const void* a, int lda, const void* b, int ldb,
                               const void* beta, void* c, int ldc);

struct Blas {
  GemmFn<float> sgemm;
  GemmFn<double> dgemm;
  ComplexGemmFn cgemm;
  /// The file it came from, and the library's own words about itself.
  std::string path, description;
  /// Whether its kernels use vectors as wide as ours; where they do not, our products are faster.
  bool as_wide_as_ours;

  /// Address of another function ("LAPACKE_sgesdd"), or null. The prefix that the library's names carry is added.
  void* symbol(const char* name) const;

  void* handle;
  const char* prefix;
};

/// The library, or null where there is none and our own kernels serve. The first that exists of
///   MELIX_BLAS          a path; `none` asks for our own kernels
///   scipy_openblas32    the package, beside the package that holds this library, or where the build found it
///   libopenblas.so.0    the system's
/// Throws Code::runtime when MELIX_BLAS names a file that is no BLAS with 32-bit sizes. Any thread may call.
const Blas* blas();

}  // namespace melix::cpu
