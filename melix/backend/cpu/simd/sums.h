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

/// kSums sums over n elements of each array: add(sums, x, ...) adds the next terms to vectors of running sums.
template <class T, int kSums, class Add, class... From>
MELIX_INLINE void add_up(int64_t n, Add add, double (&totals)[kSums], const From*... from) {
  using V = Vector<T>;
  constexpr int kLanes = 64 / int(sizeof(T));
  for (double& total : totals) total = 0;
  for (int64_t start = 0; start < n; start += kSumRun) {
    const int64_t end = n - start < kSumRun ? n : start + kSumRun;
    V first[kSums] = {}, second[kSums] = {};
    int64_t i = start;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      add(first, loaded(from + i)...);
      add(second, loaded(from + i + kLanes)...);
    }
    for (; i < end; i += kLanes) {
      V rest[kSums] = {};
      add(rest, loaded(from + i, end - i)...);
      each(Count<kSums>(), [&]<int s>(Int<s>) MELIX_UNROLLED {
        T terms[kLanes];
        stored(terms, rest[s]);
        first[s] += loaded(static_cast<const T*>(terms), end - i);  // terms of no element are not added
      });
    }
    each(Count<kSums>(), [&]<int s>(Int<s>) MELIX_UNROLLED {
      first[s] += second[s];
      fold_lanes<AddLanes, kLanes / 2>(first[s], Count<kLanes>());
      totals[s] += double(first[s][0]);
    });
  }
}

/// The sum of term(x, ...) over n elements of each array.
template <class T, class Term, class... From>
MELIX_INLINE double summed(int64_t n, Term term, const From*... from) {
  double total[1];
  add_up<T>(
      n, [&](Vector<T>* sums, const auto&... x) MELIX_UNROLLED { sums[0] += term(x...); }, total, from...);
  return total[0];
}

}  // namespace
}  // namespace melix::cpu::MELIX_ISA
