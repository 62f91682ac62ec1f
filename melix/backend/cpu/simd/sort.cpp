// The inner loops of sorting, on unsigned keys of 4 and 8 bytes: a network for a few hundred keys, and the split of an
// array around a pivot. Who splits what is decided in backend/cpu/key_sort.h, what a key is in sort_keys.cpp.
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace melix::cpu::MELIX_ISA {
namespace {

// ---- vectors ----

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
inline constexpr int kLanes = kVectorBytes / int(sizeof(T));

// ---- the network: K vectors of L lanes, sorted as L columns of K keys each, one column after the other ----

// Comparators of Batcher's odd-even merge sort of N keys.
template <int N>
struct Comparators {
  int count = 0;
  int low[N * 6 + 1] = {}, high[N * 6 + 1] = {};
  constexpr Comparators() {
    for (int p = 1; p < N; p *= 2) {
      for (int k = p; k >= 1; k /= 2) {
        for (int j = k % p; j + k < N; j += 2 * k) {
          for (int i = 0; i < k && i + j + k < N; i++) {
            if ((i + j) / (2 * p) != (i + j + k) / (2 * p)) continue;
            low[count] = i + j;
            high[count++] = i + j + k;
          }
        }
      }
    }
  }
};
template <int N>
inline constexpr Comparators<N> kComparators;

template <class V>
MELIX_INLINE void order(V& a, V& b) {
  const V low = a < b ? a : b, high = a < b ? b : a;
  a = low;
  b = high;
}

// Lane l takes lane l ^ kMask.
template <int kMask, class V, int... I>
MELIX_INLINE V exchange(V v, Ints<I...>) {
  return __builtin_shufflevector(v, v, (I ^ kMask)...);
}
// Lane l of `a` where bit kBit of l is 0, of `b` where it is 1.
template <int kBit, class V, int... I>
MELIX_INLINE V alternate(V a, V b, Ints<I...>) {
  return __builtin_shufflevector(a, b, ((I & kBit) ? I + int(sizeof...(I)) : I)...);
}
// a0 b0 a1 b1 ... of the first (kHalf = 0) or second halves of two vectors.
template <int kHalf, class V, int... I>
MELIX_INLINE V interleave(V a, V b, Ints<I...>) {
  constexpr int n = int(sizeof...(I));
  return __builtin_shufflevector(a, b, (I / 2 + kHalf * n / 2 + (I % 2) * n)...);
}

template <class T, int K>
struct Network {
  using V = Vector<T, kVectorBytes>;
  static constexpr int L = kLanes<T>;
  using Lanes = Count<L>;

  // Sorted sequences of G/2 columns become sorted ones of G columns, by a bitonic merge whose first step compares
  // mirrored places; then columns a distance apart, then rows.
  template <int G>
  MELIX_INLINE void merge(V* v) {
    if constexpr (K == 1) {
      const V mirrored = exchange<G - 1>(v[0], Lanes());
      const V low = v[0] < mirrored ? v[0] : mirrored, high = v[0] < mirrored ? mirrored : v[0];
      v[0] = alternate<G / 2>(low, high, Lanes());
    } else {
      each(Count<K / 2>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
        V low = v[r], high = exchange<G - 1>(v[K - 1 - r], Lanes());
        order(low, high);
        v[r] = alternate<G / 2>(low, high, Lanes());
        v[K - 1 - r] = exchange<G - 1>(alternate<G / 2>(high, low, Lanes()), Lanes());
      });
    }
    columns<G / 4>(v);
    rows<K / 2>(v);
    if constexpr (G < L) merge<G * 2>(v);
  }
  template <int D>
  MELIX_INLINE void columns(V* v) {
    if constexpr (D > 0) {
      each(Count<K>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
        const V other = exchange<D>(v[r], Lanes());
        const V low = v[r] < other ? v[r] : other, high = v[r] < other ? other : v[r];
        v[r] = alternate<D>(low, high, Lanes());
      });
      columns<D / 2>(v);
    }
  }
  template <int D>
  MELIX_INLINE void rows(V* v) {
    if constexpr (D > 0) {
      each(Count<K>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
        if constexpr ((r & D) == 0) order(v[r], v[r + D]);
      });
      rows<D / 2>(v);
    }
  }
  // Columns become what lies in a row: every round interleaves the first half of the vectors with the second, which
  // moves one bit of an element's number.
  template <int D>
  MELIX_INLINE void transpose(V* v) {
    if constexpr (D > 1) {
      V w[K];
      each(Count<K / 2>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
        w[2 * r] = interleave<0>(v[r], v[r + K / 2], Lanes());
        w[2 * r + 1] = interleave<1>(v[r], v[r + K / 2], Lanes());
      });
      each(Count<K>(), [&]<int r>(Int<r>) MELIX_UNROLLED { v[r] = w[r]; });
      transpose<D / 2>(v);
    }
  }

  // What of n keys lies in vector r; missing keys are the largest, so that they end up behind.
  MELIX_INLINE V load(const T* from, int r, int64_t n) {
    V v;
    if (n >= (r + 1) * L) {
      __builtin_memcpy(&v, from + r * L, sizeof(V));
      return v;
    }
#if defined(__AVX512F__)
    if constexpr (L == 16) {
      v = V(_mm512_mask_loadu_epi32(_mm512_set1_epi32(-1), __mmask16(mask(n - r * L)), from + r * L));
    } else {
      v = V(_mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), __mmask8(mask(n - r * L)), from + r * L));
    }
