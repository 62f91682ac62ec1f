// The loops of attention over panels, in float or double, per instruction set.
//
//   lanes = queries (or keys, for their gradients)
//        +-------- kWidth -------+
//   k = 0| q0[0]  q1[0]  q2[0] ..|      A panel holds kWidth vectors of k elements side by side. Rows of a matrix as it
//       1| q0[1]  q1[1]  q2[1] ..|      lies in memory are broadcast against it, so that neither keys nor values are
//      ..| ..                    |      packed; sums over a row of scores are sums of vectors, without shuffles.
//
// Products use the fused multiply-add where there is one: their bits belong to an instruction set, as those of matmul.
#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T>
constexpr int kWidth = 2 * Native<T>::kLanes;

#if defined(__AVX512F__)
constexpr int kTile = 8;  // 16 sums, 2 vectors of the panel, 1 broadcast: 10 loads for 16 products
#else
constexpr int kTile = 4;  // 8 + 2 + 1 of 16 registers
#endif

// sums[r] = sum over p < k of a(r, p) * panel[p], where a(r, p) is a[r * row + p], or a[p * row + r] if `kAcross`.
template <class T, int kR, bool kAcross>
MELIX_PRODUCT void accumulate(const T* a, int64_t row, int64_t k, const T* panel, Vector<T> (&sums)[kR][2]) {
  for (int64_t p = 0; p < k; p++, panel += kWidth<T>) {
    const Vector<T> x = load(panel), y = load(panel + Native<T>::kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kR; r++) {
      const Vector<T> by = splat(kAcross ? a[p * row + r] : a[r * row + p]);
      sums[r][0] = multiply_add(by, x, sums[r][0]);
      sums[r][1] = multiply_add(by, y, sums[r][1]);
    }
  }
}

template <class T, int kR>
void dots(const T* a, int64_t row, int64_t k, const T* panel, T* out) {
  Vector<T> sums[kR][2] = {};
  accumulate<T, kR, false>(a, row, k, panel, sums);
#pragma GCC unroll 8
  for (int r = 0; r < kR; r++) {
    store(out + r * kWidth<T>, sums[r][0]);
    store(out + r * kWidth<T> + Native<T>::kLanes, sums[r][1]);
  }
}

template <class T, int kR>
void sums(const T* a, int64_t row, int64_t n, const T* panel, const T* factor, T* out) {
  Vector<T> sums[kR][2] = {};
  accumulate<T, kR, true>(a, row, n, panel, sums);
  const Vector<T> x = load(factor), y = load(factor + Native<T>::kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < kR; r++) {
    T* to = out + r * kWidth<T>;
    store(to, multiply_add(load(to), x, sums[r][0]));
    to += Native<T>::kLanes;
    store(to, multiply_add(load(to), y, sums[r][1]));
  }
}

template <class T>
void dots_of(const T* a, int64_t row, int64_t m, int64_t k, const T* panel, T* out) {
  int64_t r = 0;
  for (; r + kTile <= m; r += kTile) dots<T, kTile>(a + r * row, row, k, panel, out + r * kWidth<T>);
  for (; r < m; r++) dots<T, 1>(a + r * row, row, k, panel, out + r * kWidth<T>);
}

template <class T>
void sums_of(const T* a, int64_t row, int64_t n, int64_t m, const T* panel, const T* factor, T* out) {
  int64_t r = 0;
  for (; r + kTile <= m; r += kTile) sums<T, kTile>(a + r, row, n, panel, factor, out + r * kWidth<T>);
  for (; r < m; r++) sums<T, 1>(a + r, row, n, panel, factor, out + r * kWidth<T>);
}

template <class T>
void mask_of(T* scores, int64_t n, const T* bias, const T* begin, const T* end) {
  constexpr int kW = kWidth<T>;
  const T hidden = -fn::infinity<T>();
  for (int64_t j = 0; bias && j < n; j++) {
    T* s = scores + j * kW;
    const T* b = bias + j * kW;
#pragma GCC ivdep
    for (int l = 0; l < kW; l++) s[l] = b[l] == hidden ? hidden : s[l] + b[l];  // also where s is NaN
  }
  for (int64_t j = 0; begin && j < n; j++) {
    T* s = scores + j * kW;
    const T at = T(j);
#pragma GCC ivdep
    for (int l = 0; l < kW; l++) {
      const T kept = at < end[l] ? s[l] : hidden;
      s[l] = at < begin[l] ? hidden : kept;
    }
  }
}

