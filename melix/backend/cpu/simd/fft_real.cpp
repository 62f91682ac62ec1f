// What stands between real and complex transforms of half the length, in lanes and along rows, per instruction set.
//
// A real row x of n = 2 m numbers is z[j] = x[2 j] + i x[2 j + 1]. With Z its transform and w = exp(-2 pi i / n)
//
//   split  X[k] = E + w^k O     X[m - k] = conj(E - w^k O)      E = (Z[k] + conj Z[m - k]) / 2     O = -i (...) / 2
//   join   Z[k] = E + i O       Z[m - k] = conj(E - i O)        E = X[k] + conj X[m - k]    O = (...) w^-k
//
// where (...) is the same sum with a minus, and Z[m] is Z[0].
#include "melix/backend/cpu/simd/fft.h"
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

constexpr int n16 = kFftLanes;

// Sixteen complex numbers and their partners; plain loops of 16 become vectors.
struct Pairs {
  float ar[n16], ai[n16], br[n16], bi[n16];
};

MELIX_INLINE void split16(Pairs& p, const float* wr, const float* wi) {
#pragma GCC ivdep
  for (int l = 0; l < n16; l++) {
    const float er = 0.5f * (p.ar[l] + p.br[l]), ei = 0.5f * (p.ai[l] - p.bi[l]);
    const float orr = 0.5f * (p.ai[l] + p.bi[l]), oi = -0.5f * (p.ar[l] - p.br[l]);
    const float tr = wr[l] * orr - wi[l] * oi, ti = wr[l] * oi + wi[l] * orr;
    p.ar[l] = er + tr;
    p.ai[l] = ei + ti;
    p.br[l] = er - tr;
    p.bi[l] = ti - ei;
  }
}

MELIX_INLINE void join16(Pairs& p, const float* wr, const float* wi) {
#pragma GCC ivdep
  for (int l = 0; l < n16; l++) {
    const float er = p.ar[l] + p.br[l], ei = p.ai[l] - p.bi[l];
    const float dr = p.ar[l] - p.br[l], di = p.ai[l] + p.bi[l];
    const float orr = dr * wr[l] + di * wi[l], oi = di * wr[l] - dr * wi[l];
    p.ar[l] = er - oi;
    p.ai[l] = ei + orr;
    p.br[l] = er + oi;
    p.bi[l] = orr - ei;
  }
}

MELIX_INLINE void copy16(const float* from, float* to) { __builtin_memcpy(to, from, n16 * sizeof(float)); }

MELIX_INLINE void pairs_of_lanes(Pairs& p, const float* a, const float* b) {
  copy16(a, p.ar);
  copy16(a + n16, p.ai);
  copy16(b, p.br);
  copy16(b + n16, p.bi);
}
MELIX_INLINE void pairs_to_lanes(const Pairs& p, float* a, float* b) {
  copy16(p.ar, a);
  copy16(p.ai, a + n16);
  copy16(p.br, b);
  copy16(p.bi, b + n16);
}

// (re + im, 0) and (re - im, 0), or of numbers a and b whose imaginary parts do not count: (a + b, a - b).
MELIX_INLINE void ends(const float* a, const float* b, float* sum, float* difference) {
#pragma GCC ivdep
  for (int l = 0; l < n16; l++) {
    const float x = a[l], y = b[l];
    sum[l] = x + y;
    difference[l] = x - y;
  }
}

template <bool kSplit>
MELIX_INLINE void lanes(const float* x, int64_t m, int64_t width, const float* table, float* y) {
  const int64_t row = width * kFftElement;
  for (int64_t q = 0; q < row; q += kFftElement, x += kFftElement, y += kFftElement) {
    if (kSplit) {
      ends(x, x + n16, y, y + m * row);
      for (int l = n16; l < kFftElement; l++) y[l] = y[l + m * row] = 0;
    } else {
      ends(x, x + m * row, y, y + n16);
    }
    for (int64_t k = 1; k <= m / 2; k++) {
      float wr[n16], wi[n16];
      for (int l = 0; l < n16; l++) {
        wr[l] = table[2 * k];
        wi[l] = table[2 * k + 1];
      }
      Pairs p;
      pairs_of_lanes(p, x + k * row, x + (m - k) * row);
      kSplit ? split16(p, wr, wi) : join16(p, wr, wi);
      pairs_to_lanes(p, y + k * row, y + (m - k) * row);
    }
  }
}

