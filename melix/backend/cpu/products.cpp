// Products of one tile on one thread: OpenBLAS for float32, float64 and complex64; our packed kernel for everything
// else and where there is none.
#include "melix/backend/cpu/products.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "melix/backend/cpu/blas.h"
#include "melix/backend/cpu/simd/product.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/allocator.h"

namespace melix::cpu {
namespace {

bool has_rows(const Factor& f, int64_t rows, int64_t columns) {
  return (f.column == 1 || columns == 1) && ((f.row >= columns && f.row <= INT_MAX) || rows == 1);
}
bool has_columns(const Factor& f, int64_t rows, int64_t columns) {
  return has_rows({f.data, f.column, f.row}, columns, rows);
}

// How a BLAS reads a factor: as rows, or transposed.
struct Reading {
  BlasTranspose transpose;
  int stride;
};
Reading reading(const Factor& f, int64_t rows, int64_t columns) {
  bool as_rows = has_rows(f, rows, columns);
  int64_t length = as_rows ? columns : rows, stride = as_rows ? f.row : f.column;
  // With one row the stride is not used, but it is checked.
  if ((as_rows ? rows : columns) == 1) stride = length;
  return {as_rows ? BlasTranspose::no : BlasTranspose::yes, int(std::max<int64_t>(stride, 1))};
}

template <class T>
void gemm(GemmFn<T> function, const Factor& a, const Factor& b, int64_t m, int64_t n, int64_t k, void* c,
          int64_t row, bool add) {
  Reading x = reading(a, m, k), y = reading(b, k, n);
  function(BlasOrder::row_major, x.transpose, y.transpose, int(m), int(n), int(k), T(1),
           static_cast<const T*>(a.data), x.stride, static_cast<const T*>(b.data), y.stride, T(add ? 1 : 0),
           static_cast<T*>(c), int(row));
}

void complex_gemm(const Blas& blas, const Factor& a, const Factor& b, int64_t m, int64_t n, int64_t k,
                  void* c, int64_t row, bool add) {
  const complex64_t one(1), before(add ? 1 : 0);
  Reading x = reading(a, m, k), y = reading(b, k, n);
  blas.cgemm(BlasOrder::row_major, x.transpose, y.transpose, int(m), int(n), int(k), &one, a.data, x.stride,
             b.data, y.stride, &before, c, int(row));
}

}  // namespace

ThreadMemory::~ThreadMemory() { memory::deallocate(block_, capacity_); }

void* ThreadMemory::bytes(int64_t n) {
  if (size_t(n) > capacity_) {
    memory::deallocate(block_, capacity_);
    block_ = nullptr;
    capacity_ = 0;
    block_ = memory::allocate(size_t(n), &capacity_);
  }
  return block_;
}

bool blas_takes(const Factor& f, int64_t rows, int64_t columns) {
  return has_rows(f, rows, columns) || has_columns(f, rows, columns);
}

// 16-bit floats are widened while our kernel packs them, which costs less than doing so for a BLAS (Zen 5, products
// of 512: bfloat16 at 200 GFlop/s a core, float32 in OpenBLAS at 190).
const Blas* blas_for(Dtype dtype) {
  if (!is_inexact(dtype) || is_half(dtype)) return nullptr;
  const Blas* found = blas();
  return found && found->as_wide_as_ours ? found : nullptr;
}

TileProduct::TileProduct(Dtype dtype) : dtype_(dtype), blas_(blas_for(dtype)) {}

Dtype TileProduct::sums(Dtype dtype) {
  switch (dtype) {
    case uint8:
    case int8:
    case int16:
      return uint16;
    case int32:
      return uint32;
    case int64:
      return uint64;
    default:
      return carrier_of(dtype);
  }
}

void TileProduct::run(const Factor& a, const Factor& b, int64_t m, int64_t n, int64_t k, void* into,
                      int64_t row, bool add) {
  if (k == 0) {
    if (add) return;
    size_t bytes = size_of(sums(dtype_));
    for (int64_t i = 0; i < m; i++)
      std::memset(static_cast<char*>(into) + size_t(i * row) * bytes, 0, size_t(n) * bytes);
    return;
  }
  if (m == 1) row = n;  // is not used, but a BLAS checks it
  bool fits = std::max({m, n, k, row}) <= INT_MAX && blas_takes(a, m, k) && blas_takes(b, k, n);
  if (!blas_ || !fits) {
    void* panels = memory_.bytes(kPanelBytes);
    simd().product_tile(dtype_,
                        {m, n, k, a.data, a.row, a.column, b.data, b.row, b.column, into, row, add, panels});
  } else if (dtype_ == float32) {
    gemm(blas_->sgemm, a, b, m, n, k, into, row, add);
  } else if (dtype_ == float64) {
    gemm(blas_->dgemm, a, b, m, n, k, into, row, add);
  } else {
    complex_gemm(*blas_, a, b, m, n, k, into, row, add);
  }
}

}  // namespace melix::cpu