template <class T>
void softmax_of(T* scores, int64_t n, T* max, T* sum, T* factor) {
  constexpr int kW = kWidth<T>;
  alignas(64) T largest[kW], shift[kW], total[kW] = {};
  for (int l = 0; l < kW; l++) largest[l] = max[l];
  for (int64_t j = 0; j < n; j++) {
    const T* s = scores + j * kW;
#pragma GCC ivdep
    for (int l = 0; l < kW; l++)
      largest[l] = largest[l] > s[l] ? largest[l] : s[l];  // NaN may get lost: see exp
  }
  for (int l = 0; l < kW; l++) {
    shift[l] =
        largest[l] == -fn::infinity<T>() ? T(0) : largest[l];  // nothing seen yet: exp(-inf) is 0, not NaN
    factor[l] = fn::exp(max[l] - shift[l]);
    max[l] = largest[l];
  }
  for (int64_t j = 0; j < n; j++) {
    T* s = scores + j * kW;
#pragma GCC ivdep
    for (int l = 0; l < kW; l++) {
      const T p = fn::exp(s[l] - shift[l]);
      s[l] = p;
      total[l] += p;
    }
  }
#pragma GCC ivdep
  for (int l = 0; l < kW; l++) sum[l] = sum[l] * factor[l] + total[l];
}

template <class T, bool kByLane>
void gradient_rows(T* scores, T* change, int64_t n, const T* shift, const T* delta) {
  constexpr int kW = kWidth<T>;
  for (int64_t j = 0; j < n; j++) {
    T *s = scores + j * kW, *d = change + j * kW;
#pragma GCC ivdep
    for (int l = 0; l < kW; l++) {
      const T p = fn::exp(s[l] - shift[kByLane ? l : j]);
      s[l] = p;
      d[l] = p * (d[l] - delta[kByLane ? l : j]);
    }
  }
}

template <class T>
void gradient_of(T* scores, T* change, int64_t n, const T* shift, const T* delta, bool by_lane) {
  by_lane ? gradient_rows<T, true>(scores, change, n, shift, delta)
          : gradient_rows<T, false>(scores, change, n, shift, delta);
}

}  // namespace

int panel_width(Dtype dtype) { return dtype == Dtype::float64 ? kWidth<double> : kWidth<float>; }

// A call for both types: in(x) and io(x) are pointers to their elements.
#define MELIX_PANEL(call)                                                                     \
  do {                                                                                        \
    if (dtype == Dtype::float64) {                                                            \
      [[maybe_unused]] auto in = [](const void* x) { return static_cast<const double*>(x); }; \
      [[maybe_unused]] auto io = [](void* x) { return static_cast<double*>(x); };             \
      call;                                                                                   \
    } else {                                                                                  \
      [[maybe_unused]] auto in = [](const void* x) { return static_cast<const float*>(x); };  \
      [[maybe_unused]] auto io = [](void* x) { return static_cast<float*>(x); };              \
      call;                                                                                   \
    }                                                                                         \
  } while (false)

void panel_dots(Dtype dtype, const void* a, int64_t row, int64_t m, int64_t k, const void* panel, void* out) {
  MELIX_PANEL(dots_of(in(a), row, m, k, in(panel), io(out)));
}
void panel_sums(Dtype dtype, const void* a, int64_t row, int64_t n, int64_t m, const void* panel,
                const void* factor, void* out) {
  MELIX_PANEL(sums_of(in(a), row, n, m, in(panel), in(factor), io(out)));
}
void panel_mask(Dtype dtype, void* scores, int64_t n, const void* bias, const void* begin, const void* end) {
  MELIX_PANEL(mask_of(io(scores), n, in(bias), in(begin), in(end)));
}
void panel_softmax(Dtype dtype, void* scores, int64_t n, void* max, void* sum, void* factor) {
  MELIX_PANEL(softmax_of(io(scores), n, io(max), io(sum), io(factor)));
}
void panel_gradient(Dtype dtype, void* scores, void* change, int64_t n, const void* shift, const void* delta,
                    bool by_lane) {
  MELIX_PANEL(gradient_of(io(scores), io(change), n, in(shift), in(delta), by_lane));
}

}  // namespace melix::cpu::MELIX_ISA