// Elements k ... k + 15 and m - k ... m - k - 15 of a row of complex numbers, as far as there are `count`.
MELIX_INLINE void pairs_of_row(Pairs& p, const float* x, int64_t m, int64_t k, int count) {
  const float *a = x + 2 * k, *b = x + 2 * (m - k);
  if (count == n16) {
#pragma GCC ivdep
    for (int l = 0; l < n16; l++) {
      p.ar[l] = a[2 * l];
      p.ai[l] = a[2 * l + 1];
      p.br[l] = b[-2 * l];
      p.bi[l] = b[-2 * l + 1];
    }
  } else {
    for (int l = 0; l < n16; l++) {
      const int at = l < count ? l : 0;
      p.ar[l] = a[2 * at];
      p.ai[l] = a[2 * at + 1];
      p.br[l] = b[-2 * at];
      p.bi[l] = b[-2 * at + 1];
    }
  }
}
MELIX_INLINE void pairs_to_row(const Pairs& p, float* y, int64_t m, int64_t k, int count, float scale) {
  float *a = y + 2 * k, *b = y + 2 * (m - k);
#pragma GCC ivdep
  for (int l = 0; l < count; l++) {
    a[2 * l] = p.ar[l] * scale;
    a[2 * l + 1] = p.ai[l] * scale;
  }
#pragma GCC ivdep
  for (int l = 0; l < count; l++) {
    b[-2 * l] = p.br[l] * scale;
    b[-2 * l + 1] = p.bi[l] * scale;
  }
}

// Elements [first, last) and their partners; outer[i] is w^(first + 16 i), inner w^0 ... w^15 as re x 16, im x 16.
template <bool kSplit>
MELIX_INLINE void row(const float* x, int64_t m, int64_t first, int64_t last, const double* outer,
                      const double* inner, float scale, float* y) {
  for (int64_t k = first; k < last; k += n16, outer += 2) {
    const int count = last - k < n16 ? int(last - k) : n16;
    float wr[n16], wi[n16];
#pragma GCC ivdep
    for (int l = 0; l < n16; l++) {
      wr[l] = float(outer[0] * inner[l] - outer[1] * inner[l + n16]);
      wi[l] = float(outer[0] * inner[l + n16] + outer[1] * inner[l]);
    }
    Pairs p;
    pairs_of_row(p, x, m, k, count);
    kSplit ? split16(p, wr, wi) : join16(p, wr, wi);
    pairs_to_row(p, y, m, k, count, scale);
  }
}

}  // namespace

void fft_split_lanes(const float* x, int64_t m, int64_t width, const float* table, float* y) {
  lanes<true>(x, m, width, table, y);
}
void fft_join_lanes(const float* x, int64_t m, int64_t width, const float* table, float* y) {
  lanes<false>(x, m, width, table, y);
}
void fft_split_row(const float* x, int64_t m, int64_t first, int64_t last, const double* outer,
                   const double* inner, float scale, float* y) {
  row<true>(x, m, first, last, outer, inner, scale, y);
}
void fft_join_row(const float* x, int64_t m, int64_t first, int64_t last, const double* outer,
                  const double* inner, float* y) {
  row<false>(x, m, first, last, outer, inner, 1, y);
}

void fft_mirror_lanes(int64_t n, int64_t width, float* x) {
  const int64_t row = width * kFftElement;
  for (int64_t q = 0; q < row; q += kFftElement) {
    for (int l = n16; l < kFftElement; l++) x[q + l] = 0;
    for (int64_t k = 1; k <= n / 2; k++) {
      const float* a = x + k * row + q;
      float* b = x + (n - k) * row + q;
#pragma GCC ivdep
      for (int l = 0; l < n16; l++) {
        b[l] = a[l];
        b[l + n16] = -a[l + n16];
      }
    }
  }
}

}  // namespace melix::cpu::MELIX_ISA
