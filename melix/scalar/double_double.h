// Sums and products with their rounding errors, without FMA: the few places that need more than a double.
// Each pair (high, low) stands for high + low, unevaluated.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

struct DoubleDouble {
  double high, low;
};

/// a + b exactly, for |a| >= |b| or a == 0.
MELIX_FN DoubleDouble fast_two_sum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}
MELIX_FN DoubleDouble two_sum(double a, double b) {
  const double sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

/// The upper 26 bits, so that products of halves are exact. |x| < 2**996.
MELIX_FN double upper_half(double x) {
  const double t = x * 134217729.0;  // 2**27 + 1
  return t - (t - x);
}
/// a * b exactly, unless the error is below the range of doubles.
MELIX_FN DoubleDouble two_product(double a, double b) {
  const double product = a * b;
  const double ah = upper_half(a), al = a - ah, bh = upper_half(b), bl = b - bh;
  return {product, ((ah * bh - product) + ah * bl + al * bh) + al * bl};
}
MELIX_FN DoubleDouble multiply(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble p = two_product(a.high, b.high);
  return fast_two_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}

}  // namespace melix::fn
