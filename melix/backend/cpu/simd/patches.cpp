// Products of patches by register tiles, without copies of the patches: rows are read where they lie.
//
// c = patches * b: a strip of b (kPass rows of it in L1) meets kR rows of the patches at a time, kR * kV vectors of
// sums stay in registers. b is packed in strips of kV vectors: (taps * length, kV * kLanes) each, the last filled with
// zeros.
// y^T * patches: kR columns of y and kV vectors of a tap's run, over up to kPass rows.
// Each sum is made in order, kPass terms at a time, as in matmul_tiles.cpp.
#include "melix/backend/cpu/simd/patches.h"

#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/product.h"

namespace melix::cpu::MELIX_ISA {
namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

template <class T>
constexpr int64_t kLanes = Native<T>::kLanes;

// Columns of a strip.
template <class T>
int64_t strip_width(int64_t n) {
  return n <= kLanes<T> ? kLanes<T> : 2 * kLanes<T>;
}

template <class T>
MELIX_PRODUCT void add_row(T* to, const T* sums, int64_t n, bool first) {
  if (first) {
    __builtin_memcpy(to, sums, size_t(n) * sizeof(T));
  } else {
    for (int64_t j = 0; j < n; j++) to[j] += sums[j];
  }
}

template <class T, int kR, int kV>
MELIX_PRODUCT void write(const Vector<T> (&sums)[kR][kV], T* c, int64_t c_row, int64_t m, int64_t n,
                         bool first) {
  if (m >= kR && n >= kV * kLanes<T>) {
#pragma GCC unroll 8
    for (int r = 0; r < kR; r++) {
#pragma GCC unroll 2
      for (int v = 0; v < kV; v++) {
        T* to = c + r * c_row + v * kLanes<T>;
        store(to, first ? sums[r][v] : load(to) + sums[r][v]);
      }
    }
    return;
  }
  for (int r = 0; r < kR && r < m; r++) {
    T row[kV * kLanes<T>];
    for (int v = 0; v < kV; v++) store(row + v * kLanes<T>, sums[r][v]);
    add_row(c + r * c_row, row, min(kV * kLanes<T>, n), first);
  }
}

// Elements [begin, end) of the runs of taps [from, to) of kR rows, times as many rows of a strip of b.
template <class T, int kR, int kV>
void product_tile(const void* const* runs, int64_t taps, int64_t from, int64_t to, int64_t begin, int64_t end,
                  const T* b, T* c, int64_t c_row, int64_t m, int64_t n, bool overwrite) {
  const void* const* rows[kR];  // those that do not exist are the last one again
#pragma GCC unroll 8
  for (int r = 0; r < kR; r++) rows[r] = runs + min(r, m - 1) * taps;
  Vector<T> sums[kR][kV] = {};
  for (int64_t t = from; t < to; t++) {
    const T* x[kR];
#pragma GCC unroll 8
    for (int r = 0; r < kR; r++) x[r] = static_cast<const T*>(rows[r][t]);
    for (int64_t p = begin; p < end; p++, b += kV * kLanes<T>) {
      Vector<T> y[kV];
#pragma GCC unroll 2
      for (int v = 0; v < kV; v++) y[v] = load(b + v * kLanes<T>);
#pragma GCC unroll 8
      for (int r = 0; r < kR; r++) {
        const Vector<T> a = splat(x[r][p]);
#pragma GCC unroll 2
        for (int v = 0; v < kV; v++) sums[r][v] = multiply_add(a, y[v], sums[r][v]);
      }
    }
  }
  write<T, kR, kV>(sums, c, c_row, m, n, overwrite);
}

template <class T, int kR, int kV>
void product_of(const PatchProduct& p) {
  constexpr int64_t kWidth = kV * kLanes<T>;
  const T* b = static_cast<const T*>(p.packed);
  // Whole taps of one pass, or a part of one tap.
  const int64_t together = p.length >= kPass ? 1 : kPass / p.length, part = min(p.length, kPass);
  for (int64_t j = 0; j < p.n; j += kWidth) {
    T* c = static_cast<T*>(p.c) + j;
    for (int64_t t = 0; t < p.taps; t += together) {
      const int64_t last = min(t + together, p.taps);
      for (int64_t q = 0; q < p.length; q += part) {
        const int64_t end = min(q + part, p.length);
        for (int64_t i = 0; i < p.m; i += kR) {
          product_tile<T, kR, kV>(p.runs + i * p.taps, p.taps, t, last, p.first + q, p.first + end, b,
                                  c + i * p.c_row, p.c_row, p.m - i, p.n - j, t == 0 && q == 0);
        }
        b += (last - t) * (end - q) * kWidth;
      }
    }
  }
}

template <class T>
void product(const PatchProduct& p) {
  p.width == kLanes<T> ? product_of<T, 8, 1>(p) : product_of<T, 4, 2>(p);
}

// kR columns of y and kV vectors of the runs at `run` of each patch, of which n elements are wanted.
template <class T, int kR, int kV>
void gradient_tile(const void* const* runs, int64_t run_step, int64_t at, const T* y, int64_t y_row,
                   int64_t count, T* sums, int64_t sums_row, int64_t m, int64_t n) {
  int64_t column[kR];
#pragma GCC unroll 8
  for (int r = 0; r < kR; r++) column[r] = min(r, m - 1);
  Vector<T> s[kR][kV] = {};
  for (int64_t p = 0; p < count; p++, runs += run_step, y += y_row) {
    const T* run = static_cast<const T*>(*runs) + at;
    Vector<T> x[kV];
#pragma GCC unroll 2
    for (int v = 0; v < kV; v++) x[v] = load(run + v * kLanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < kR; r++) {
      const Vector<T> g = splat(y[column[r]]);
#pragma GCC unroll 2
      for (int v = 0; v < kV; v++) s[r][v] = multiply_add(g, x[v], s[r][v]);
    }
  }
  write<T, kR, kV>(s, sums, sums_row, m, n, false);
}

template <class T, int kR, int kV>
void gradient_of(const PatchGradient& g) {
  constexpr int64_t kWidth = kV * kLanes<T>;
  for (int64_t p = 0; p < g.count; p += kPass) {
    const int64_t count = min(kPass, g.count - p);
    const T* y = static_cast<const T*>(g.y) + p * g.y_row;
    for (int64_t t = 0; t < g.taps; t++) {
      for (int64_t q = 0; q < g.length; q += kWidth) {
        for (int64_t i = 0; i < g.m; i += kR) {
          T* sums = static_cast<T*>(g.sums) + i * g.sums_row + t * g.length + q;
          gradient_tile<T, kR, kV>(g.runs + p * g.run_step + t, g.run_step, g.first + q, y + i, g.y_row,
                                   count, sums, g.sums_row, g.m - i, g.length - q);
        }
      }
    }
  }
}

template <class T>
void gradient(const PatchGradient& g) {
  static_assert(2 * kLanes<T> <= kPatchSlack);
  g.length <= kLanes<T> ? gradient_of<T, 8, 1>(g) : gradient_of<T, 4, 2>(g);
}

// `columns` runs of n elements, `step` apart, as n rows of `width` elements, a cache line of each run at a time.
template <class E, class T = typename E::Sum>
void interleave(const typename E::Stored* from, int64_t step, int64_t columns, int64_t width, int64_t n,
                T* to) {
  constexpr int64_t kLine = 16;
  T lines[2 * kLanes<T>][kLine];
  if (columns < width) __builtin_memset(lines, 0, sizeof(lines));
  for (int64_t p = 0; p < n; p += kLine, to += kLine * width) {
    const int64_t length = min(kLine, n - p);
    for (int64_t c = 0; c < columns; c++) widen_run<E>(from + c * step + p, lines[c], length);
    for (int64_t q = 0; q < length; q++) {
      for (int64_t c = 0; c < width; c++) to[q * width + c] = lines[c][q];
    }
  }
}

// The packing above, in the order in which product_of reads.
template <class E, class T = typename E::Sum>
void pack(const void* stored, int64_t column, const int64_t* taps, int64_t count, int64_t length, int64_t n,
          int64_t width, void* packed) {
  const auto* from = static_cast<const typename E::Stored*>(stored);
  T* to = static_cast<T*>(packed);
  const int64_t together = length >= kPass ? 1 : kPass / length, part = min(length, kPass);
  for (int64_t j = 0; j < n; j += width) {
    const int64_t columns = min(width, n - j);
    for (int64_t t = 0; t < count; t += together) {
      for (int64_t q = 0; q < length; q += part) {
        const int64_t last = min(t + together, count), run = min(part, length - q);
        for (int64_t tap = t; tap < last; tap++, to += run * width) {
          interleave<E>(from + j * column + taps[tap] * length + q, column, columns, width, run, to);
        }
      }
    }
  }
}

}  // namespace

void patch_product(Dtype dtype, const PatchProduct& p) {
  dtype == float64 ? product<double>(p) : product<float>(p);
}

void patch_gradient(Dtype dtype, const PatchGradient& g) {
  dtype == float64 ? gradient<double>(g) : gradient<float>(g);
}

int64_t pack_width(Dtype dtype, int64_t n) {
  return dtype == float64 ? strip_width<double>(n) : strip_width<float>(n);
}

void pack_columns(Dtype dtype, const void* from, int64_t column, const int64_t* taps, int64_t count,
                  int64_t length, int64_t n, int64_t width, void* to) {
  switch (dtype) {
    case Dtype::float16:
      return pack<Float16>(from, column, taps, count, length, n, width, to);
    case Dtype::bfloat16:
      return pack<Bfloat16>(from, column, taps, count, length, n, width, to);
    case Dtype::float64:
      return pack<Plain<double, double>>(from, column, taps, count, length, n, width, to);
    default:
      return pack<Plain<float, float>>(from, column, taps, count, length, n, width, to);
  }
}

}  // namespace melix::cpu::MELIX_ISA
