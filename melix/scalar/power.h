// power of float and double: exp2(y * log2|x|), with log2 to more bits than the result has, as the product magnifies
// its error up to 1024 times (128 for floats, which are computed in double). Integers: arithmetic.h; complex:
// complex.h.
//
// Special values are those of C99's pow: x**0 = 1**y = 1 even for NaN, (-1)**(+-inf) = 1, a negative base to a power
// that is no integer is NaN, odd integer powers keep the sign of the base, zeros and infinities included.
#pragma once

#include "melix/scalar/double_double.h"
#include "melix/scalar/logarithm.h"

namespace melix::fn {

/// The result for x of any sign from |x|**y, `magnitude`, which need not be right where x is 0, infinite or NaN or y
/// NaN.
template <class T>
MELIX_FN T power_special(T x, T y, T magnitude) {
  const T ax = fabs(x);
  const T half = y * T(0.5);
  const bool whole = hw_trunc(y) == y, odd = whole & (hw_trunc(half) != half);
  // 0 and infinity: one of them for y > 0, the other for y < 0.
  const bool zero = x == T(0), infinite = ax == infinity<T>();
  T result = zero | infinite ? (zero != (y < T(0)) ? T(0) : infinity<T>()) : magnitude;
  result = odd & signbit(x) ? -result : result;
  result = (x < T(0)) & !infinite & !whole ? nan<T>() : result;
  result = (x != x) | (y != y) ? nan<T>() : result;
  return (y == T(0)) | (x == T(1)) ? T(1) : result;
}

MELIX_FN float power(float x, float y) {
  float c = y > 0x1p60f ? 0x1p60f : y;  // (-1)**inf is 1, but 0 * inf NaN
  c = c < -0x1p60f ? -0x1p60f : c;
  double t = double(c) * log2_in_double(fabs(x));
  t = t > 160.0 ? 160.0 : t;
  t = t < -160.0 ? -160.0 : t;
  const double shifted = t + Round<double>::shift, r = t - (shifted - Round<double>::shift);
  // exp2_power_f32 2**-34.5
  const double p =
      horner(r, 0.9999999999610909, 0.6931471807313939, 0.24022651204036627, 0.055504103461866156,
             0.009618026455753029, 0.0013333926310842518, 0.0001546954941133534, 1.5201545316422012e-5);
  const uint64_t exponent = (bits(shifted) - Round<double>::shift_bits + 1023) << 52;
  return power_special(x, y, float(p * from_bits(exponent)));
}

/// log2(x) of a positive x to about 2**-64.
MELIX_FN DoubleDouble log2_precise(double x) {
  const Split<double> split_x = split(x);
  const double m = split_x.m, f = m - 1.0;
  // s = f / (m + 1), twice as long as a double
  const DoubleDouble d = m > 1.0 ? fast_two_sum(m, 1.0) : fast_two_sum(1.0, m);
  const double sh = f / d.high;
  const DoubleDouble back = two_product(sh, d.high);
  const double sl = ((f - back.high) - back.low - sh * d.low) / d.high;
  // log(m) = 2s (1 + z/3 + z*z*p/2), z = s*s
  const DoubleDouble s = {sh, sl}, square = two_product(sh, sh);
  const DoubleDouble z = {square.high, square.low + 2.0 * sh * sl};
  const double zh = z.high;
  // log_power_f64 2**-66.3
  const double p = horner(zh, 0.4000000000000225, 0.2857142857010195, 0.2222222251953272, 0.1818178439936795,
                          0.15386755906254201, 0.13256849907268403, 0.13196037366321772);
  const DoubleDouble third = multiply(z, DoubleDouble{0x1.5555555555555p-2, 0x1.5555555555555p-56});
  const DoubleDouble g = fast_two_sum(third.high, third.low + 0.5 * (zh * zh * p));
  const DoubleDouble sg = multiply(s, g);
  const DoubleDouble sum = fast_two_sum(sh, sg.high);
  const DoubleDouble natural = {sum.high, sum.low + (sl + sg.low)};
  const DoubleDouble two_over_ln2 = {0x1.71547652b82fep+1, 0x1.777d0ffda0d24p-55};
  const DoubleDouble fraction = multiply(natural, two_over_ln2);
  const DoubleDouble result = fast_two_sum(split_x.k, fraction.high);
  return {result.high, result.low + fraction.low};
}

MELIX_FN double power(double x, double y) {
  const DoubleDouble log2_x = log2_precise(fabs(x));
  // |log2(x)| is 0 or at least 2**-53: beyond 2**70 the exponent changes nothing, and its square must not overflow.
  double c = y > 0x1p70 ? 0x1p70 : y;
  c = c < -0x1p70 ? -0x1p70 : c;
  const DoubleDouble product = two_product(c, log2_x.high);
  const double low = product.low + c * log2_x.low;
  double t = product.high > 1100.0 ? 1100.0 : product.high;
  t = t < -1100.0 ? -1100.0 : t;
  const double shifted = t + Round<double>::shift;
  // 2**(f + low) = exp(r + rest), r = f * ln2 rounded
  const double f = t - (shifted - Round<double>::shift), bounded = fabs(low) < 1.0 ? low : 0.0;
  const DoubleDouble r =
      multiply(DoubleDouble{f, bounded}, DoubleDouble{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56});
  const double rh = r.high;
  // exp_f64 2**-63.4
  const double p =
      horner(rh, 0.5, 0.1666666666666669, 0.04166666666666685, 0.008333333333311755, 0.0013888888888756669,
             0.0001984126990875563, 2.4801587613395132e-5, 2.755722322158909e-6, 2.755701205131851e-7,
             2.5115850901462226e-8, 2.0997398457191054e-9);
  const double value = 1.0 + (rh + (r.low + rh * rh * p));
  return power_special(x, y, scale(value, bits(shifted) - Round<double>::shift_bits + 2048));
}

}  // namespace melix::fn
