// Convolutions whose channels do not meet: rows of results as sums of rows of the input, times weights that repeat
// after so many elements. The sums stay in registers while the taps pass.
#include "melix/backend/cpu/simd/depthwise.h"

#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/product.h"

namespace melix::cpu::MELIX_ISA {
namespace {

constexpr int kSums = 4;  // vectors: two loads for a product bound them to one a cycle, with a latency of 4
constexpr int kTapsAtOnce = 8;  // of gradients, whose loads are shared

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// kSums vectors of results: taps are added up in passes, as products are.
template <class T, bool kOneChannel>
MELIX_PRODUCT void depthwise_block(const DepthwiseRow& r, int64_t i, int64_t c, T* out) {
  constexpr int kL = Native<T>::kLanes;
  const T* w = static_cast<const T*>(r.weights) + c;
  Vector<T> total[kSums] = {};
  for (int64_t first = 0; first < r.taps; first += kPass) {
    const int64_t last = min(first + kPass, r.taps);
    Vector<T> sums[kSums] = {};
    for (int64_t t = first; t < last; t++, w += r.weight_step) {
      const T* x = static_cast<const T*>(r.x[t]) + i;
#pragma GCC unroll 4
      for (int v = 0; v < kSums; v++) {
        const Vector<T> weight = kOneChannel ? splat(*w) : load(w + v * kL);
        sums[v] = multiply_add(load(x + v * kL), weight, sums[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kSums; v++) total[v] = first == 0 ? sums[v] : total[v] + sums[v];
  }
  for (int v = 0; v < kSums; v++) store(out + v * kL, total[v]);
}

template <class T, bool kOneChannel>
void depthwise_of(const DepthwiseRow& r) {
  constexpr int64_t kStep = kSums * Native<T>::kLanes;
  static_assert(kStep <= kDepthwiseSlack);
  T* out = static_cast<T*>(r.out);
  for (int64_t i = 0, c = 0; i < r.n; i += kStep) {
    if (i + kStep <= r.n) {
      depthwise_block<T, kOneChannel>(r, i, c, out + i);
    } else {
      T rest[kStep];
      depthwise_block<T, kOneChannel>(r, i, c, rest);
      __builtin_memcpy(out + i, rest, size_t(r.n - i) * sizeof(T));
    }
    if (!kOneChannel) {
      c += kStep;
      if (c >= r.channels) c %= r.channels;
    }
  }
}

template <class T>
void gradient_of(const DepthwiseGradient& g) {
  constexpr int kL = Native<T>::kLanes;
  const T* gradient = static_cast<const T*>(g.gradient);
  T* sums = static_cast<T*>(g.sums);
  for (int64_t t = 0; t < g.taps; t += kTapsAtOnce) {
    const int64_t taps = min(kTapsAtOnce, g.taps - t);
    const T* x[kTapsAtOnce];  // those that do not exist are the last one again
    for (int k = 0; k < kTapsAtOnce; k++) x[k] = static_cast<const T*>(g.x[t + min(k, taps - 1)]);
    for (int64_t c = 0; c < g.channels; c += kL) {
      Vector<T> s[kTapsAtOnce] = {};
      for (int64_t i = c; i < g.n; i += g.channels) {
        const Vector<T> y = load(gradient + i);
#pragma GCC unroll 8
        for (int k = 0; k < kTapsAtOnce; k++) s[k] = multiply_add(load(x[k] + i), y, s[k]);
      }
      for (int k = 0; k < kTapsAtOnce && k < taps; k++) {
        T* to = sums + (t + k) * g.sum_step + c;
        store(to, load(to) + s[k]);
      }
    }
  }
}

}  // namespace

void depthwise_row(Dtype dtype, const DepthwiseRow& row) {
  if (dtype == float64)
    return row.channels == 1 ? depthwise_of<double, true>(row) : depthwise_of<double, false>(row);
  row.channels == 1 ? depthwise_of<float, true>(row) : depthwise_of<float, false>(row);
}

void depthwise_gradient(Dtype dtype, const DepthwiseGradient& gradient) {
  dtype == float64 ? gradient_of<double>(gradient) : gradient_of<float>(gradient);
}

}  // namespace melix::cpu::MELIX_ISA
