// Folds of reductions over one block, per instruction set. Floats are folded in kLanes running results, lane i taking
// elements i, i + kLanes, ..., and the lanes are then folded in pairs: the order is fixed by the length alone, and
// equal on every instruction set. Integers wrap, so their order does not matter.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE static inline __attribute__((always_inline))

struct Sum {
  template <class A>
  MELIX_INLINE A start() {
    return A();
  }
  template <class A>
  MELIX_INLINE A fold(A a, A x) {
    return fn::add(a, x);
  }
};
struct Prod {
  template <class A>
  MELIX_INLINE A start() {
    return fn::cast<A>(int32_t(1));
  }
  template <class A>
  MELIX_INLINE A fold(A a, A x) {
    return fn::multiply(a, x);
  }
};
// The start of max and min is the first element: there is always one.
struct Max {
  template <class A>
  MELIX_INLINE A fold(A a, A x) {
    return fn::maximum(a, x);
  }
};
struct Min {
  template <class A>
  MELIX_INLINE A fold(A a, A x) {
    return fn::minimum(a, x);
  }
};

template <class F>
inline constexpr bool kStartsWithFirst = __is_same(F, Max) || __is_same(F, Min);

template <class F, class T, class A>
void fold_block_of(const void* from, int64_t n, void* into) {
  constexpr int kLanes = 128 / sizeof(A) > 8 ? 128 / sizeof(A) : 8;
  const T* x = static_cast<const T*>(from);
  A lanes[kLanes];
  for (int l = 0; l < kLanes; l++) {
    if constexpr (kStartsWithFirst<F>) {
      lanes[l] = fn::cast<A>(x[0]);
    } else {
      lanes[l] = F::template start<A>();
    }
  }
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC ivdep
    for (int l = 0; l < kLanes; l++) lanes[l] = F::fold(lanes[l], fn::cast<A>(x[i + l]));
  }
  for (int l = 0; i < n; i++, l++) lanes[l] = F::fold(lanes[l], fn::cast<A>(x[i]));
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) lanes[l] = F::fold(lanes[l], lanes[l + width]);
  }
  *static_cast<A*>(into) = lanes[0];
}

template <class F, class T, class A>
void fold_columns_of(const void* from, int64_t n, void* into) {
  const T* x = static_cast<const T*>(from);
  A* a = static_cast<A*>(into);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) a[i] = F::fold(a[i], fn::cast<A>(x[i]));
}

struct BlockLoop {
  template <class F, class T, class A>
  static constexpr FoldFn kLoop = fold_block_of<F, T, A>;
};
struct ColumnLoop {
  template <class F, class T, class A>
  static constexpr FoldFn kLoop = fold_columns_of<F, T, A>;
};

// Sums and products of short integers are kept in 32 bits (see accumulated in ops/reduce.cpp).
template <class Loop, class F>
FoldFn arithmetic(Dtype dtype) {
  switch (dtype) {
    case Dtype::bool_:
      return Loop::template kLoop<F, uint8_t, int32_t>;
    case Dtype::uint8:
      return Loop::template kLoop<F, uint8_t, uint32_t>;
    case Dtype::uint16:
      return Loop::template kLoop<F, uint16_t, uint32_t>;
    case Dtype::uint32:
      return Loop::template kLoop<F, uint32_t, uint32_t>;
    case Dtype::uint64:
      return Loop::template kLoop<F, uint64_t, uint64_t>;
    case Dtype::int8:
      return Loop::template kLoop<F, int8_t, int32_t>;
    case Dtype::int16:
      return Loop::template kLoop<F, int16_t, int32_t>;
    case Dtype::int32:
      return Loop::template kLoop<F, int32_t, int32_t>;
    case Dtype::int64:
      return Loop::template kLoop<F, int64_t, int64_t>;
    case Dtype::float32:
      return Loop::template kLoop<F, float, float>;
    case Dtype::float64:
      return Loop::template kLoop<F, double, double>;
    case Dtype::complex64:
      return Loop::template kLoop<F, fn::Complex64, fn::Complex64>;
    default:
      return nullptr;
  }
}

template <class Loop, class F>
FoldFn choice(Dtype dtype) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8:
      return Loop::template kLoop<F, uint8_t, uint8_t>;
    case Dtype::uint16:
      return Loop::template kLoop<F, uint16_t, uint16_t>;
    case Dtype::uint32:
      return Loop::template kLoop<F, uint32_t, uint32_t>;
    case Dtype::uint64:
      return Loop::template kLoop<F, uint64_t, uint64_t>;
    case Dtype::int8:
      return Loop::template kLoop<F, int8_t, int8_t>;
    case Dtype::int16:
      return Loop::template kLoop<F, int16_t, int16_t>;
    case Dtype::int32:
      return Loop::template kLoop<F, int32_t, int32_t>;
    case Dtype::int64:
      return Loop::template kLoop<F, int64_t, int64_t>;
    case Dtype::float32:
      return Loop::template kLoop<F, float, float>;
    case Dtype::float64:
      return Loop::template kLoop<F, double, double>;
    case Dtype::complex64:
      return Loop::template kLoop<F, fn::Complex64, fn::Complex64>;
    default:
      return nullptr;
  }
}

template <class Loop>
FoldFn fold_of(Fold fold, Dtype dtype) {
  switch (fold) {
    case Fold::sum:
      return arithmetic<Loop, Sum>(dtype);
    case Fold::prod:
      return arithmetic<Loop, Prod>(dtype);
    case Fold::max:
      return choice<Loop, Max>(dtype);
    case Fold::min:
      return choice<Loop, Min>(dtype);
    case Fold::all:
      return dtype == bool_ ? choice<Loop, Min>(dtype) : nullptr;
    case Fold::any:
      return dtype == bool_ ? choice<Loop, Max>(dtype) : nullptr;
  }
  return nullptr;
}

}  // namespace

FoldFn fold_block(Fold fold, Dtype dtype) { return fold_of<BlockLoop>(fold, dtype); }
FoldFn fold_columns(Fold fold, Dtype dtype) { return fold_of<ColumnLoop>(fold, dtype); }

}  // namespace melix::cpu::MELIX_ISA
