// Sums of terms of several arrays, element by element: sum of x, of (x - m) * (x - m), of x * y, ... Element i of a run
// is added in lane i modulo the lanes of two vectors, lanes in pairs, runs in double: the same bits on every
// instruction set. Included by files in this folder alone.
#pragma once

#include "melix/backend/cpu/simd/lanes.h"

namespace melix::cpu::MELIX_ISA {
namespace {

constexpr int64_t kSumRun = 1024;

struct AddLanes {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a += b;
  }
};

template <class T>
MELIX_INLINE Vector<T> loaded(const T* from) {
  Vector<T> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
MELIX_INLINE void stored(T* to, const Vector<T>& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// The next n elements, zeros behind them.
template <class T>
MELIX_INLINE Vector<T> loaded(const T* from, int64_t n) {
  constexpr int64_t kLanes = 64 / int64_t(sizeof(T));
  T part[kLanes] = {};
  __builtin_memcpy(part, from, std::size_t(n < kLanes ? n : kLanes) * sizeof(T));
  return loaded(static_cast<const T*>(part));
}

/// The sum of term(x, ...) over n elements of each array.
template <class T, class Term, class... From>
MELIX_INLINE double summed(int64_t n, Term term, const From*... from) {
  using V = Vector<T>;
  constexpr int kLanes = 64 / int(sizeof(T));
  double total = 0;
  for (int64_t start = 0; start < n; start += kSumRun) {
    const int64_t end = n - start < kSumRun ? n : start + kSumRun;
    V first{}, second{};
    int64_t i = start;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      first += term(loaded(from + i)...);
      second += term(loaded(from + i + kLanes)...);
    }
    for (; i < end; i += kLanes) {
      T rest[kLanes];
      stored(rest, V(term(loaded(from + i, end - i)...)));
      first += loaded(static_cast<const T*>(rest), end - i);  // terms of no element are not added
    }
    first += second;
    fold_lanes<AddLanes, kLanes / 2>(first, Count<kLanes>());
    total += double(first[0]);
  }
  return total;
}

}  // namespace
}  // namespace melix::cpu::MELIX_ISA
