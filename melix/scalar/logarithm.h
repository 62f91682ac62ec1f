// log, log1p, log2, log10, logaddexp of float and double. Complex arguments: complex.h.
//
//   x = 2**k * m,  sqrt(1/2) <= m < sqrt(2),  f = m - 1;   log(x) = k*ln2 + log(1 + f)
//
// ln2 in two parts, the first short: k*ln2 is exact. Polynomials from tools/minimax.py.
#pragma once

#include "melix/scalar/double_double.h"
#include "melix/scalar/exponential.h"

namespace melix::fn {

/// k and m of a positive x, subnormal or not; of anything else some finite numbers.
template <class T>
struct Split {
  T k, m;
};
MELIX_FN Split<float> split(float x) {
  const bool tiny = x < 0x1p-126f;
  const uint32_t root = 0x3f3504f3u;  // sqrt(1/2)
  const uint32_t b = bits(tiny ? x * 0x1p25f : x) - root;
  const float k = float(int32_t(b) >> 23) - (tiny ? 25.0f : 0.0f);
  return {k, from_bits((b & 0x7fffffu) + root)};
}
MELIX_FN Split<double> split(double x) {
  const bool tiny = x < 0x1p-1022;
  const uint64_t root = 0x3fe6a09e667f3bcdu;
  const uint64_t b = bits(tiny ? x * 0x1p54 : x) - root;
  // k + 1024 is not negative: a logical shift, and 2**52 + k + 1024 read as a double, as 64-bit conversions are rare.
  const uint64_t biased = ((b + (uint64_t(1024) << 52)) >> 52) | 0x4330000000000000u;
  const double k = from_bits(biased) - (0x1p52 + 1024.0) - (tiny ? 54.0 : 0.0);
  return {k, from_bits((b & 0xfffffffffffffu) + root)};
}

/// What logarithms share beyond ordinary numbers: log(0) = -inf, log(inf) = inf, NaN below 0 and for NaN.
template <class T>
MELIX_FN T log_special(T x, T result) {
  result = x == T(0) ? -infinity<T>() : result;
  result = x < infinity<T>() ? result : x;  // inf and NaN
  return x < T(0) ? nan<T>() : result;
}

/// log(1 + f) = f + log_tail(f), sqrt(1/2) - 1 <= f <= sqrt(2) - 1.
MELIX_FN float log_tail(float f) {
  // log_f32 2**-29.3
  const float p = horner(f, 0.33333313f, -0.25000164f, 0.2000222f, -0.16659512f, 0.14209755f, -0.12547565f,
                         0.12105466f, -0.109263465f, 0.053571984f);
  return f * f * (f * p) - 0.5f * f * f;
}
/// log(1 + f) = f - (half - r), half = f*f/2, by s = f/(2+f): log(1+f) = log((1+s)/(1-s)).
struct LogParts {
  double half, r;
};
MELIX_FN LogParts log_parts(double f) {
  const double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  // log_f64 2**-59.5
  const double p = horner(z, 0.6666666666666734, 0.39999999999417, 0.2857142874190576, 0.2222219862017881,
                          0.18183561981219334, 0.15314108509697538, 0.14795387139191102);
  return {half, s * (half + z * p)};
}

MELIX_FN float log_reduced(float k, float f) {
  return k * 0x1.62e4p-1f + (f + (log_tail(f) + k * 1.42860677e-6f));
}
MELIX_FN double log_reduced(double k, double f) {
  const LogParts t = log_parts(f);
  return k * 0x1.62e42feep-1 - ((t.half - (t.r + k * 1.9082149292705877e-10)) - f);
}

template <class T>
MELIX_FN T log_of(T x) {
  const Split<T> s = split(x);
  return log_special(x, log_reduced(s.k, s.m - T(1)));
}
MELIX_FN float log(float x) { return log_of(x); }
MELIX_FN double log(double x) { return log_of(x); }

/// log(1 + x): u = 1 + x rounded, and what u lost goes into f, scaled as u was. Near 1, f is x itself.
template <class T>
MELIX_FN T log1p_of(T x) {
  constexpr int fraction = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023;
  const T u = T(1) + x;
  const Split<T> s = split(u);
  const T lost = x > T(1) ? T(1) - (u - x) : x - (u - T(1));
  const T capped = s.k > T(64) ? T(64) : s.k;  // 2**-k must stay a number; x + 1 is x by then
  const Bits<T> k = bits(Round<T>::shift + capped) - Round<T>::shift_bits;
  const T inverse = from_bits(Bits<T>((Bits<T>(bias) - k) << fraction));  // 2**-k
  const T f = s.k == T(0) ? x : (s.m - T(1)) + lost * inverse;
  const T result = log_special(u, log_reduced(s.k, f));
  return x == T(0) ? x : result;  // keeps -0
}
MELIX_FN float log1p(float x) { return log1p_of(x); }
MELIX_FN double log1p(double x) { return log1p_of(x); }

/// log2 of a positive float, in double to 2**-37: what log2, log10 and power of floats are rounded from. Powers of two
/// give their exponents exactly.
MELIX_FN double log2_in_double(float x) {
  // A float, subnormal or not, is a normal double.
  const uint64_t root = 0x3fe6a09e667f3bcdu, b = bits(double(x)) - root;
  const uint64_t biased = ((b + (uint64_t(1024) << 52)) >> 52) | 0x4330000000000000u;
  const double k = from_bits(biased) - (0x1p52 + 1024.0), m = from_bits((b & 0xfffffffffffffu) + root);
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  // log2_power_f32 2**-37.8
  return k + s * horner(z, 2.885390081790074, 0.9617966733513814, 0.5770835831086787, 0.41167283675570804,
                        0.34072782368885024);
}
MELIX_FN float log2(float x) { return log_special(x, float(log2_in_double(x))); }
MELIX_FN float log10(float x) { return log_special(x, float(log2_in_double(x) * 0.30102999566398120)); }

/// log(1 + f) as the sum of a short number (its upper 21 bits: products with short constants are exact) and a rest.
struct LogSum {
  double high, low;
};
MELIX_FN LogSum log_sum(double f) {
  const LogParts t = log_parts(f);
  const double high = from_bits(bits(f - t.half) & 0xffffffff00000000u);
  return {high, (f - high) - t.half + t.r};
}
MELIX_FN double log2(double x) {
  const Split<double> s = split(x);
  const LogSum t = log_sum(s.m - 1.0);
  const double high = t.high * 0x1.715476p+0;  // 1/ln2, its upper part
  const double low = (t.low + t.high) * 1.9259629911266175e-08 + t.low * 0x1.715476p+0;
  const double sum = s.k + high;
  return log_special(x, sum + (low + ((s.k - sum) + high)));
}
MELIX_FN double log10(double x) {
  const Split<double> s = split(x);
  const LogSum t = log_sum(s.m - 1.0);
  const double high = t.high * 0x1.bcb7bp-2;    // 1/ln10, its upper part
  const double k_high = s.k * 0x1.34413508p-2;  // log10(2), likewise
  const double low =
      s.k * 1.1451100898021838e-10 + (t.low + t.high) * 1.9699272335463627e-08 + t.low * 0x1.bcb7bp-2;
  const double sum = k_high + high;
  return log_special(x, sum + (low + ((k_high - sum) + high)));
}

/// log(exp(a) + exp(b)) = high + log1p(exp(low - high)). What the difference loses to rounding, exp would magnify by
/// its size, so it is kept. Near a result of 0 the sum cancels; floats are computed in double, so that they do not
/// notice.
MELIX_FN double logaddexp(double a, double b) {
  const bool ordered = a > b;
  const double high = ordered ? a : b, low = ordered ? b : a;
  const DoubleDouble difference = two_sum(low, -high);
  const double t = exp(difference.high);
  const double lost = fabs(difference.high) < infinity<double>() ? t * difference.low : 0.0;
  const double result = high + log1p(t + lost);
  const bool same = a == b;  // infinities of one sign among them: their difference is NaN
  return same ? a + 0.6931471805599453 : result;
}
MELIX_FN float logaddexp(float a, float b) { return float(logaddexp(double(a), double(b))); }

}  // namespace melix::fn
