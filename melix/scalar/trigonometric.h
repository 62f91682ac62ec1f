// sin, cos, tan of float and double, right for every finite argument. Complex arguments: complex.h.
//
//   x = n * pi/2 + r,  |r| <= pi/4;   the quadrant n mod 4 chooses between the polynomials of sin(r) and cos(r)
//
// Up to |x| = 2**20, n * pi/2 is subtracted in parts short enough for exact products (Cody and Waite); beyond, x is
// multiplied by the 192 bits of 2/pi that matter (Payne and Hanek). The second takes a loop over words and does not
// vectorise, so each function comes in three pieces, of which loops.h makes fast loops:
//
//   sin_fast(x)        without branches; right unless trigonometric_needs_slow(x)
//   sin_slow(x)        right everywhere
//   sin(x)             one or the other, for single values and for the GPU
//
// Which of them computes a value depends on that value alone. Polynomials from tools/minimax.py.
#pragma once

#include "melix/scalar/double_double.h"
#include "melix/scalar/exponential.h"

namespace melix::fn {

/// Finite and beyond 2**20. Infinities need no care: inf - inf makes the NaN.
template <class T>
MELIX_FN bool trigonometric_needs_slow(T x) {
  const T a = fabs(x);
  return (a > T(0x1p20)) & (a < infinity<T>());
}

// ---- the reductions: r, and in the two lowest bits of `quadrant` the n ----

struct ReducedFloat {
  float r;
  uint32_t quadrant;
};
/// Two products in double: exact for n < 2**20, so that the difference keeps a float's precision near multiples of
/// pi/2. n comes from a float product and may be one off: |r| <= 0.865.
MELIX_FN ReducedFloat reduce_fast(float x) {
  const float t = x * 0.636619772f + Round<float>::shift;
  const double n = double(t - Round<float>::shift);
  const double r = (double(x) - n * 0x1.921fb544p+0) - n * 6.077100506506192e-11;
  return {float(r), bits(t)};
}

/// r = high + low
struct ReducedDouble {
  double high, low;
  uint64_t quadrant;
};
MELIX_FN ReducedDouble reduce_fast(double x) {
  const double t = x * 0.63661977236758134 + Round<double>::shift;
  const double n = t - Round<double>::shift;
  // pi/2 in parts of 33, 33 and 53 bits; the last product is rounded, 119 bits below pi/2.
  const DoubleDouble first = two_sum(x - n * 0x1.921fb544p+0, -(n * 0x1.0b4611a6p-34));
  const DoubleDouble second = two_sum(first.high, -(n * 0x1.3198a2e037073p-69));
  return {second.high, second.low + first.low, bits(t)};
}

/// 2/pi after the point, in words of 32 bits, behind two words of zeros.
MELIX_TABLE uint32_t kTwoOverPi[] = {0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                     0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0,
                                     0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
                                     0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
                                     0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7,
                                     0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea,
                                     0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20, 0x9af4361d};

/// |x| >= 2**20. With x = m * 2**e, m of 53 bits, only 192 bits of 2/pi matter: those of weight 2**-(e-1) and below
/// (higher ones give multiples of 4), while what follows them changes the product by less than 2**-137.
MELIX_FN_SLOW ReducedDouble reduce_slow(double x) {
  const uint64_t magnitude = bits(fabs(x));
  const uint64_t mantissa = (magnitude & 0xfffffffffffffu) | (uint64_t(1) << 52);
  const int e = int(magnitude >> 52) - 1075;
  // window: six words from the bit of weight 2**-(e-1) on; bit i after the point is bit i - 1 + 64 of the table
  const int at = e - 2 + 64, word = at >> 5, shift = at & 31;
  uint32_t product[6] = {};  // the lowest 192 bits of mantissa * window, highest word first
  uint64_t carry_low = 0, carry_high = 0;
  const uint64_t m0 = mantissa & 0xffffffffu, m1 = mantissa >> 32;
  uint64_t previous = 0;  // the window's word below, times m1
  for (int i = 5; i >= 0; i--) {
    const uint64_t pair = (uint64_t(kTwoOverPi[word + i]) << 32) | kTwoOverPi[word + i + 1];
    const uint64_t w = (pair >> (32 - shift)) & 0xffffffffu;
    const uint64_t low = m0 * w + carry_low;
    const uint64_t high = (low & 0xffffffffu) + (previous & 0xffffffffu) + carry_high;
    product[i] = uint32_t(high);
    carry_low = low >> 32;
    carry_high = (high >> 32) + (previous >> 32);
    previous = m1 * w;
  }
  // product = quadrant (2 bits), fraction (190 bits); the fraction is taken to [-1/2, 1/2).
  uint64_t quadrant = product[0] >> 30;
  const bool upper = (product[0] >> 29) & 1;
  quadrant += upper ? 1 : 0;
  double part[5];
  double weight = 0x1p-30;
  for (int i = 0; i < 5; i++) {
    const uint32_t digits = (i == 0 ? product[0] & 0x3fffffffu : product[i]);
    // 1 - fraction by the complement of all digits (2**-190 short of it, which is nothing)
    part[i] = double(upper ? (i == 0 ? digits ^ 0x3fffffffu : ~digits) : digits) * weight;
    weight *= 0x1p-32;
  }
  const DoubleDouble top = fast_two_sum(part[0], part[1]);
  const DoubleDouble fraction = fast_two_sum(top.high, top.low + (part[2] + (part[3] + part[4])));
  const DoubleDouble r = multiply(fraction, DoubleDouble{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54});
  const bool negate = upper != signbit(x);
  return {negate ? -r.high : r.high, negate ? -r.low : r.low, signbit(x) ? 0 - quadrant : quadrant};
}

// ---- the kernels ----

struct SinCos {
  float sin, cos;
};
MELIX_FN SinCos sincos_kernel(float r) {
  const float z = r * r;
  // sin_f32 2**-32.1, cos_f32 2**-31.4
  const float s = horner(z, -0.16666667f, 0.008333369f, -1.9847995e-4f, 2.775199e-6f);
  const float c = horner(z, 0.041666627f, -0.0013886486f, 2.4346724e-5f);
  return {r + r * (z * s), 1.0f - (0.5f * z - z * z * c)};
}
struct SinCosDouble {
  double sin, cos;
};
/// Of r + low: sin gains low * cos(r), cos loses low * sin(r).
MELIX_FN SinCosDouble sincos_kernel(double r, double low) {
  const double z = r * r, half = 0.5 * z;
  // sin_f64 2**-63.2, cos_f64 2**-69.0
  const double s =
      horner(z, -0.16666666666666666, 0.008333333333333042, -0.00019841269840962462, 2.755731907391778e-6,
             -2.5052070880574973e-8, 1.605430239866133e-10, -7.388813186314334e-13);
  const double c =
      horner(z, 0.041666666666666664, -0.0013888888888888389, 2.4801587301180834e-5, -2.7557319060703723e-7,
             2.087672201799824e-9, -1.146686338166956e-11, 4.592782162629763e-14);
  const double one = 1.0 - half;
  return {r + (r * (z * s) + low * one), one + (((1.0 - one) - half) + (z * z * c - r * low))};
}

/// `quadrant` 0: s, 1: c, 2: -s, 3: -c.
MELIX_FN float choose(uint32_t quadrant, float s, float c) {
  return from_bits(bits((quadrant & 1) != 0 ? c : s) ^ ((quadrant & 2) << 30));
}
MELIX_FN double choose(uint64_t quadrant, double s, double c) {
  return from_bits(bits((quadrant & 1) != 0 ? c : s) ^ ((quadrant & 2) << 62));
}

MELIX_FN float sin_fast(float x) {
  const ReducedFloat reduced = reduce_fast(fabs(x));  // of |x|: keeps the sign of 0
  const SinCos v = sincos_kernel(reduced.r);
  return xorsign(choose(reduced.quadrant, v.sin, v.cos), x);
}
MELIX_FN float cos_fast(float x) {
  const ReducedFloat reduced = reduce_fast(x);
  const SinCos v = sincos_kernel(reduced.r);
  return choose(reduced.quadrant + 1, v.sin, v.cos);
}
MELIX_FN float tan_fast(float x) {
  const ReducedFloat reduced = reduce_fast(fabs(x));
  const float r = reduced.r, z = r * r;
  // tan_f32 2**-30.2
  const float p = horner(z, 0.33333322f, 0.13333793f, 0.0539027f, 0.02231687f, 0.0072002183f, 0.0071024294f,
                         -0.0026303695f, 0.0028346914f);
  const float t = r + r * (z * p);
  return xorsign((reduced.quadrant & 1) != 0 ? -1.0f / t : t, x);
}

MELIX_FN double sin_of(ReducedDouble reduced) {
  const SinCosDouble v = sincos_kernel(reduced.high, reduced.low);
  return choose(reduced.quadrant, v.sin, v.cos);
}
MELIX_FN double cos_of(ReducedDouble reduced) {
  const SinCosDouble v = sincos_kernel(reduced.high, reduced.low);
  return choose(reduced.quadrant + 1, v.sin, v.cos);
}
/// tan(r + low) = t + low * (1 + t*t); -1/tan with the division's error made good: 1/t magnifies nothing then.
MELIX_FN double tan_of(ReducedDouble reduced) {
  const double r = reduced.high, z = r * r;
  // tan_f64 2**-59.9
  const double p =
      horner(z, 0.3333333333333338, 0.13333333333325342, 0.05396825397290251, 0.02186948839935397,
             0.008863237921469386, 0.003592100893696583, 0.0014560454427236156, 0.0005888651068092599,
             0.00024374952151959002, 8.356165747915961e-5, 6.721947014557618e-5, -2.5634080071981637e-5,
             4.8639049461083456e-5, -2.427690829030222e-5, 9.800028642527844e-6);
  const double first = r * (z * p);
  const double rest = first + reduced.low * (1.0 + (r + first) * (r + first));
  const double t = r + rest, lost = (r - t) + rest;
  // Short factors, so that inverse * t_short is exact: 1/t = q + q * (1 - q*t), t = t_short + (t - t_short).
  const double q = -1.0 / t;
  const double q_short = from_bits(bits(q) & 0xffffffff00000000u),
               t_short = from_bits(bits(t) & 0xffffffff00000000u);
  const double error = (1.0 + q_short * t_short) + q_short * ((t - t_short) + lost);
  return (reduced.quadrant & 1) != 0 ? q_short + q * error : t;
}
MELIX_FN double sin_fast(double x) { return xorsign(sin_of(reduce_fast(fabs(x))), x); }
MELIX_FN double cos_fast(double x) { return cos_of(reduce_fast(x)); }
MELIX_FN double tan_fast(double x) { return xorsign(tan_of(reduce_fast(fabs(x))), x); }

MELIX_FN_SLOW double sin_slow(double x) {
  return trigonometric_needs_slow(x) ? sin_of(reduce_slow(x)) : sin_fast(x);
}
MELIX_FN_SLOW double cos_slow(double x) {
  return trigonometric_needs_slow(x) ? cos_of(reduce_slow(x)) : cos_fast(x);
}
MELIX_FN_SLOW double tan_slow(double x) {
  return trigonometric_needs_slow(x) ? tan_of(reduce_slow(x)) : tan_fast(x);
}
MELIX_FN float sin_slow(float x) { return float(sin_slow(double(x))); }
MELIX_FN float cos_slow(float x) { return float(cos_slow(double(x))); }
MELIX_FN float tan_slow(float x) { return float(tan_slow(double(x))); }

MELIX_FN float sin(float x) { return trigonometric_needs_slow(x) ? sin_slow(x) : sin_fast(x); }
MELIX_FN float cos(float x) { return trigonometric_needs_slow(x) ? cos_slow(x) : cos_fast(x); }
MELIX_FN float tan(float x) { return trigonometric_needs_slow(x) ? tan_slow(x) : tan_fast(x); }
MELIX_FN double sin(double x) { return trigonometric_needs_slow(x) ? sin_slow(x) : sin_fast(x); }
MELIX_FN double cos(double x) { return trigonometric_needs_slow(x) ? cos_slow(x) : cos_fast(x); }
MELIX_FN double tan(double x) { return trigonometric_needs_slow(x) ? tan_slow(x) : tan_fast(x); }

}  // namespace melix::fn
