// Products of a few rows with a matrix, which is read once at the speed of memory: matrix times vector, and the decode
// step of a language model. Also the conversions to and from accumulated types, and the addition of addmm.
//
// b is fetched ahead of use: its runs end before the hardware sees what comes next. (32 MB, GB/s of one Zen 5 core
// without and with it: float32 25 and 33, bfloat16 8 and 19.)
//
// Two forms, by the way the matrix lies in memory: skinny_rows adds rows of b, skinny_columns makes dot products.
// Sums are cut every kPass (kRun) elements of k, so that errors do not grow with k. Bits depend on m, n and k alone.
#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/product.h"

namespace melix::cpu::MELIX_ISA {

void narrow(Dtype half, const float* from, void* to, int64_t n);  // convert.cpp
namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

template <class E>
constexpr bool kSameType = __is_same(typename E::Stored, typename E::Sum);

// Widens a run, and fetches the one that is read after it, `ahead` elements from here.
template <class E>
void widen_and_fetch(const typename E::Stored* from, typename E::Sum* to, int64_t n, int64_t ahead) {
  constexpr int64_t kLineElements = 64 / int64_t(sizeof(typename E::Stored));
  int64_t i = 0;
  for (; i + kLineElements <= n; i += kLineElements) {
    __builtin_prefetch(from + i + ahead);
    widen_run<E>(from + i, to + i, kLineElements);
  }
  widen_run<E>(from + i, to + i, n - i);
}

// ---- rows of b are contiguous: y += x[k] * b[k], a stripe of columns at a time ----

constexpr int kStripeBytes = 4096;  // of one row of y: with kRowsOfX of them and kRowsOfB rows of b in L1
constexpr int kRowsOfB = 4;
constexpr int kRowsOfX = 4;

// y[r][j] += x[r][q] * b[q][j] for kR rows of x and kQ rows of b. Fetches the elements `ahead` of those of b.
template <class E, int kR, int kQ, class T = typename E::Sum>
void add_rows(const T* x, int64_t x_row, const T* const* b, T* y, int64_t y_row, int64_t n, int64_t ahead) {
  using V = Vector<T>;
  using Ops = typename E::Ops;
  constexpr int kL = Native<T>::kLanes;
  V factor[kR][kQ];
  for (int r = 0; r < kR; r++) {
    for (int q = 0; q < kQ; q++) factor[r][q] = splat(x[r * x_row + q]);
  }
  int64_t j = 0;
  for (; j + kL <= n; j += kL) {
    V sums[kR];
    for (int r = 0; r < kR; r++) sums[r] = load(y + r * y_row + j);
#pragma GCC unroll 4
    for (int q = 0; q < kQ; q++) {
      V row = load(b[q] + j);
      __builtin_prefetch(b[q] + j + ahead);
#pragma GCC unroll 4
      for (int r = 0; r < kR; r++) sums[r] = Ops::add_product(sums[r], factor[r][q], row);
    }
    for (int r = 0; r < kR; r++) store(y + r * y_row + j, sums[r]);
  }
  if (j == n) return;
  // The rest as a vector too, so that an element's bits do not depend on where it stands.
  size_t bytes = size_t(n - j) * sizeof(T);
  V rows[kQ] = {};
  for (int q = 0; q < kQ; q++) __builtin_memcpy(&rows[q], b[q] + j, bytes);
  for (int r = 0; r < kR; r++) {
    V sum = {};
    __builtin_memcpy(&sum, y + r * y_row + j, bytes);
    for (int q = 0; q < kQ; q++) sum = Ops::add_product(sum, factor[r][q], rows[q]);
    __builtin_memcpy(y + r * y_row + j, &sum, bytes);
  }
}

template <class E, int kR, class T = typename E::Sum>
void add_rows(int rows, const T* x, int64_t x_row, const T* const* b, T* y, int64_t y_row, int64_t n,
              int64_t ahead) {
  if (rows == kRowsOfB) return add_rows<E, kR, kRowsOfB>(x, x_row, b, y, y_row, n, ahead);
  for (int q = 0; q < rows; q++) add_rows<E, kR, 1>(x + q, x_row, b + q, y, y_row, n, ahead);
}

// Columns [first, first + n) of one pass over k, into fresh sums.
template <class E, class T = typename E::Sum>
void stripe_pass(const SkinnyProduct& t, int64_t first, int64_t n, int64_t begin, int64_t end, T* sums,
                 int64_t sums_row) {
  const auto* b = static_cast<const typename E::Stored*>(t.b) + first;
  alignas(64) T wide[kSameType<E> ? 1 : kRowsOfB * kStripeBytes / sizeof(T)];
  for (int64_t r = 0; r < t.m; r++) __builtin_memset(sums + r * sums_row, 0, size_t(n) * sizeof(T));
  for (int64_t p = begin; p < end; p += kRowsOfB) {
    int rows = int(min(kRowsOfB, end - p));
    const T* row[kRowsOfB];
    for (int q = 0; q < rows; q++) {
      const auto* stored = b + (p + q) * t.b_row;
      if constexpr (kSameType<E>) {
        row[q] = stored;
      } else {
        T* to = wide + q * (kStripeBytes / int(sizeof(T)));
        widen_and_fetch<E>(stored, to, n, kRowsOfB * t.b_row);
        row[q] = to;
      }
    }
    const T* x = static_cast<const T*>(t.x) + p;
    const int64_t ahead = kSameType<E> ? kRowsOfB * t.b_row : 0;
    int64_t r = 0;
    for (; r + kRowsOfX <= t.m; r += kRowsOfX) {
      add_rows<E, kRowsOfX>(rows, x + r * t.x_row, t.x_row, row, sums + r * sums_row, sums_row, n,
                            r == 0 ? ahead : 0);
    }
    for (; r < t.m; r++)
      add_rows<E, 1>(rows, x + r * t.x_row, t.x_row, row, sums + r * sums_row, sums_row, n,
                     r == 0 ? ahead : 0);
  }
}

template <class E>
void rows_form(const SkinnyProduct& t) {
  using T = typename E::Sum;
  constexpr int64_t kStripe = kStripeBytes / int64_t(sizeof(T));
  T* y = static_cast<T*>(t.y);
  alignas(64) T pass[kMaxSkinny * kStripe];
  for (int64_t j = 0; j < t.n; j += kStripe) {
    int64_t n = min(kStripe, t.n - j);
    stripe_pass<E>(t, j, n, 0, min(kPass, t.k), y + j, t.y_row);
    for (int64_t p = kPass; p < t.k; p += kPass) {
      stripe_pass<E>(t, j, n, p, min(p + kPass, t.k), pass, kStripe);
      for (int64_t r = 0; r < t.m; r++) {
        T* to = y + r * t.y_row + j;
        const T* more = pass + r * kStripe;
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = T(E::Ops::add(to[i], more[i]));
      }
    }
  }
}

// ---- columns of b are contiguous: dot products ----

constexpr int64_t kRun = 1024;  // elements of k between foldings of the lanes
constexpr int kLine = 64;       // bytes of running sums of one dot product, on every instruction set
#if defined(__AVX512F__)
constexpr int kDotRows = 4, kDotColumns = 4;  // 16 registers of sums
#else
constexpr int kDotRows = 2, kDotColumns = 2;
#endif

// Lanes folded in pairs.
template <class E, class T = typename E::Sum>
MELIX_PRODUCT T fold_lanes(T* lanes) {
  for (int width = kLine / int(sizeof(T)) / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) lanes[l] = T(E::Ops::add(lanes[l], lanes[l + width]));
  }
  return lanes[0];
}

