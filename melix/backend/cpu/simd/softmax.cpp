// The loops of softmax over one block of float32 or float64, per instruction set.
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

struct Add {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a += b;
  }
};
struct Larger {  // NaN may get lost: the exponentials bring it back
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a = a > b ? a : b;
  }
};

template <class T>
double exponentials(const void* from, const void* max, int64_t n, void* to) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const T shift = *static_cast<const T*>(max);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = fn::exp(x[i] - shift);
  return double(folded<Add>(y, n, T(0)));
}

template <class T>
void exponential_columns(const void* from, const void* max, int64_t n, void* to, double* sums) {
  const T* x = static_cast<const T*>(from);
  const T* shift = static_cast<const T*>(max);
  T* y = static_cast<T*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    y[i] = fn::exp(x[i] - shift[i]);
    sums[i] += double(y[i]);
  }
}

template <class T>
void scale_all(void* values, int64_t n, double factor) {
  T* y = static_cast<T*>(values);
  const T by = T(factor);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] *= by;
}

template <class T>
void scale_each(void* values, int64_t n, const double* factors) {
  T* y = static_cast<T*>(values);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] *= T(factors[i]);
}

template <class T>
void short_rows(const void* from, int64_t rows, int64_t n, void* to) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  for (int64_t row = 0; row < rows; row++, x += n, y += n) {
    const T max = folded<Larger>(x, n, -fn::infinity<T>());
    const double sum = exponentials<T>(x, &max, n, y);
    scale_all<T>(y, n, 1 / sum);
  }
}

}  // namespace

void softmax_rows(Dtype dtype, const void* x, int64_t rows, int64_t n, void* y) {
  dtype == Dtype::float64 ? short_rows<double>(x, rows, n, y) : short_rows<float>(x, rows, n, y);
}
double softmax_exp(Dtype dtype, const void* x, const void* max, int64_t n, void* y) {
  return dtype == Dtype::float64 ? exponentials<double>(x, max, n, y) : exponentials<float>(x, max, n, y);
}
void softmax_exp_columns(Dtype dtype, const void* x, const void* max, int64_t n, void* y, double* sums) {
  dtype == Dtype::float64 ? exponential_columns<double>(x, max, n, y, sums)
                          : exponential_columns<float>(x, max, n, y, sums);
}
void softmax_scale(Dtype dtype, void* y, int64_t n, double factor) {
  dtype == Dtype::float64 ? scale_all<double>(y, n, factor) : scale_all<float>(y, n, factor);
}
void softmax_scale_columns(Dtype dtype, void* y, int64_t n, const double* factors) {
  dtype == Dtype::float64 ? scale_each<double>(y, n, factors) : scale_each<float>(y, n, factors);
}

}  // namespace melix::cpu::MELIX_ISA
