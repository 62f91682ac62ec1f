// The loops of argmax and argmin over carrier dtypes, per instruction set. NaN is before all numbers in both searches.
#include "melix/backend/cpu/simd/simd.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE static inline __attribute__((always_inline))

template <class T>
MELIX_INLINE bool same(T a, T b) {
  return fn::equal(a, b) | (fn::isnan(a) & fn::isnan(b));
}

template <bool kLargest, class T>
MELIX_INLINE bool is_before(T a, T b) {
  const bool ordered = kLargest ? fn::greater(a, b) : fn::less(a, b);
  return (ordered | fn::isnan(a)) & !fn::isnan(b);
}

template <class T>
int64_t find(const void* from, int64_t n, const void* wanted) {
  constexpr int64_t kRun = 128;  // looked at together, without branches
  const T* x = static_cast<const T*>(from);
  const T value = *static_cast<const T*>(wanted);
  int64_t i = 0;
  for (; i + kRun <= n; i += kRun) {
    fn::Bits<T> found = 0;  // as wide as T, for one kind of vector
    for (int64_t k = 0; k < kRun; k++) found |= fn::Bits<T>(same(x[i + k], value) ? 1 : 0);
    if (found) break;
  }
  while (i < n && !same(x[i], value)) i++;
  return i;
}

template <bool kLargest, class T>
void choose(const void* from, int64_t n, uint32_t at, void* into, uint32_t* index) {
  const T* x = static_cast<const T*>(from);
  T* best = static_cast<T*>(into);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const bool better = is_before<kLargest>(x[i], best[i]);
    best[i] = fn::select(better, x[i], best[i]);
    index[i] = better ? at : index[i];
  }
}

// Calls body(T()) with the type of a carrier dtype.
template <class Body>
MELIX_INLINE auto with_carrier(Dtype dtype, Body body) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8:
      return body(uint8_t());
    case Dtype::uint16:
      return body(uint16_t());
    case Dtype::uint32:
      return body(uint32_t());
    case Dtype::uint64:
      return body(uint64_t());
    case Dtype::int8:
      return body(int8_t());
    case Dtype::int16:
      return body(int16_t());
    case Dtype::int32:
      return body(int32_t());
    case Dtype::int64:
      return body(int64_t());
    case Dtype::float64:
      return body(double());
    case Dtype::complex64:
      return body(fn::Complex64());
    default:
      return body(float());
  }
}

}  // namespace

int64_t find_first(Dtype dtype, const void* x, int64_t n, const void* value) {
  return with_carrier(dtype, [=](auto type) { return find<decltype(type)>(x, n, value); });
}

void choose_columns(bool largest, Dtype dtype, const void* x, int64_t n, uint32_t at, void* best,
                    uint32_t* index) {
  with_carrier(dtype, [=](auto type) {
    using T = decltype(type);
    largest ? choose<true, T>(x, n, at, best, index) : choose<false, T>(x, n, at, best, index);
  });
}

}  // namespace melix::cpu::MELIX_ISA