// y[r][c] (+)= sum of x[r][p] * b[c][p] over a run of k. Fetches the elements `ahead` of those of b.
template <class E, int kR, int kC, class T = typename E::Sum>
void dots(const T* x, int64_t x_row, const T* b, int64_t b_row, int64_t k, T* y, int64_t y_row, bool first,
          int64_t ahead) {
  using V = Vector<T>;
  using Ops = typename E::Ops;
  constexpr int kL = Native<T>::kLanes, kV = kLine / kVectorBytes, kAll = kL * kV;
  V sums[kR][kC][kV] = {};
  auto line = [&](const T* xs, int64_t xs_row, const T* bs, int64_t bs_row) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; v++) {
#pragma GCC unroll 4
      for (int c = 0; c < kC; c++) {
        V column = load(bs + c * bs_row + v * kL);
        if (v == 0) __builtin_prefetch(bs + c * bs_row + ahead);
#pragma GCC unroll 4
        for (int r = 0; r < kR; r++) {
          sums[r][c][v] = Ops::add_product(sums[r][c][v], load(xs + r * xs_row + v * kL), column);
        }
      }
    }
  };
  int64_t p = 0;
  for (; p + kAll <= k; p += kAll) line(x + p, x_row, b + p, b_row);
  if (p < k) {  // the rest, filled up with zeros
    T xs[kR][kAll] = {}, bs[kC][kAll] = {};
    for (int r = 0; r < kR; r++) __builtin_memcpy(xs[r], x + r * x_row + p, size_t(k - p) * sizeof(T));
    for (int c = 0; c < kC; c++) __builtin_memcpy(bs[c], b + c * b_row + p, size_t(k - p) * sizeof(T));
    line(xs[0], kAll, bs[0], kAll);
  }
  for (int r = 0; r < kR; r++) {
    for (int c = 0; c < kC; c++) {
      alignas(64) T lanes[kAll];
      for (int v = 0; v < kV; v++) store(lanes + v * kL, sums[r][c][v]);
      T sum = fold_lanes<E>(lanes);
      T* to = y + r * y_row + c;
      *to = first ? sum : T(Ops::add(*to, sum));
    }
  }
}

