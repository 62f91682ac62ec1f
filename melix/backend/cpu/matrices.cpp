// Copies of matrices, and what else kernels do to all elements of one.
#include "melix/backend/cpu/matrices.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/error.h"

namespace melix::cpu {

template <class T>
Matrices<T>::Matrices(const View& view, int axes) : data_(view.as<T>()) {
  const size_t batch = view.shape.size() - size_t(axes);
  batch_ = Shape(view.shape.begin(), view.shape.begin() + batch);
  strides_ = Strides(view.strides.begin(), view.strides.begin() + batch);
  count_ = elements(batch_);
  rows_ = view.shape[batch];
  row_ = view.strides[batch];
  columns_ = axes == 2 ? view.shape[batch + 1] : 1;
  column_ = axes == 2 ? view.strides[batch + 1] : 1;
  collapse(batch_, std::span(&strides_, 1));
}

template <class T>
const T* Matrices<T>::at(int64_t i) const {
  if (batch_.size() == 1) return data_ + i * strides_[0];
  int64_t offset = 0;
  for (size_t d = batch_.size(); d-- > 0;) {
    offset += i % batch_[d] * strides_[d];
    i /= batch_[d];
  }
  return data_ + offset;
}

template <class T>
void Matrices<T>::load(int64_t i, T* to, bool transposed) const {
  const T* from = at(i);
  const int64_t rows = transposed ? columns_ : rows_, columns = transposed ? rows_ : columns_;
  const int64_t row = transposed ? column_ : row_, column = transposed ? row_ : column_;
  if (column == 1 && row == columns) {
    std::memcpy(to, from, size_t(rows * columns) * sizeof(T));
  } else if (column == 1) {
    for (int64_t r = 0; r < rows; r++)
      std::memcpy(to + r * columns, from + r * row, size_t(columns) * sizeof(T));
  } else {
    copy_transposed(from, columns, rows, column, row, to, columns);
  }
}

template <class T>
const T* Matrices<T>::rows_of(int64_t i, ThreadMemory& scratch) const {
  if (has_rows() && row_ >= columns_) return at(i);
  T* copy = static_cast<T*>(scratch.bytes(rows_ * columns_ * int64_t(sizeof(T))));
  load(i, copy);
  return copy;
}

template <class T>
int Matrices<T>::stride() const {
  return int(std::max<int64_t>(has_rows() && row_ >= columns_ ? row_ : columns_, 1));
}

template <class T>
void copy_transposed(const T* from, int64_t rows, int64_t columns, int64_t row, int64_t column, T* to,
                     int64_t to_row) {
  if (column == 1) return simd().transpose(int(sizeof(T)), from, row, to, to_row, rows, columns);
  for (int64_t c = 0; c < columns; c++) {
    for (int64_t r = 0; r < rows; r++) to[c * to_row + r] = from[r * row + c * column];
  }
}

// The sum of x * 0 is 0, unless some x is not finite; without a branch it is one pass of vectors.
template <class T>
bool all_finite(const T* x, int64_t n) {
  using Real = decltype(std::abs(T()));
  const Real* parts = reinterpret_cast<const Real*>(x);
  n *= int64_t(sizeof(T) / sizeof(Real));
  Real sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int k = 0; k < 16; k++) sums[k] += parts[i + k] * 0;
  }
  for (; i < n; i++) sums[0] += parts[i] * 0;
  for (int k = 1; k < 16; k++) sums[0] += sums[k];
  return sums[0] == 0;
}

template <class T>
void fill_nan(T* x, int64_t n) {
  std::fill_n(x, n, T(std::numeric_limits<decltype(std::abs(T()))>::quiet_NaN()));
}

template <class T>
void fill_identity(T* x, int64_t n) {
  std::fill_n(x, n * n, T(0));
  for (int64_t i = 0; i < n; i++) x[i * (n + 1)] = T(1);
}

template <class T>
void clear_triangle(T* x, int64_t n, bool above) {
  for (int64_t i = 0; i < n; i++) {
    above ? std::fill(x + i * n + i + 1, x + (i + 1) * n, T(0)) : std::fill(x + i * n, x + i * n + i, T(0));
  }
}

void FirstFailure::raise(const char* op, int64_t count, const char* text) const {
  const int64_t first = first_.load(std::memory_order_relaxed);
  if (first == INT64_MAX) return;
  if (count == 1) fail(Code::runtime, op, "the matrix ", text);
  fail(Code::runtime, op, "matrix ", first, " of the batch ", text);
}

#define MELIX_FIELD(T)                                                                      \
  template class Matrices<T>;                                                               \
  template void copy_transposed(const T*, int64_t, int64_t, int64_t, int64_t, T*, int64_t); \
  template bool all_finite(const T*, int64_t);                                              \
  template void fill_nan(T*, int64_t);                                                      \
  template void fill_identity(T*, int64_t);                                                 \
  template void clear_triangle(T*, int64_t, bool);
MELIX_FIELD(float)
MELIX_FIELD(double)
MELIX_FIELD(complex64_t)
#undef MELIX_FIELD
template class Matrices<uint32_t>;

}  // namespace melix::cpu
