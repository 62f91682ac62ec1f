// Vectors as values, for loops that the compiler does not make vector code of: vectors of a fixed number of lanes,
// which every instruction set computes with what it has. Included by files in this folder alone.
#pragma once

#include <cstddef>
#include <cstdint>

// Vectors wider than the registers are passed to functions here, all of which are inlined: no ABI is at stake.
#pragma GCC diagnostic ignored "-Wpsabi"

#ifndef MELIX_INLINE
#define MELIX_INLINE static inline __attribute__((always_inline))
#endif
/// For lambdas: each(Count<4>(), [&]<int i>(Int<i>) MELIX_UNROLLED { ... });
#define MELIX_UNROLLED __attribute__((always_inline))

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T, int kBytes = 64>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
};
template <class T, int kBytes = 64>
using Vector = typename VectorOf<T, kBytes>::type;

template <int... I>
struct Ints {};
/// Ints<0, ..., N - 1>
template <int N>
using Count = Ints<__integer_pack(N)...>;
template <int N>
struct Int {
  static constexpr int value = N;
};

/// f(Int<0>()), ..., f(Int<N - 1>()): a loop that is unrolled before any optimisation, so that arrays of vectors become
/// registers.
template <int... I, class F>
MELIX_INLINE void each(Ints<I...>, [[maybe_unused]] F f) {
  (f(Int<I>()), ...);
}

/// Op::fold of lane l and lane l + D into lane l, for D = half the lanes, ..., 1.
template <class Op, int D, class V, int... I>
MELIX_INLINE void fold_lanes(V& v, Ints<I...> lanes) {
  if constexpr (D > 0) {
    const V other = __builtin_shufflevector(v, v, ((I + D) % int(sizeof...(I)))...);
    Op::fold(v, other);
    fold_lanes<Op, D / 2>(v, lanes);
  }
}

/// Folds n elements in two vectors of running results, element i in lane i modulo the lanes of both, then these in
/// pairs: the same order, and the same bits, on every instruction set. Missing elements are `nothing`.
template <class Op, class T>
MELIX_INLINE T folded(const T* x, int64_t n, T nothing) {
  using V = Vector<T>;
  constexpr int kLanes = 64 / int(sizeof(T));
  V first = V{} + nothing, second = first, a, b;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    __builtin_memcpy(&a, x + i, sizeof a);
    __builtin_memcpy(&b, x + i + kLanes, sizeof b);
    Op::fold(first, a);
    Op::fold(second, b);
  }
  if (i < n) {
    T rest[2 * kLanes];
    for (int l = 0; l < 2 * kLanes; l++) rest[l] = nothing;
    __builtin_memcpy(rest, x + i, std::size_t(n - i) * sizeof(T));
    __builtin_memcpy(&a, rest, sizeof a);
    __builtin_memcpy(&b, rest + kLanes, sizeof b);
    Op::fold(first, a);
    Op::fold(second, b);
  }
  Op::fold(first, second);
  fold_lanes<Op, kLanes / 2>(first, Count<kLanes>());
  return first[0];
}

}  // namespace
}  // namespace melix::cpu::MELIX_ISA
