// The loops of softmax over one block of float32 or float64, per instruction set.
#include "melix/backend/cpu/simd/simd.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE static inline __attribute__((always_inline))

// The sum in kLanes running sums, lane i taking elements i, i + kLanes, ..., then in pairs: the same order, and the
// same bits, on every instruction set.
template <class T>
MELIX_INLINE double sum_of(const T* y, int64_t n) {
  constexpr int kLanes = 128 / int(sizeof(T));
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC ivdep
    for (int l = 0; l < kLanes; l++) lanes[l] += y[i + l];
  }
  for (int l = 0; i < n; i++, l++) lanes[l] += y[i];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) lanes[l] += lanes[l + width];
  }
  return double(lanes[0]);
}

template <class T>
double exponentials(const void* from, const void* max, int64_t n, void* to) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const T shift = *static_cast<const T*>(max);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = fn::exp(x[i] - shift);
  return sum_of(y, n);
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

}  // namespace

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
