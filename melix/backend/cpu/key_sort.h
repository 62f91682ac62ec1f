// Sorting and selecting unsigned keys (see simd/sort_keys.cpp): by one thread, and by all for large arrays. Keys that
// are equal cannot be told apart, so results depend on nothing but the keys.
//
// A quicksort whose splits and small cases are vector code. Large arrays are first cut into parts of neighbouring keys:
//
//   chunks   [ . . . . ] [ . . . . ] [ . . . . ]      each split around the same splitters, in parallel
//            [a|b |c|d ] [a |b|c |d] [a|b|c |d ]
//   parts    [a a  a] [b  b b] [c c  c ] [d  d d ]    each put together and sorted, in parallel
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/allocator.h"
#include "melix/core/threads.h"

namespace melix::cpu {

/// Memory of one operation while it runs, uninitialised. Throws Code::memory.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n) : data_(static_cast<T*>(memory::allocate(size_t(n) * sizeof(T), &capacity_))) {}
  ~Scratch() { memory::deallocate(data_, capacity_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  size_t capacity_;
  T* data_;
};

/// Keys more than n that `others` has room for.
inline constexpr int64_t kSplitSlack = 16;
/// From here on an array is worth all threads.
inline constexpr int64_t kParallelSort = int64_t(1) << 17;

inline void sort_small(const uint32_t* from, uint32_t* to, int64_t n) { simd().sort_small32(from, to, n); }
inline void sort_small(const uint64_t* from, uint64_t* to, int64_t n) { simd().sort_small64(from, to, n); }
inline int64_t split(uint32_t* x, int64_t n, uint32_t pivot, uint32_t* others) {
  return simd().split32(x, n, pivot, others);
}
inline int64_t split(uint64_t* x, int64_t n, uint64_t pivot, uint64_t* others) {
  return simd().split64(x, n, pivot, others);
}

inline bool all_equal(const uint32_t* x, int64_t n) { return simd().all_equal32(x, n); }
inline bool all_equal(const uint64_t* x, int64_t n) { return simd().all_equal64(x, n); }

/// A key near the middle of n (of more than 64), and whether all keys may be equal to it.
template <class Key>
struct Pivot {
  Key key;
  bool alone;
};
template <class Key>
Pivot<Key> pivot_of(const Key* x, int64_t n) {
  constexpr int kMost = 256 / int(sizeof(Key));  // what every instruction set sorts in one go
  Key sample[kMost];
  const int64_t count = n < 2048 ? kMost / 4 : kMost, step = n / count;
  for (int64_t i = 0; i < count; i++) sample[i] = x[step * i + step / 2];
  sort_small(sample, sample, count);
  return {sample[count / 2], sample[0] == sample[count - 1]};
}

/// Splits that a sort may take before its pivots count as bad: then std::sort goes on, whose worst case is bounded.
inline int split_budget(int64_t n) { return 2 * int(std::bit_width(uint64_t(n))) + 8; }

/// Sorts n keys. `others` has room for n + kSplitSlack.
template <class Key>
void sort_keys(Key* x, int64_t n, Key* others, int budget) {
  const int64_t most = simd().sort_small_most(sizeof(Key));
  while (n > most) {
    if (budget-- == 0) return std::sort(x, x + n);
    const auto [pivot, alone] = pivot_of(x, n);
    if (alone && all_equal(x, n)) return;
    int64_t below = split(x, n, pivot, others);
    if (below == 0) {  // the pivot is the smallest key: all that equal it are done
      below = pivot == Key(~Key(0)) ? n : split(x, n, Key(pivot + 1), others);
    } else {
      sort_keys(x, below, others, budget);
    }
    x += below;
    n -= below;
  }
  if (n > 1) sort_small(x, x, n);
}
template <class Key>
void sort_keys(Key* x, int64_t n, Key* others) {
  sort_keys(x, n, others, split_budget(n));
}

/// The key that stands at a place when sorted, and how many keys are less, and not greater.
template <class Key>
struct Selected {
  Key key;
  int64_t less, not_greater;
};

/// The key at place k of n. Changes the order of the keys.
template <class Key>
Selected<Key> select_key(Key* x, int64_t n, int64_t k, Key* others) {
  const int64_t most = simd().sort_small_most(sizeof(Key));
  int64_t less = 0;  // keys before x, all less than those from x on
  for (int budget = split_budget(n); n > most; budget--) {
    if (budget == 0) {
      std::sort(x, x + n);
      break;
    }
    const auto [pivot, alone] = pivot_of(x, n);
    if (alone && all_equal(x, n)) return {pivot, less, less + n};
    int64_t below = split(x, n, pivot, others);
    if (below == 0) {
      below = pivot == Key(~Key(0)) ? n : split(x, n, Key(pivot + 1), others);
      if (k < less + below) return {pivot, less, less + below};
    }
    if (k < less + below) {
      n = below;
    } else {
      x += below;
      n -= below;
      less += below;
    }
  }
  if (n <= most) sort_small(x, x, n);
  const Key key = x[k - less];
  auto equal = std::equal_range(x, x + n, key);
  return {key, less + (equal.first - x), less + (equal.second - x)};
}

/// A sorted sample of n keys at equal distances.
template <class Key>
std::vector<Key> sorted_sample(const Key* x, int64_t n, int64_t count) {
  std::vector<Key> sample(static_cast<size_t>(count));
  Scratch<Key> others(count + kSplitSlack);
  for (int64_t i = 0; i < count; i++) sample[size_t(i)] = x[n / count * i + n / count / 2];
  sort_keys(sample.data(), count, others.data());
  return sample;
}

/// The chunks and parts of the drawing above, made when constructed. Keys keep their order within a part.
template <class Key>
class KeyParts {
 public:
  /// Part k has the keys from splitter k - 1 to before splitter k; both first and last are open.
  KeyParts(Key* x, int64_t n, std::vector<Key> splitters)
      : x_(x), n_(n), chunks_((n + kChunk - 1) / kChunk), parts_(int64_t(splitters.size()) + 1) {
    bounds_.assign(size_t(chunks_ * (parts_ + 1)), 0);
    parallel_for(chunks_, 1, [&](int64_t begin, int64_t end) {
      Scratch<Key> others(kChunk + kSplitSlack);
      for (int64_t c = begin; c < end; c++) {
        const int64_t first = c * kChunk, last = std::min(n_, first + kChunk);
        bound(c, 0) = first;
        bound(c, parts_) = last;
        cut(c, first, last, 0, parts_, splitters, others.data());
      }
    });
    starts_.assign(size_t(parts_ + 1), 0);
    for (int64_t p = 0; p < parts_; p++) {
      starts_[size_t(p + 1)] = starts_[size_t(p)];
      for (int64_t c = 0; c < chunks_; c++) starts_[size_t(p + 1)] += length(c, p);
    }
  }

  int64_t count() const { return parts_; }
  /// Place of the part's first key when sorted; of part `count()`: n.
  int64_t start(int64_t part) const { return starts_[size_t(part)]; }
  int64_t size(int64_t part) const { return start(part + 1) - start(part); }

  /// Copies the keys of one part together.
  void collect(int64_t part, Key* to) const {
    for (int64_t c = 0; c < chunks_; c++) to = std::copy_n(x_ + bound(c, part), length(c, part), to);
  }

  /// Calls piece(keys, n, place) for all keys, in parallel: these n come from `place` on when parts are put together.
  template <class Piece>
  void visit(Piece piece) const {
    std::vector<int64_t> place(size_t(chunks_ * parts_));
    for (int64_t p = 0; p < parts_; p++) {
      for (int64_t c = 0, at = start(p); c < chunks_; at += length(c, p), c++)
        place[size_t(c * parts_ + p)] = at;
    }
    parallel_for(chunks_ * parts_, parts_, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; k++) {
        piece(x_ + bound(k / parts_, k % parts_), length(k / parts_, k % parts_), place[size_t(k)]);
      }
    });
  }