template <class E, int kC, class T = typename E::Sum>
void column_group(const SkinnyProduct& t, int64_t column) {
  const auto* b = static_cast<const typename E::Stored*>(t.b) + column * t.b_row;
  T* y = static_cast<T*>(t.y) + column;
  alignas(64) T wide[kSameType<E> ? 1 : kC * kRun];
  for (int64_t p = 0; p < t.k; p += kRun) {
    int64_t k = min(kRun, t.k - p), b_row = t.b_row;
    const T* run;
    if constexpr (kSameType<E>) {
      run = b + p;
    } else {
      for (int c = 0; c < kC; c++) widen_and_fetch<E>(b + c * t.b_row + p, wide + c * kRun, k, kRun);
      run = wide;
      b_row = kRun;
    }
    const T* x = static_cast<const T*>(t.x) + p;
    const int64_t ahead = kSameType<E> ? kRun : 0;
    int64_t r = 0;
    for (; r + kDotRows <= t.m; r += kDotRows) {
      dots<E, kDotRows, kC>(x + r * t.x_row, t.x_row, run, b_row, k, y + r * t.y_row, t.y_row, p == 0,
                            r == 0 ? ahead : 0);
    }
    for (; r < t.m; r++)
      dots<E, 1, kC>(x + r * t.x_row, t.x_row, run, b_row, k, y + r * t.y_row, t.y_row, p == 0,
                     r == 0 ? ahead : 0);
  }
}

template <class E>
void columns_form(const SkinnyProduct& t) {
  int64_t j = 0;
  for (; j + kDotColumns <= t.n; j += kDotColumns) column_group<E, kDotColumns>(t, j);
  for (; j < t.n; j++) column_group<E, 1>(t, j);
}

// ---- conversions and addition ----

template <class T>
void axpby_of(double alpha, const T* x, double beta, const T* y, T* out, int64_t n) {
  const T a = T(alpha), b = T(beta);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) out[i] = a * x[i] + b * y[i];
}

}  // namespace

void skinny_rows(Dtype dtype, const SkinnyProduct& t) {
  with_element(dtype, [&](auto element) { rows_form<decltype(element)>(t); });
}

void skinny_columns(Dtype dtype, const SkinnyProduct& t) {
  with_element(dtype, [&](auto element) { columns_form<decltype(element)>(t); });
}

void to_sums(Dtype dtype, const void* from, int64_t stride, void* to, int64_t n) {
  with_element(dtype, [&](auto element) {
    using E = decltype(element);
    const auto* x = static_cast<const typename E::Stored*>(from);
    auto* y = static_cast<typename E::Sum*>(to);
    if (stride == 1) return widen_run<E>(x, y, n);
    for (int64_t i = 0; i < n; i++) y[i] = E::widen(x[i * stride]);
  });
}

void from_sums(Dtype dtype, const void* from, void* to, int64_t n) {
  if (dtype == float16 || dtype == bfloat16) return narrow(dtype, static_cast<const float*>(from), to, n);
  if (dtype == int8 || dtype == uint8) {
    const uint16_t* x = static_cast<const uint16_t*>(from);
    uint8_t* y = static_cast<uint8_t*>(to);
    for (int64_t i = 0; i < n; i++) y[i] = uint8_t(x[i]);
    return;
  }
  __builtin_memcpy(to, from, size_t(n) * size_of(dtype));
}

void axpby(Dtype dtype, double alpha, const void* x, double beta, const void* y, void* out, int64_t n) {
  if (dtype == float64) {
    return axpby_of(alpha, static_cast<const double*>(x), beta, static_cast<const double*>(y),
                    static_cast<double*>(out), n);
  }
  axpby_of(alpha, static_cast<const float*>(x), beta, static_cast<const float*>(y), static_cast<float*>(out),
           n);
}

}  // namespace melix::cpu::MELIX_ISA
