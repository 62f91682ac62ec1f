// Elimination in small row-major matrices of real numbers, per instruction set, where a call of LAPACK costs more than
// the arithmetic. Every element is computed by the same operations in the same order as in LAPACK's unblocked
// routines; vectors run along rows, so that all instruction sets give the same bits.
#include "melix/backend/cpu/simd/simd.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE [[gnu::always_inline]] inline

// n is N where N is not 0: loops of a known length are unrolled, which is half of the time of a 4 x 4 matrix.
template <int N>
MELIX_INLINE int64_t known(int64_t n) {
  return N ? N : n;
}

MELIX_INLINE float magnitude(float x) { return __builtin_fabsf(x); }
MELIX_INLINE double magnitude(double x) { return __builtin_fabs(x); }
MELIX_INLINE float root(float x) { return __builtin_sqrtf(x); }
MELIX_INLINE double root(double x) { return __builtin_sqrt(x); }

// y -= factor * x
template <class T>
MELIX_INLINE void subtract(T* __restrict y, T factor, const T* __restrict x, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] -= factor * x[j];
}

template <int N, class T>
MELIX_INLINE void lu(T* a, int64_t rows, int64_t columns, int* pivots) {
  const int64_t m = known<N>(rows), n = known<N>(columns);
  for (int64_t k = 0; k < (m < n ? m : n); k++) {
    int64_t pivot = k;
    T largest = magnitude(a[k * n + k]);
    for (int64_t i = k + 1; i < m; i++) {
      const T size = magnitude(a[i * n + k]);
      pivot = size > largest ? i : pivot;
      largest = size > largest ? size : largest;
    }
    pivots[k] = int(pivot) + 1;
    if (pivot != k) {
      for (int64_t j = 0; j < n; j++) {
        const T other = a[k * n + j];
        a[k * n + j] = a[pivot * n + j];
        a[pivot * n + j] = other;
      }
    }
    const T divisor = a[k * n + k];
    if (divisor == 0) continue;
    for (int64_t i = k + 1; i < m; i++) {
      const T factor = a[i * n + k] / divisor;
      a[i * n + k] = factor;
      subtract(a + i * n + k + 1, factor, a + k * n + k + 1, n - k - 1);
    }
  }
}

template <int N, int K, class T>
MELIX_INLINE void divide(const T* a, int64_t row, int64_t order, T* x, int64_t columns) {
  const int64_t n = known<N>(order), k = known<K>(columns);
  for (int64_t i = 1; i < n; i++) {
    for (int64_t j = 0; j < i; j++) subtract(x + i * k, a[i * row + j], x + j * k, k);
  }
  for (int64_t i = n; i-- > 0;) {
    for (int64_t j = i + 1; j < n; j++) subtract(x + i * k, a[i * row + j], x + j * k, k);
    const T divisor = a[i * row + i];
    for (int64_t c = 0; c < k; c++) x[i * k + c] /= divisor;
  }
}

template <int N, class T>
MELIX_INLINE bool cholesky(T* a, int64_t order) {
  const int64_t n = known<N>(order);
  for (int64_t k = 0; k < n; k++) {
    T pivot = a[k * n + k];
    if (pivot <= 0) return false;  // NaN goes on
    pivot = root(pivot);
    a[k * n + k] = pivot;
    for (int64_t j = k + 1; j < n; j++) a[k * n + j] /= pivot;
    for (int64_t i = k + 1; i < n; i++) subtract(a + i * n + i, a[k * n + i], a + k * n + i, n - i);
  }
  return true;
}

template <int N>
struct Order {
  static constexpr int n = N;
};

// Calls body(order) with order.n, a constant: n itself up to 4, else 0.
template <class Body>
MELIX_INLINE auto with_order(int64_t n, Body&& body) {
  switch (n) {
    case 1:
      return body(Order<1>());
    case 2:
      return body(Order<2>());
    case 3:
      return body(Order<3>());
    case 4:
      return body(Order<4>());
    default:
      return body(Order<0>());
  }
}

template <class T>
void lu_of(T* a, int64_t m, int64_t n, int* pivots) {
  with_order(m == n ? n : 0, [&](auto order) { lu<order.n>(a, m, n, pivots); });
}
template <class T>
void divide_of(const T* a, int64_t row, int64_t n, T* x, int64_t k) {
  with_order(n, [&](auto order) {
    if (k == 1) return divide<order.n, 1>(a, row, n, x, k);
    if (k == n) return divide<order.n, order.n>(a, row, n, x, k);
    divide<order.n, 0>(a, row, n, x, k);
  });
}
template <class T>
bool cholesky_of(T* a, int64_t n) {
  return with_order(n, [&](auto order) { return cholesky<order.n>(a, n); });
}

}  // namespace

void small_lu(Dtype dtype, void* a, int64_t m, int64_t n, int* pivots) {
  dtype == float32 ? lu_of(static_cast<float*>(a), m, n, pivots)
                   : lu_of(static_cast<double*>(a), m, n, pivots);
}
void small_divide(Dtype dtype, const void* lu, int64_t row, int64_t n, void* x, int64_t k) {
  dtype == float32 ? divide_of(static_cast<const float*>(lu), row, n, static_cast<float*>(x), k)
                   : divide_of(static_cast<const double*>(lu), row, n, static_cast<double*>(x), k);
}
bool small_cholesky(Dtype dtype, void* a, int64_t n) {
  return dtype == float32 ? cholesky_of(static_cast<float*>(a), n) : cholesky_of(static_cast<double*>(a), n);
}

#undef MELIX_INLINE
}  // namespace melix::cpu::MELIX_ISA
