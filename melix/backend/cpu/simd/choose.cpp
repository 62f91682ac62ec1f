// The loops of argmax and argmin over carrier dtypes, per instruction set. NaN is before all numbers in both searches.
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <bool kLargest, class T>
MELIX_INLINE bool is_before(T a, T b) {
  const bool ordered = kLargest ? fn::greater(a, b) : fn::less(a, b);
  return (ordered | fn::isnan(a)) & !fn::isnan(b);
}

// NaN is looked for apart.
template <bool kLargest>
struct Better {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a = (kLargest ? a > b : a < b) ? a : b;
  }
};
// Sums of 0 and NaN for NaN.
struct NanSum {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a = b != b ? b : a;
  }
};

// The best of n elements, at least one; NaN if there is one.
template <bool kLargest, class T>
MELIX_INLINE T best_of(const T* x, int64_t n) {
  if constexpr (fn::Kind<T>::complex) {
    T best = x[0];
    for (int64_t i = 1; i < n; i++) best = fn::select(is_before<kLargest>(x[i], best), x[i], best);
    return best;
  } else {
    if constexpr (fn::Kind<T>::floating) {
      const T nan = folded<NanSum>(x, n, T(0));
      if (nan != nan) return nan;
    }
    return folded<Better<kLargest>>(x, n, x[0]);
  }
}

// The first of n elements for which found(x) holds; n if there is none.
template <class T, class Found>
MELIX_INLINE int64_t first_of(const T* x, int64_t n, Found found) {
  constexpr int64_t kRun = 64;  // looked at together, without branches
  int64_t i = 0;
  for (; i + kRun <= n; i += kRun) {
    fn::Bits<T> any = 0;  // as wide as T, for one kind of vector
    for (int64_t k = 0; k < kRun; k++) any |= fn::Bits<T>(found(x[i + k]) ? 1 : 0);
    if (any) break;
  }
  while (i < n && !found(x[i])) i++;
  return i;
}

template <class T>
MELIX_INLINE int64_t find(const T* x, int64_t n, T value) {
  if (fn::isnan(value)) return first_of(x, n, [](T a) MELIX_UNROLLED { return fn::isnan(a); });
  return first_of(x, n, [value](T a) MELIX_UNROLLED { return fn::equal(a, value); });
}

template <bool kLargest, class T>
void choose_each(const void* from, int64_t rows, int64_t n, uint32_t* index) {
  const T* x = static_cast<const T*>(from);
  for (int64_t row = 0; row < rows; row++, x += n) index[row] = uint32_t(find(x, n, best_of<kLargest>(x, n)));
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

void choose_rows(bool largest, Dtype dtype, const void* x, int64_t rows, int64_t n, uint32_t* index) {
  with_carrier(dtype, [=](auto type) {
    using T = decltype(type);
    largest ? choose_each<true, T>(x, rows, n, index) : choose_each<false, T>(x, rows, n, index);
  });
}

void choose_value(bool largest, Dtype dtype, const void* x, int64_t n, void* value) {
  with_carrier(dtype, [=](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(x);
    *static_cast<T*>(value) = largest ? best_of<true>(from, n) : best_of<false>(from, n);
  });
}

int64_t find_first(Dtype dtype, const void* x, int64_t n, const void* value) {
  return with_carrier(dtype, [=](auto type) {
    using T = decltype(type);
    return find(static_cast<const T*>(x), n, *static_cast<const T*>(value));
  });
}

void choose_columns(bool largest, Dtype dtype, const void* x, int64_t n, uint32_t at, void* best,
                    uint32_t* index) {
  with_carrier(dtype, [=](auto type) {
    using T = decltype(type);
    largest ? choose<true, T>(x, n, at, best, index) : choose<false, T>(x, n, at, best, index);
  });
}

}  // namespace melix::cpu::MELIX_ISA