 private:
  static constexpr int64_t kChunk = int64_t(1) << 15;

  int64_t& bound(int64_t chunk, int64_t part) { return bounds_[size_t(chunk * (parts_ + 1) + part)]; }
  int64_t bound(int64_t chunk, int64_t part) const { return bounds_[size_t(chunk * (parts_ + 1) + part)]; }
  int64_t length(int64_t chunk, int64_t part) const { return bound(chunk, part + 1) - bound(chunk, part); }

  // Cuts [first, last) of a chunk, which are the keys of parts [low, high).
  void cut(int64_t chunk, int64_t first, int64_t last, int64_t low, int64_t high,
           const std::vector<Key>& splitters, Key* others) {
    if (high - low == 1) return;
    const int64_t middle = (low + high) / 2;
    const int64_t at = first + split(x_ + first, last - first, splitters[size_t(middle - 1)], others);
    bound(chunk, middle) = at;
    cut(chunk, first, at, low, middle, splitters, others);
    cut(chunk, at, last, middle, high, splitters, others);
  }

  Key* x_;
  int64_t n_, chunks_, parts_;
  std::vector<int64_t> bounds_;  // [chunk][part]: first key of each part in each chunk
  std::vector<int64_t> starts_;
};

/// Splitters for sorting n keys in parallel, with the bits of `mask` alone: keys that agree in them come into one part.
template <class Key>
std::vector<Key> sort_splitters(const Key* x, int64_t n, Key mask = Key(~Key(0))) {
  constexpr int64_t kSamples = 32;  // per part: no part then is much larger than the others
  const int64_t parts = std::clamp<int64_t>(n >> 15, 8, 256);
  std::vector<Key> sample = sorted_sample(x, n, parts * kSamples), splitters;
  for (int64_t p = 1; p < parts; p++) splitters.push_back(sample[size_t(p * kSamples)] & mask);
  return splitters;
}

/// Two splitters that the key at place k of n stands between, most probably, and few others do.
template <class Key>
std::vector<Key> select_splitters(const Key* x, int64_t n, int64_t k) {
  constexpr int64_t kSamples = 2048, kMargin = 100;  // the place of k in a sample varies by about 23 at most
  std::vector<Key> sample = sorted_sample(x, n, kSamples);
  const int64_t at = int64_t(double(k) / double(n) * double(kSamples));
  return {sample[size_t(std::max<int64_t>(at - kMargin, 0))],
          sample[size_t(std::min(at + kMargin, kSamples - 1))]};
}

}  // namespace melix::cpu
