// The loops of the normalisations over rows of float32 or float64, per instruction set.
#include "melix/backend/cpu/simd/sums.h"
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// The mean as a sum of two numbers, so that differences from it are right to the last place; and the factor.
template <class T>
struct Form {
  explicit Form(const NormRow& row)
      : high(T(row.mean)), low(T(row.mean - double(high))), factor(T(row.factor)) {}
  template <class V>
  __attribute__((always_inline)) V centred(const V& x) const {
    return (x - high) - low;
  }
  T high, low, factor;
};

template <class T>
NormMoments moments(const T* x, int64_t n, double mean) {
  const Form<T> form({mean, 1});
  double totals[2];
  add_up<T>(
      n,
      [&](Vector<T>* sums, const auto& v) MELIX_UNROLLED {
        const auto distance = form.centred(v);
        sums[0] += distance;
        sums[1] += distance * distance;
      },
      totals, x);
  return {totals[0], totals[1]};
}

template <class T, bool kWeight, bool kBias>
void write(const T* x, int64_t n, const NormRow& row, [[maybe_unused]] const T* weight,
           [[maybe_unused]] const T* bias, T* y) {
  const Form<T> form(row);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    T value = form.centred(x[i]) * form.factor;
    if (kWeight) value *= weight[i];
    if (kBias) value += bias[i];
    y[i] = value;
  }
}

template <class T>
void write_row(const void* from, int64_t n, const NormRow& row, const void* weight, const void* bias,
               void* to) {
  const T *x = static_cast<const T*>(from), *w = static_cast<const T*>(weight),
          *b = static_cast<const T*>(bias);
  T* y = static_cast<T*>(to);
  w   ? b ? write<T, true, true>(x, n, row, w, b, y) : write<T, true, false>(x, n, row, w, b, y)
    : b ? write<T, false, true>(x, n, row, w, b, y)
      : write<T, false, false>(x, n, row, w, b, y);
}

// The sums of g * w and of that times the normalised row; with or without w.
template <class T, class... Weight>
void dots_of(const NormSlopes& of, int64_t n, double (&into)[2], const Weight*... weight) {
  const Form<T> form(of.row);
  add_up<T>(
      n,
      [&](Vector<T>* sums, const auto& x, const auto& g, const auto&... w) MELIX_UNROLLED {
        const auto slope = (g * ... * w);
        sums[0] += slope;
        sums[1] += slope * (form.centred(x) * form.factor);
      },
      into, static_cast<const T*>(of.x), static_cast<const T*>(of.g), weight...);
}
template <class T>
void dots(const NormSlopes& of, int64_t n, bool centred, double* into) {
  double totals[2];
  of.weight ? dots_of<T>(of, n, totals, static_cast<const T*>(of.weight)) : dots_of<T>(of, n, totals);
  into[0] = centred ? totals[0] : 0;
  into[1] = totals[1];
}

// factor * (g * w - mean of that - y * along), y being the normalised row.
template <class T, bool kWeight>
void back(const NormSlopes& of, int64_t n, double mean, double along, T* to) {
  const T *x = static_cast<const T*>(of.x), *g = static_cast<const T*>(of.g);
  [[maybe_unused]] const T* w = static_cast<const T*>(of.weight);
  const Form<T> form(of.row);
  const T shift = T(mean), part = T(along);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    T slope = g[i];
    if (kWeight) slope *= w[i];
    to[i] = ((slope - shift) - form.centred(x[i]) * form.factor * part) * form.factor;
  }
}

template <class T>
void add_weights(const NormSlopes& of, int64_t n, void* into_weight, void* into_bias) {
  const T *x = static_cast<const T*>(of.x), *g = static_cast<const T*>(of.g);
  T *dw = static_cast<T*>(into_weight), *db = static_cast<T*>(into_bias);
  const Form<T> form(of.row);
  if (dw) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) dw[i] += g[i] * (form.centred(x[i]) * form.factor);
  }
  if (db) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) db[i] += g[i];
  }
}

}  // namespace

double norm_sum(Dtype dtype, const void* x, int64_t n) {
  auto itself = [](const auto& v) MELIX_UNROLLED { return v; };
  return dtype == Dtype::float64 ? summed<double>(n, itself, static_cast<const double*>(x))
                                 : summed<float>(n, itself, static_cast<const float*>(x));
}
NormMoments norm_moments(Dtype dtype, const void* x, int64_t n, double mean) {
  return dtype == Dtype::float64 ? moments(static_cast<const double*>(x), n, mean)
                                 : moments(static_cast<const float*>(x), n, mean);
}
double norm_squares(Dtype dtype, const void* x, int64_t n) {
  auto square = [](const auto& v) MELIX_UNROLLED { return v * v; };
  return dtype == Dtype::float64 ? summed<double>(n, square, static_cast<const double*>(x))
                                 : summed<float>(n, square, static_cast<const float*>(x));
}
void norm_write(Dtype dtype, const void* x, int64_t n, const NormRow& row, const void* weight,
                const void* bias, void* y) {
  (dtype == Dtype::float64 ? write_row<double> : write_row<float>)(x, n, row, weight, bias, y);
}
void norm_dots(Dtype dtype, const NormSlopes& of, int64_t n, bool centred, double* into) {
  (dtype == Dtype::float64 ? dots<double> : dots<float>)(of, n, centred, into);
}
void norm_back(Dtype dtype, const NormSlopes& of, int64_t n, double mean, double along, void* to) {
  if (dtype == Dtype::float64) {
    (of.weight ? back<double, true> : back<double, false>)(of, n, mean, along, static_cast<double*>(to));
  } else {
    (of.weight ? back<float, true> : back<float, false>)(of, n, mean, along, static_cast<float*>(to));
  }
}
void norm_add_weights(Dtype dtype, const NormSlopes& of, int64_t n, void* into_weight, void* into_bias) {
  (dtype == Dtype::float64 ? add_weights<double> : add_weights<float>)(of, n, into_weight, into_bias);
}

}  // namespace melix::cpu::MELIX_ISA