#else
    for (int l = 0; l < L; l++) v[l] = r * L + l < n ? from[r * L + l] : ~T(0);
#endif
    return v;
  }
  // No store with a mask: what reads the keys next would wait for it.
  MELIX_INLINE void store(T* to, int r, int64_t n, V v) {
    if (n >= (r + 1) * L) {
      __builtin_memcpy(to + r * L, &v, sizeof(V));
    } else if (n > r * L) {
      __builtin_memcpy(to + r * L, &v, size_t(n - r * L) * sizeof(T));
    }
  }
  MELIX_INLINE uint32_t mask(int64_t n) { return n >= L ? (1u << L) - 1 : n <= 0 ? 0 : (1u << n) - 1; }

  static void sort(const T* from, T* to, int64_t n) {
    V v[K];
    each(Count<K>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
      if constexpr (r < K / 2) {
        __builtin_memcpy(&v[r], from + r * L, sizeof(V));
      } else {
        v[r] = load(from, r, n);
      }
    });
    each(Count<kComparators<K>.count>(),
         [&]<int c>(Int<c>) MELIX_UNROLLED { order(v[kComparators<K>.low[c]], v[kComparators<K>.high[c]]); });
    merge<2>(v);
    transpose<K>(v);
    each(Count<K>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
      if constexpr (r < K / 2) {
        __builtin_memcpy(to + r * L, &v[r], sizeof(V));
      } else {
        store(to, r, n, v[r]);
      }
    });
  }
};

template <class T>
void sort_small(const T* from, T* to, int64_t n) {
  constexpr int L = kLanes<T>;
  if (n <= L) return Network<T, 1>::sort(from, to, n);
  if (n <= 2 * L) return Network<T, 2>::sort(from, to, n);
  if (n <= 4 * L) return Network<T, 4>::sort(from, to, n);
  if (n <= 8 * L) return Network<T, 8>::sort(from, to, n);
  Network<T, 16>::sort(from, to, n);
}

// ---- split ----

template <class T>
MELIX_INLINE void split_one(T key, T pivot, T*& left, T*& right) {
  const bool below = key < pivot;
  *left = key;
  *right = key;
  left += below;
  right += !below;
}

#if defined(__AVX2__)

// below: a mask of the lanes that are less, kBits<T> for each; packed: the lanes of a mask, moved together.
#if defined(__AVX512F__)

using Register = __m512i;
template <class T>
inline constexpr int kBits = 1;

MELIX_INLINE Register load(const void* from) { return _mm512_loadu_si512(from); }
MELIX_INLINE void store(void* to, Register v) { _mm512_storeu_si512(to, v); }
// Masks come to general registers through assembly: g++ 12 spills a mask as one or two bytes, and then reads four.
MELIX_INLINE uint32_t below(Register v, uint32_t pivot) {
  const __mmask16 mask = _mm512_cmplt_epu32_mask(v, _mm512_set1_epi32(int(pivot)));
  uint32_t bits;
  asm("kmovw %1, %0" : "=r"(bits) : "k"(mask));
  return bits;
}
MELIX_INLINE uint32_t below(Register v, uint64_t pivot) {
  const __mmask8 mask = _mm512_cmplt_epu64_mask(v, _mm512_set1_epi64((long long)(pivot)));
  uint32_t bits;
  asm("kmovb %1, %0" : "=r"(bits) : "k"(mask));
  return bits;
}
template <class T>
MELIX_INLINE Register packed(uint32_t mask, Register v) {
  if constexpr (sizeof(T) == 4) {
    return _mm512_maskz_compress_epi32(__mmask16(mask), v);
  } else {
    return _mm512_maskz_compress_epi64(__mmask8(mask), v);
  }
}

#else

using Register = __m256i;
template <class T>
inline constexpr int kBits = int(sizeof(T)) / 4;

