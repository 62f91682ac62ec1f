// exp, exp2, expm1, sigmoid of float and double. Complex arguments: complex.h.
//
//   exp(x) = 2**n * exp(r),  n = rint(x / ln2),  r = x - n*ln2 (ln2 in two parts, the first short: n*ln2 is exact)
//
// Polynomials from tools/minimax.py (names in the comments, error of the fit as a power of two).
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

/// x + kRound - kRound is rint(x) for |x| < 2**22 (2**51), and the low bits of x + kRound are that integer.
template <class T>
struct Round;
template <>
struct Round<float> {
  static constexpr float shift = 12582912.0f;
  static constexpr uint32_t shift_bits = 0x4b400000u;
};
template <>
struct Round<double> {
  static constexpr double shift = 6755399441055744.0;
  static constexpr uint64_t shift_bits = 0x4338000000000000u;
};

/// p * 2**n, rounded once also where the result is subnormal; takes n + 256 (float) or n + 2048 (double). Two factors,
/// as 2**n itself may be out of range. A logical shift halves n: SSE4 and AVX2 have no arithmetic one for 64 bits.
MELIX_FN float scale(float p, uint32_t n) {
  const uint32_t half = n >> 1;
  return p * from_bits((half - 1) << 23) * from_bits((n - half - 1) << 23);
}
MELIX_FN double scale(double p, uint64_t n) {
  const uint64_t half = n >> 1;
  return p * from_bits((half - 1) << 52) * from_bits((n - half - 1) << 52);
}

/// exp(x) * 2**power for -2 <= power <= 2: cosh and sinh need exp(x) / 2 where exp(x) is out of range.
/// The lower bound makes both factors of scale 0 (n = -254, -2046), so that the masked scores of an attention (-inf,
/// -1e9) become 0 without an underflow, for which some processors take 100 cycles.
MELIX_FN float exp_scaled(float x, int power) {
  float c = x > 91.0f ? 91.0f : x;  // NaN passes
  c = c < -176.0f ? -176.0f : c;
  const float t = c * 1.44269504f + Round<float>::shift;
  const float n = t - Round<float>::shift;
  const float r = (c - n * 0x1.62e4p-1f) - n * 1.42860677e-6f;
  // exp_f32 2**-28.1
  const float p = horner(r, 0.49999994f, 0.16666509f, 0.04166801f, 0.008370018f, 0.0013847945f);
  return scale(1.0f + (r + r * r * p), bits(t) - Round<float>::shift_bits + uint32_t(256 + power));
}
MELIX_FN double exp_scaled(double x, int power) {
  double c = x > 712.0 ? 712.0 : x;
  c = c < -1418.0 ? -1418.0 : c;
  const double t = c * 1.4426950408889634 + Round<double>::shift;
  const double n = t - Round<double>::shift;
  const double r = (c - n * 0x1.62e42feep-1) - n * 1.9082149292705877e-10;
  // exp_f64 2**-63.4
  const double p =
      horner(r, 0.5, 0.1666666666666669, 0.04166666666666685, 0.008333333333311755, 0.0013888888888756669,
             0.0001984126990875563, 2.4801587613395132e-5, 2.755722322158909e-6, 2.755701205131851e-7,
             2.5115850901462226e-8, 2.0997398457191054e-9);
  return scale(1.0 + (r + r * r * p), bits(t) - Round<double>::shift_bits + uint64_t(2048 + power));
}

MELIX_FN float exp(float x) { return exp_scaled(x, 0); }
MELIX_FN double exp(double x) { return exp_scaled(x, 0); }

