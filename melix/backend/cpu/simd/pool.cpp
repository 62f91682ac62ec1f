// Gradients of the largest of windows: what belongs to elements that equal the largest one.
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T>
void add_where_equal_of(const void* a, const void* b, const void* values, int64_t n, void* sums) {
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b), *v = static_cast<const T*>(values);
  T* s = static_cast<T*>(sums);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) s[i] += x[i] == y[i] ? v[i] : T(0);
}

}  // namespace

void add_where_equal(Dtype dtype, const void* a, const void* b, const void* values, int64_t n, void* sums) {
  dtype == Dtype::float64 ? add_where_equal_of<double>(a, b, values, n, sums)
                          : add_where_equal_of<float>(a, b, values, n, sums);
}

}  // namespace melix::cpu::MELIX_ISA
