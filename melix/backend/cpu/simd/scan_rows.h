// What the loops of cumulative operations share: the operations, and rows in vectors. Included by scan*.cpp alone.
//
// A row (elements along memory) is taken in vectors of kWidth results. Within a vector prefixes are made in
// log2(kWidth) steps, each joining what stands 1, 2, 4, ... places before:
//
//   x0  x1     x2     x3
//   x0  x01    x12    x23
//   x0  x01    x012   x0123       joined with the running result, which then takes in the last of them
//
// The order of operations is fixed by the place in the row alone, and equal on every instruction set.
#pragma once

#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// ---- operations, on numbers and on vectors of them ----

template <class T>
MELIX_INLINE T lowest() {
  if constexpr (fn::Kind<T>::floating) {
    return -fn::infinity<T>();
  } else if constexpr (fn::Kind<T>::is_signed) {
    return T(fn::Bits<T>(1) << (sizeof(T) * 8 - 1));
  } else {
    return T(0);
  }
}
template <class T>
MELIX_INLINE T highest() {
  if constexpr (fn::Kind<T>::floating) {
    return fn::infinity<T>();
  } else {
    return T(~lowest<T>());
  }
}

// nothing: joined with x gives x. before_first: what an exclusive scan begins with.
struct Sum {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return A{-0.0, -0.0};
    else
      return A(-A(0));  // -0 of floats: 0 would turn -0 into 0
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return T{};
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return {a.re + b.re, a.im + b.im};
    else
      return a + b;
  }
};
struct Prod {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {1, 0};
    else
      return A(1);
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::product(a, b);
    else
      return a * b;
  }
};
struct Max {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {-fn::infinity<float>(), -fn::infinity<float>()};
    else
      return lowest<A>();
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::maximum(a, b);
    else
      return (a > b) | (a != a) ? a : b;
  }
};
struct Min {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {fn::infinity<float>(), fn::infinity<float>()};
    else
      return highest<A>();
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::minimum(a, b);
    else
      return (a < b) | (a != a) ? a : b;
  }
};

// From the stored type to that of the running result, and back.
template <class To, class From>
MELIX_INLINE To as(From x) {
  if constexpr (__is_same(From, fn::Complex64) && __is_same(To, fn::ComplexDouble)) {
    return fn::widen(x);
  } else if constexpr (__is_same(From, fn::ComplexDouble) && __is_same(To, fn::Complex64)) {
    return fn::narrow(x);
  } else {
    return To(x);
  }
}

// ---- rows ----

// Lane l of v joined with lanes l - D, l - 2 * D, ..., for all that there are.
template <class Op, int D, class V, int... I>
MELIX_INLINE void prefixes(V& v, const V& nothing, Ints<I...> lanes) {
  constexpr int n = int(sizeof...(I));
  if constexpr (D < n) {
    const V before = __builtin_shufflevector(v, nothing, (I >= D ? I - D : n)...);
    v = Op::join(before, v);
    prefixes<Op, D * 2>(v, nothing, lanes);
  }
}

template <class V, int... I>
MELIX_INLINE void reverse_lanes(V& v, Ints<I...>) {
  v = __builtin_shufflevector(v, v, (int(sizeof...(I)) - 1 - I)...);
}

// Runs from the first element to the last, or (kReverse) from the last to the first.
template <class Op, bool kReverse, class T, class A>
MELIX_INLINE void run_vectors(const T* x, int64_t n, T* y, A* carry) {
  constexpr int kWidth = 64 / int(sizeof(A));
  using V = Vector<A>;
  using Stored = Vector<T, kWidth* int(sizeof(T))>;
  A running = *carry;
  const V nothing = V{} + Op::template nothing<A>();
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const int64_t at = kReverse ? n - kWidth - i : i;
    Stored stored;
    __builtin_memcpy(&stored, x + at, sizeof stored);
    V v = __builtin_convertvector(stored, V);
    if (kReverse) reverse_lanes(v, Count<kWidth>());
    prefixes<Op, 1>(v, nothing, Count<kWidth>());
    const A last = v[kWidth - 1];
    if (y) {
      v = Op::join(V{} + running, v);
      if (kReverse) reverse_lanes(v, Count<kWidth>());
      stored = __builtin_convertvector(v, Stored);
      __builtin_memcpy(y + at, &stored, sizeof stored);
    }
    running = Op::join(running, last);
  }
  for (; i < n; i++) {
    const int64_t at = kReverse ? n - 1 - i : i;
    running = Op::join(running, A(x[at]));
    if (y) y[at] = T(running);
  }
  *carry = running;
}

template <class Op, class T>
void before_first(void* to, int64_t n) {
  for (int64_t i = 0; i < n; i++) static_cast<T*>(to)[i] = Op::template before_first<T>();
}

}  // namespace

/// The loops of logcumsumexp (scan_log.cpp).
ScanLoops log_scan(Dtype dtype);

}  // namespace melix::cpu::MELIX_ISA
