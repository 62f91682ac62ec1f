// Walsh-Hadamard transforms per instruction set: sums and differences of elements whose numbers differ in one bit. Only
// the pairs are fixed, not what is beside them: all instruction sets give the same bits.
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLargestFactor = 28;

template <class T>
constexpr int kLanes = kBytes / int(sizeof(T));

template <class T>
MELIX_INLINE Vector<T, kBytes> load(const T* from) {
  Vector<T, kBytes> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
MELIX_INLINE void store(T* to, const Vector<T, kBytes>& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// a + b in lane l and a - b in lane l + step, where a and b are what these lanes have, for every l without that bit.
template <int step, class V, int... I>
MELIX_INLINE V stage(const V& v, Ints<I...>) {
  const V sign = {((I & step) ? -1 : 1)...};
  return __builtin_shufflevector(v, v, (I ^ step)...) + v * sign;
}

// All stages within a register, from distance `inner` on to before `length`.
template <class T>
MELIX_INLINE Vector<T, kBytes> within(Vector<T, kBytes> v, int64_t inner, int64_t length) {
  using Lanes = Count<kLanes<T>>;
  if (inner == 1 && length > 1) v = stage<1>(v, Lanes());
  if constexpr (kLanes < T >> 2) {
    if (inner <= 2 && length > 2) v = stage<2>(v, Lanes());
  }
  if constexpr (kLanes < T >> 4) {
    if (length > 4) v = stage<4>(v, Lanes());
  }
  if constexpr (kLanes < T >> 8) {
    if (length > 8) v = stage<8>(v, Lanes());
  }
  return v;
}

// Stages at distances `run`, 2 * run, ..., count * run / 2 of an array of count * run elements, whose rows of `run` are
// `stride` apart and `width` wide: two stages in one pass, while there are two.
template <class T>
MELIX_INLINE void between(T* x, int64_t count, int64_t stride, int64_t width) {
  int64_t h = 1;
  for (; 4 * h <= count; h *= 4) {
    for (int64_t block = 0; block < count; block += 4 * h) {
      for (int64_t row = block; row < block + h; row++) {
        T *a = x + row * stride, *b = a + h * stride, *c = b + h * stride, *d = c + h * stride;
        for (int64_t i = 0; i < width; i += kLanes<T>) {
          const auto p = load(a + i) + load(b + i), q = load(a + i) - load(b + i);
          const auto r = load(c + i) + load(d + i), s = load(c + i) - load(d + i);
          store<T>(a + i, p + r);
          store<T>(b + i, q + s);
          store<T>(c + i, p - r);
          store<T>(d + i, q - s);
        }
      }
    }
  }
  if (h == count) return;
  for (int64_t row = 0; row < h; row++) {
    T *a = x + row * stride, *b = a + h * stride;
    for (int64_t i = 0; i < width; i += kLanes<T>) {
      const auto p = load(a + i) + load(b + i), q = load(a + i) - load(b + i);
      store<T>(a + i, p);
      store<T>(b + i, q);
    }
  }
}

template <class T>
void rows(const void* source, int64_t n, int64_t inner, int64_t length, double by, void* destination) {
  constexpr int64_t kWidth = kLanes<T>;
  const T *from = static_cast<const T*>(source), scale = T(by);
  T* to = static_cast<T*>(destination);
  const int64_t block = length < kWidth ? n : length;
  for (int64_t first = 0; first < n; first += block, from += block, to += block) {
    int64_t i = 0;
    for (; i + kWidth <= block; i += kWidth)
      store<T>(to + i, within<T>(load(from + i) * scale, inner, length));
    if (i < block) {
      T rest[kWidth] = {};
      for (int64_t k = i; k < block; k++) rest[k - i] = from[k];
      store<T>(rest, within<T>(load(rest) * scale, inner, length));
      for (int64_t k = i; k < block; k++) to[k] = rest[k - i];
    }
    if (length > kWidth) between(to, length / kWidth, kWidth, kWidth);
  }
}

// Columns of m elements times a matrix of signs.
template <class T>
void mix(const void* signs, int m, int64_t stride, int64_t width, void* values) {
  const T* sign = static_cast<const T*>(signs);
  for (int64_t i = 0; i < width; i += kLanes<T>) {
    T* x = static_cast<T*>(values) + i;
    Vector<T, kBytes> column[kLargestFactor];
    for (int k = 0; k < m; k++) column[k] = load(x + k * stride);
    for (int row = 0; row < m; row++) {
      auto total = column[0] * sign[row * m];
      for (int k = 1; k < m; k++) total += column[k] * sign[row * m + k];
      store<T>(x + row * stride, total);
    }
  }
}

}  // namespace

void hadamard_rows(Dtype dtype, const void* from, int64_t n, int64_t inner, int64_t length, double scale,
                   void* to) {
  dtype == Dtype::float64 ? rows<double>(from, n, inner, length, scale, to)
                          : rows<float>(from, n, inner, length, scale, to);
}
void hadamard_columns(Dtype dtype, void* x, int64_t count, int64_t stride, int64_t width) {
  dtype == Dtype::float64 ? between(static_cast<double*>(x), count, stride, width)
                          : between(static_cast<float*>(x), count, stride, width);
}
void hadamard_mix(Dtype dtype, const void* signs, int m, int64_t stride, int64_t width, void* x) {
  dtype == Dtype::float64 ? mix<double>(signs, m, stride, width, x) : mix<float>(signs, m, stride, width, x);
}

}  // namespace melix::cpu::MELIX_ISA