MELIX_INLINE Register load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
MELIX_INLINE void store(void* to, Register v) { _mm256_storeu_si256(static_cast<__m256i*>(to), v); }
// There are only signed comparisons.
MELIX_INLINE uint32_t below(Register v, uint32_t pivot) {
  const Register sign = _mm256_set1_epi32(int(0x80000000u)), p = _mm256_set1_epi32(int(pivot ^ 0x80000000u));
  return uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(p, _mm256_xor_si256(v, sign)))));
}
MELIX_INLINE uint32_t below(Register v, uint64_t pivot) {
  const uint64_t bit = uint64_t(1) << 63;
  const Register sign = _mm256_set1_epi64x((long long)(bit)),
                 p = _mm256_set1_epi64x((long long)(pivot ^ bit));
  return uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi64(p, _mm256_xor_si256(v, sign)))));
}

// For each mask of 8 lanes of 4 bytes the numbers of its lanes, one a byte.
struct Packing {
  uint64_t lanes[256] = {};
  constexpr Packing() {
    for (int mask = 0; mask < 256; mask++) {
      for (int lane = 0, at = 0; lane < 8; lane++) {
        if (mask >> lane & 1) lanes[mask] |= uint64_t(lane) << (8 * at++);
      }
    }
  }
};
constexpr Packing kPacking;

template <class T>
MELIX_INLINE Register packed(uint32_t mask, Register v) {
  const __m128i bytes = _mm_cvtsi64_si128((long long)(kPacking.lanes[mask]));
  return _mm256_permutevar8x32_epi32(v, _mm256_cvtepu8_epi32(bytes));
}

#endif

// Whole vectors are written on both sides: what is too much lies where x was read already, and where `others` has not
// been written.
template <class T>
MELIX_INLINE int64_t split_of(T* x, int64_t n, T pivot, T* others) {
  constexpr int L = kLanes<T>, B = kBits<T>;
  constexpr int kAtOnce = 4;  // vectors: twice as fast as one by one, since the stores wait for nothing
  constexpr uint32_t kAll = (1u << (L * B)) - 1;
  T *left = x, *right = others;
  auto put = [&](Register v, uint32_t mask, uint32_t valid) MELIX_UNROLLED {
    const uint32_t less = mask & valid, rest = ~mask & valid;
    store(left, packed<T>(less, v));
    store(right, packed<T>(rest, v));
    left += __builtin_popcount(less) / B;
    right += __builtin_popcount(rest) / B;
  };
  int64_t i = 0;
  for (; i + kAtOnce * L <= n; i += kAtOnce * L) {
    Register v[kAtOnce];
    uint32_t mask[kAtOnce];
    each(Count<kAtOnce>(), [&]<int k>(Int<k>) MELIX_UNROLLED {
      v[k] = load(x + i + k * L);
      mask[k] = below(v[k], pivot);
    });
    each(Count<kAtOnce>(), [&]<int k>(Int<k>) MELIX_UNROLLED { put(v[k], mask[k], kAll); });
  }
  for (; i + L <= n; i += L) {
    const Register v = load(x + i);
    put(v, below(v, pivot), kAll);
  }
  // The last vector once more, but for the lanes that were done. (Stores with masks are slow to read back.)
  if (i < n && n >= L && left + L <= x + n) {
    const Register v = load(x + n - L);
    put(v, below(v, pivot), kAll & (kAll << ((L - int(n - i)) * B)));
    i = n;
  }
  for (; i < n; i++) split_one(x[i], pivot, left, right);
  __builtin_memcpy(left, others, size_t(right - others) * sizeof(T));
  return left - x;
}

#else

template <class T>
MELIX_INLINE int64_t split_of(T* x, int64_t n, T pivot, T* others) {
  T *left = x, *right = others;
  for (int64_t i = 0; i < n; i++) split_one(x[i], pivot, left, right);
  __builtin_memcpy(left, others, size_t(right - others) * sizeof(T));
  return left - x;
}

#endif

template <class T>
bool equal_keys(const T* x, int64_t n) {
  constexpr int64_t kRun = 1024;  // after so many a difference is noticed
  for (int64_t begin = 0; begin < n; begin += kRun) {
    const int64_t end = n - begin < kRun ? n : begin + kRun;
    T varying = 0;
    for (int64_t i = begin; i < end; i++) varying |= x[i] ^ x[0];
    if (varying) return false;
  }
  return true;
}

}  // namespace

bool all_equal32(const uint32_t* x, int64_t n) { return equal_keys(x, n); }
bool all_equal64(const uint64_t* x, int64_t n) { return equal_keys(x, n); }
int sort_small_most(int bytes) { return 16 * kVectorBytes / bytes; }
void sort_small32(const uint32_t* from, uint32_t* to, int64_t n) { sort_small(from, to, n); }
void sort_small64(const uint64_t* from, uint64_t* to, int64_t n) { sort_small(from, to, n); }
int64_t split32(uint32_t* x, int64_t n, uint32_t pivot, uint32_t* others) {
  return split_of(x, n, pivot, others);
}
int64_t split64(uint64_t* x, int64_t n, uint64_t pivot, uint64_t* others) {
  return split_of(x, n, pivot, others);
}

}  // namespace melix::cpu::MELIX_ISA
