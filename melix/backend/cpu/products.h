// Matrix products for kernels: of whole (batched) matrices on all threads, and of one tile on the calling thread.
#pragma once

#include "melix/graph/array.h"

namespace melix::cpu {

struct Blas;

/// What addmm adds: result = alpha * product + beta * c. Shapes and strides are the result's (0 where c repeats).
struct Addend {
  const View& c;
  double alpha, beta;
};

/// out (..., M, N) = a (..., M, K) times b (..., K, N). Leading axes broadcast; a, b and c have any strides and the
/// dtype of out, which is row-major. The work is cut by shape, dtype and strides alone. Throws Code::memory.
void product(const View& a, const View& b, View& out, const Addend* addend = nullptr);

/// One factor of a product: strides in elements, of any sign.
struct Factor {
  const void* data;
  int64_t row, column;
};

/// Memory of one thread, which grows and is given back at the end.
class ThreadMemory {
 public:
  ThreadMemory() = default;
  ~ThreadMemory();
  ThreadMemory(const ThreadMemory&) = delete;
  ThreadMemory& operator=(const ThreadMemory&) = delete;
  /// At least so many bytes, 64-byte aligned; what was there before is gone. Throws Code::memory.
  void* bytes(int64_t n);

 private:
  void* block_ = nullptr;
  size_t capacity_ = 0;
};

/// Products on the calling thread. An object belongs to one thread at a time.
class TileProduct {
 public:
  explicit TileProduct(Dtype dtype);

  /// The type of sums: float32 for 16-bit floats, 16-bit and wider unsigned integers for integers, else the dtype.
  static Dtype sums(Dtype dtype);
  /// Whether sums have the bits of results, so that `into` may be the result itself.
  static bool in_place(Dtype dtype) { return !is_half(dtype) && dtype != int8 && dtype != uint8; }

  /// into (m x n, in the type of sums, row stride `row`) = a (m x k) times b (k x n); `add`: it is added to `into`.
  void run(const Factor& a, const Factor& b, int64_t m, int64_t n, int64_t k, void* into, int64_t row,
           bool add = false);

 private:
  Dtype dtype_;
  const Blas* blas_;  // null: our own kernel
  ThreadMemory memory_;
};

/// The BLAS that multiplies matrices of this dtype, or null: there our own kernel is as fast or the only one.
const Blas* blas_for(Dtype dtype);
/// Whether a BLAS takes the factor (rows x columns) as it lies: contiguous rows, or contiguous columns.
bool blas_takes(const Factor& f, int64_t rows, int64_t columns);

}  // namespace melix::cpu
