// Batches of matrices for kernels: where each one is, copies of it in the order LAPACK wants, which of them failed.
#pragma once

#include <atomic>
#include <cstring>
#include <string>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/products.h"
#include "melix/core/threads.h"

namespace melix::cpu {

/// Calls body(T()) with the C++ type of a dtype that linear algebra takes.
template <class Body>
void with_field(Dtype dtype, Body&& body) {
  switch (dtype) {
    case float32:
      return body(float());
    case float64:
      return body(double());
    default:
      return body(complex64_t());
  }
}

/// The matrices of a window: its last two axes. Those before them are counted together, in row-major order.
template <class T>
class Matrices {
 public:
  explicit Matrices(const View& view, int axes = 2);

  int64_t count() const { return count_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  /// Copies matrix i to rows of length columns() without gaps; `transposed`: to columns of length rows().
  void load(int64_t i, T* to, bool transposed = false) const;
  /// Address of matrix i where its rows have no gaps inside, else of a copy in `scratch`. Rows are stride() apart.
  const T* rows_of(int64_t i, ThreadMemory& scratch) const;
  int stride() const;

 private:
  const T* at(int64_t i) const;
  bool has_rows() const { return column_ == 1 || columns_ == 1; }

  const T* data_;
  int64_t count_, rows_, columns_, row_, column_;  // strides in elements
  Shape batch_;                                    // collapsed
  Strides strides_;
};

/// to (columns x rows) becomes the transpose of from (rows x columns, strides in elements).
template <class T>
void copy_transposed(const T* from, int64_t rows, int64_t columns, int64_t row, int64_t column, T* to,
                     int64_t to_row);

/// Whether no element is NaN or infinite.
template <class T>
bool all_finite(const T* x, int64_t n);
template <class T>
void fill_nan(T* x, int64_t n);
/// Rows x rows with ones on the diagonal.
template <class T>
void fill_identity(T* x, int64_t n);
/// Zeros above (or below) the diagonal of an n x n matrix.
template <class T>
void clear_triangle(T* x, int64_t n, bool above);

/// Shares `count` matrices of about `work` operations each among threads, in pieces of some 10^5 operations: below
/// that, waking a thread costs more than it saves.
template <class Body>
void for_matrices(int64_t count, double work, Body&& body) {
  const double each = work + 200;  // of calling LAPACK
  parallel_for(count, int64_t(1 + 2e5 / each), body);
}

/// The first matrix of a batch that cannot be dealt with, whichever thread finds it first.
class FirstFailure {
 public:
  void add(int64_t i) {
    int64_t before = first_.load(std::memory_order_relaxed);
    while (i < before && !first_.compare_exchange_weak(before, i, std::memory_order_relaxed)) {
    }
  }
  /// Throws "matrix 3 of the batch <text>" (of a single one: "the matrix <text>") if there was a failure.
  void raise(const char* op, int64_t count, const char* text) const;

 private:
  std::atomic<int64_t> first_{INT64_MAX};
};

}  // namespace melix::cpu