MELIX_FN float exp2(float x) {
  float c = x > 130.0f ? 130.0f : x;
  c = c < -254.0f ? -254.0f : c;
  const float t = c + Round<float>::shift;
  const float r = (c - (t - Round<float>::shift)) * 0.693147181f;
  const float p = horner(r, 0.49999994f, 0.16666509f, 0.04166801f, 0.008370018f, 0.0013847945f);
  return scale(1.0f + (r + r * r * p), bits(t) - Round<float>::shift_bits + 256);
}
MELIX_FN double exp2(double x) {
  double c = x > 1026.0 ? 1026.0 : x;
  c = c < -2046.0 ? -2046.0 : c;
  const double t = c + Round<double>::shift;
  const double f = c - (t - Round<double>::shift);
  // exp2_f64 2**-59.7
  const double p =
      horner(f, 0.6931471805599453, 0.2402265069591007, 0.05550410866482337, 0.009618129107630217,
             0.001333355814603618, 0.00015403530388954703, 1.5252734163314237e-5, 1.3215491235949805e-6,
             1.0177934114024728e-7, 7.053001231151314e-9, 4.4729971664557803e-10, 2.8633722817594037e-11);
  return scale(1.0 + f * p, bits(t) - Round<double>::shift_bits + 2048);
}

/// exp(x) - 1 = 2**n * ((1 - 2**-n) + r + r*r*p). The sum of the first two is kept exactly (TwoSum), since for n = -1
/// and n = 1 they are of one size and of opposite signs.
template <class T, class N>
MELIX_FN T expm1_combine(T x, T inverse, T r, T tail, N n) {
  const T a = T(1) - inverse;
  const T sum = a + r, rest = sum - a;
  const T error = (a - (sum - rest)) + (r - rest);
  const T result = scale(sum + (error + tail), n);
  return x == T(0) ? x : result;  // keeps -0
}
MELIX_FN float expm1(float x) {
  float c = x > 91.0f ? 91.0f : x;
  c = c < -18.0f ? -18.0f : c;  // -1 from there on
  const float t = c * 1.44269504f + Round<float>::shift;
  const float n = t - Round<float>::shift;
  const float high = c - n * 0x1.62e4p-1f, low = n * 1.42860677e-6f;
  const float r = high - low, lost = (high - r) - low;
  // expm1_f32 2**-30.9
  const float p = horner(r, 0.5f, 0.16666666f, 0.04166646f, 0.008333635f, 0.0013935881f, 1.9674355e-4f);
  // 2**-n; from n = 60 on it does not matter how small it is.
  const float capped = t > Round<float>::shift + 60.0f ? Round<float>::shift + 60.0f : t;
  const float inverse = from_bits((127 - (bits(capped) - Round<float>::shift_bits)) << 23);
  return expm1_combine(x, inverse, r, lost + r * r * p, bits(t) - Round<float>::shift_bits + 256);
}
MELIX_FN double expm1(double x) {
  double c = x > 712.0 ? 712.0 : x;
  c = c < -38.0 ? -38.0 : c;
  const double t = c * 1.4426950408889634 + Round<double>::shift;
  const double n = t - Round<double>::shift;
  const double high = c - n * 0x1.62e42feep-1, low = n * 1.9082149292705877e-10;
  const double r = high - low, lost = (high - r) - low;
  // expm1_f64 2**-64.6
  const double p =
      horner(r, 0.5, 0.16666666666666666, 0.041666666666666706, 0.008333333333334515, 0.0013888888888859319,
             0.00019841269836598822, 2.480158738033682e-5, 2.7557327130503562e-6, 2.755722347564081e-7,
             2.504608603037752e-8, 2.093085514521633e-9, 1.7766582650750808e-10);
  const double capped = t > Round<double>::shift + 120.0 ? Round<double>::shift + 120.0 : t;
  const double inverse = from_bits((1023 - (bits(capped) - Round<double>::shift_bits)) << 52);
  return expm1_combine(x, inverse, r, lost + r * r * p, bits(t) - Round<double>::shift_bits + 2048);
}

/// 1 / (1 + exp(-x)), of exp(-|x|) on both sides of 0: never inf/inf, and small results keep their precision.
template <class T>
MELIX_FN T sigmoid_of(T x) {
  const T t = exp(-fabs(x));
  return (x < T(0) ? t : T(1)) / (T(1) + t);
}
MELIX_FN float sigmoid(float x) { return sigmoid_of(x); }
MELIX_FN double sigmoid(double x) { return sigmoid_of(x); }

}  // namespace melix::fn
