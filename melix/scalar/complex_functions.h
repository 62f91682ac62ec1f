// The elementary functions of Complex64: exp, log, roots, powers, circular and hyperbolic functions and their inverses.
//
// Computed in double from the real functions of this folder, whose range is so much larger than float's that formulas
// without guards against overflow serve; the error against the modulus of the result is below one float unit. Branch
// cuts and values at zeros, infinities and NaN are those of C99 (annex G), which are NumPy's. One element at a time:
// these do not vectorise.
#pragma once

#include "melix/scalar/complex.h"
#include "melix/scalar/hyperbolic.h"
#include "melix/scalar/inverse_trigonometric.h"
#include "melix/scalar/trigonometric.h"

namespace melix::fn {

MELIX_FN bool is_infinite(double x) { return fabs(x) == infinity<double>(); }
MELIX_FN bool is_finite(double x) { return fabs(x) < infinity<double>(); }
MELIX_FN bool is_nan(double x) { return x != x; }

// ---- exponentials ----

/// exp(x) * (cos(y), sin(y)). For y == 0 the imaginary part is 0 even where exp(x) is infinite; for a y without a
/// direction exp(-inf) is 0, exp(inf) is (inf, NaN).
MELIX_FN_CALLED ComplexDouble exp(ComplexDouble z) {
  const double x = z.re, y = z.im, scale = exp(x);
  if (y == 0.0) return {scale, y};
  if (!is_finite(y)) {
    if (x == -infinity<double>()) return {0.0, copysign(0.0, y)};
    return {x == infinity<double>() ? x : nan<double>(), nan<double>()};
  }
  return {scale * cos(y), scale * sin(y)};
}
MELIX_FN Complex64 exp(Complex64 z) { return narrow(exp(widen(z))); }
/// exp(x) cos(y) - 1 = expm1(x) cos(y) - 2 sin(y/2)**2
MELIX_FN_CALLED Complex64 expm1(Complex64 z) {
  const double x = z.re, y = z.im;
  const ComplexDouble e = exp(widen(z));
  if (!is_finite(e.re) || !is_finite(y)) return narrow({e.re - 1.0, e.im});
  const double half = sin(0.5 * y);
  return narrow({expm1(x) * cos(y) - 2.0 * half * half, e.im});
}
/// 1 / (1 + exp(-z)), or exp(z) / (1 + exp(z)) for a negative real part
MELIX_FN_CALLED Complex64 sigmoid(Complex64 z) {
  const ComplexDouble wide = widen(z);
  const ComplexDouble e = exp(z.re < 0.0f ? wide : ComplexDouble{-wide.re, -wide.im});
  return narrow(quotient(z.re < 0.0f ? e : ComplexDouble{1.0, 0.0}, {1.0 + e.re, e.im}));
}

// ---- logarithms ----

/// log of the modulus. Near 1 from modulus**2 - 1, in which (larger - 1)(larger + 1) is exact for floats.
MELIX_FN_CALLED double log_modulus(double x, double y) {
  if (is_infinite(x) || is_infinite(y)) return infinity<double>();
  const double ax = fabs(x), ay = fabs(y), larger = ax > ay ? ax : ay, smaller = ax > ay ? ay : ax;
  const double square = larger * larger + smaller * smaller;
  if (square > 0.5 && square < 2.0) return 0.5 * log1p((larger - 1.0) * (larger + 1.0) + smaller * smaller);
  return 0.5 * log(is_nan(x) || is_nan(y) ? nan<double>() : square);
}
MELIX_FN ComplexDouble log(ComplexDouble z) { return {log_modulus(z.re, z.im), arctan2(z.im, z.re)}; }
MELIX_FN_CALLED Complex64 log(Complex64 z) { return narrow(log(widen(z))); }
MELIX_FN_CALLED Complex64 log2(Complex64 z) {
  const ComplexDouble w = log(widen(z));
  return narrow({w.re * 1.4426950408889634, w.im * 1.4426950408889634});
}
MELIX_FN_CALLED Complex64 log10(Complex64 z) {
  const ComplexDouble w = log(widen(z));
  return narrow({w.re * 0.43429448190325182, w.im * 0.43429448190325182});
}
/// log(1 + z): near 1 from |1 + z|**2 - 1 = x(2 + x) + y*y
MELIX_FN ComplexDouble log1p(ComplexDouble z) {
  const double x = z.re, y = z.im, excess = x * (2.0 + x) + y * y;
  const double re = fabs(excess) < 0.5 ? 0.5 * log1p(excess) : log_modulus(1.0 + x, y);
  return {re, arctan2(y, 1.0 + x)};
}
MELIX_FN_CALLED Complex64 log1p(Complex64 z) { return narrow(log1p(widen(z))); }
/// high + log(1 + exp(low - high)), by the real parts
MELIX_FN_CALLED Complex64 logaddexp(Complex64 a, Complex64 b) {
  if (isnan(a) || isnan(b)) return {nan<float>(), nan<float>()};
  const ComplexDouble high = widen(a.re >= b.re ? a : b), low = widen(a.re >= b.re ? b : a);
  if (is_infinite(high.re) && high.re == low.re) return narrow(high.re > 0 ? high : low);
  const ComplexDouble w = log1p(exp(ComplexDouble{low.re - high.re, low.im - high.im}));
  return narrow({high.re + w.re, high.im + w.im});
}

// ---- roots and powers ----

MELIX_FN_CALLED ComplexDouble sqrt(ComplexDouble z) {
  const double x = z.re, y = z.im, ax = fabs(x);
  if (is_infinite(y)) return {infinity<double>(), y};
  if (is_infinite(x)) {
    const double other = is_nan(y) ? y : 0.0;
    return x > 0 ? ComplexDouble{x, copysign(other, y)}
                 : ComplexDouble{other, copysign(infinity<double>(), y)};
  }
  if (x == 0.0 && y == 0.0) return {0.0, y};
  const double t = hw_sqrt(0.5 * (modulus(z) + ax)), other = 0.5 * fabs(y) / t;
  return x >= 0.0 ? ComplexDouble{t, copysign(other, y)} : ComplexDouble{other, copysign(t, y)};
}
MELIX_FN Complex64 sqrt(Complex64 z) { return narrow(sqrt(widen(z))); }
/// 1 / sqrt(z); 0 for an infinite z.
MELIX_FN_CALLED Complex64 rsqrt(Complex64 z) {
  const ComplexDouble root = sqrt(widen(z));
  if (is_infinite(root.re) || is_infinite(root.im)) return narrow({0.0, copysign(0.0, -root.im)});
  return narrow(quotient({1.0, 0.0}, root));
}

/// exp(b * log(a)); whole exponents up to 100 by multiplication. 0**b is 0 for b with a positive real part.
MELIX_FN_CALLED Complex64 power(Complex64 a, Complex64 b) {
  const ComplexDouble x = widen(a), y = widen(b);
  if (y.re == 0.0 && y.im == 0.0) return {1.0f, 0.0f};
  if (x.re == 0.0 && x.im == 0.0) {
    if (y.re > 0.0) return {0.0f, 0.0f};
    return {nan<float>(), nan<float>()};
  }
  if (y.im == 0.0 && fabs(y.re) <= 100.0 && hw_trunc(y.re) == y.re) {
    ComplexDouble result = {1.0, 0.0}, base = x;
    bool first = true;  // 1 * base would lose the sign of a zero
    for (int left = int(fabs(y.re)); left != 0; left >>= 1) {
      if (left & 1) {
        result = first ? base : product(result, base);
        first = false;
      }
      base = product(base, base);
    }
    const bool usable = is_finite(result.re) && is_finite(result.im) && modulus(result) > 0x1p-1000;
    if (usable) return narrow(y.re < 0.0 ? quotient({1.0, 0.0}, result) : result);
  }
  return narrow(exp(product(y, log(x))));
}

// ---- circular and hyperbolic functions ----

MELIX_FN_CALLED ComplexDouble sinh(ComplexDouble z) {
  const double x = z.re, y = z.im;
  if (y == 0.0) return {sinh(x), y};
  if (!is_finite(y)) return {x == 0.0 || is_infinite(x) ? x : nan<double>(), nan<double>()};
  return {sinh(x) * cos(y), cosh(x) * sin(y)};
}
MELIX_FN_CALLED ComplexDouble cosh(ComplexDouble z) {
  const double x = z.re, y = z.im;
  if (x == 0.0)
    return {cos(y), y == 0.0 ? xorsign(y, x) : copysign(0.0, xorsign(is_finite(y) ? sin(y) : y, x))};
  if (y == 0.0) return {cosh(x), is_nan(x) ? y : xorsign(y, x)};
  if (!is_finite(y)) return {is_infinite(x) ? infinity<double>() : nan<double>(), nan<double>()};
  return {cosh(x) * cos(y), sinh(x) * sin(y)};
}
/// (sinh x cosh x + i sin y cos y) / (sinh(x)**2 + cos(y)**2), a sum without cancellation
MELIX_FN_CALLED ComplexDouble tanh(ComplexDouble z) {
  const double x = z.re, y = z.im, ax = fabs(x);
  if (y == 0.0) return {tanh(x), y};
  if (is_infinite(x)) return {copysign(1.0, x), copysign(0.0, is_finite(y) ? sin(2.0 * y) : y)};
  if (!is_finite(y)) return {x == 0.0 ? x : nan<double>(), nan<double>()};
  const double s = sin(y), c = cos(y);
  if (ax > 20.0) return {copysign(1.0, x), 4.0 * s * c * exp(-2.0 * ax)};
  const double h = sinh(x), denominator = h * h + c * c;
  return {h * cosh(x) / denominator, s * c / denominator};
}
/// f(iz) and the way back, w = -i f(iz): circular functions from hyperbolic ones.
MELIX_FN ComplexDouble times_i(ComplexDouble z) { return {-z.im, z.re}; }
MELIX_FN ComplexDouble over_i(ComplexDouble z) { return {z.im, -z.re}; }

MELIX_FN Complex64 sinh(Complex64 z) { return narrow(sinh(widen(z))); }
MELIX_FN Complex64 cosh(Complex64 z) { return narrow(cosh(widen(z))); }
MELIX_FN Complex64 tanh(Complex64 z) { return narrow(tanh(widen(z))); }
MELIX_FN Complex64 sin(Complex64 z) { return narrow(over_i(sinh(times_i(widen(z))))); }
MELIX_FN Complex64 cos(Complex64 z) { return narrow(cosh(times_i(widen(z)))); }
MELIX_FN Complex64 tan(Complex64 z) { return narrow(over_i(tanh(times_i(widen(z))))); }

// ---- their inverses (Kahan's formulas) ----

/// sqrt(1 - z) and sqrt(1 + z), with the signs of zero that choose the side of a cut
struct Roots {
  ComplexDouble minus, plus;
};
MELIX_FN Roots roots(ComplexDouble z) {
  return {sqrt(ComplexDouble{1.0 - z.re, -z.im}), sqrt(ComplexDouble{1.0 + z.re, z.im})};
}

MELIX_FN_CALLED ComplexDouble arcsin(ComplexDouble z) {
  const double x = z.re, y = z.im;
  if (is_infinite(x) || is_infinite(y)) {
    const double re = is_nan(x) || is_nan(y) ? (is_nan(x)        ? nan<double>()
                                                : is_infinite(x) ? nan<double>()
                                                                 : x)
                                             : arctan2(x, is_infinite(y) ? infinity<double>() : 0.0);
    return {re, is_nan(y) ? infinity<double>() : copysign(infinity<double>(), y)};
  }
  if (x == 0.0 && is_nan(y)) return {x, y};
  const Roots r = roots(z);
  const double re = arctan2(x, r.minus.re * r.plus.re - r.minus.im * r.plus.im);
  return {re, arcsinh(r.minus.re * r.plus.im - r.minus.im * r.plus.re)};
}
MELIX_FN_CALLED ComplexDouble arccos(ComplexDouble z) {
  const double x = z.re, y = z.im;
  if (is_infinite(x) || is_infinite(y)) {
    const double re = is_nan(x) || (is_nan(y) && is_infinite(x)) ? nan<double>()
                      : is_infinite(x)                           ? arctan2(fabs(y), x)
                                                                 : HalfPi<double>::high;
    return {re, is_nan(y) ? infinity<double>() : copysign(infinity<double>(), -y)};
  }
  if (x == 0.0 && is_nan(y)) return {HalfPi<double>::high, y};
  const Roots r = roots(z);
  const double re = 2.0 * arctan2(r.minus.re, r.plus.re);
  return {re, arcsinh(r.plus.re * r.minus.im - r.plus.im * r.minus.re)};
}
/// With x >= 0 (the sign is put back): log1p(4x / ((1-x)**2 + y**2)) / 4, arctan2(2y, (1-x)(1+x) - y**2) / 2
MELIX_FN_CALLED ComplexDouble arctanh(ComplexDouble z) {
  const double x = fabs(z.re), y = z.im;
  if (is_infinite(x) || is_infinite(y)) {
    const double im = is_nan(y) ? y : copysign(HalfPi<double>::high, y);
    return {is_nan(x) && !is_infinite(y) ? x : copysign(0.0, z.re), im};
  }
  if (is_nan(y) && x == 0.0) return {z.re, y};
  const double re = 0.25 * log1p(4.0 * x / ((1.0 - x) * (1.0 - x) + y * y));
  return {copysign(re, z.re), 0.5 * arctan2(2.0 * y, (1.0 - x) * (1.0 + x) - y * y)};
}
MELIX_FN Complex64 arcsin(Complex64 z) { return narrow(arcsin(widen(z))); }
MELIX_FN Complex64 arccos(Complex64 z) { return narrow(arccos(widen(z))); }
MELIX_FN Complex64 arctan(Complex64 z) { return narrow(over_i(arctanh(times_i(widen(z))))); }
MELIX_FN Complex64 arcsinh(Complex64 z) { return narrow(over_i(arcsin(times_i(widen(z))))); }
MELIX_FN Complex64 arctanh(Complex64 z) { return narrow(arctanh(widen(z))); }
/// arccosh(z) = +-i arccos(z), with a real part that is not negative
MELIX_FN_CALLED Complex64 arccosh(Complex64 z) {
  const ComplexDouble w = arccos(widen(z));
  if (is_nan(w.re) && is_nan(w.im)) return narrow(w);
  return narrow(ComplexDouble{fabs(w.im), copysign(w.re, is_nan(double(z.im)) ? w.re : double(z.im))});
}

}  // namespace melix::fn
