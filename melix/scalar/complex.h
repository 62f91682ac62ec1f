// Arithmetic, comparisons and roundings of Complex64. Its elementary functions are in complex_functions.h.
//
// Everything is computed in double and rounded at the end: products of floats are exact there, squares neither
// overflow nor vanish, and an error of a few 2**-53 is far below what a float shows. Order is lexicographic, as in
// NumPy.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

/// A complex number while it is being computed.
struct ComplexDouble {
  double re, im;
};
MELIX_FN ComplexDouble widen(Complex64 z) { return {double(z.re), double(z.im)}; }
MELIX_FN Complex64 narrow(ComplexDouble z) { return {float(z.re), float(z.im)}; }

MELIX_FN Complex64 add(Complex64 a, Complex64 b) { return {a.re + b.re, a.im + b.im}; }
MELIX_FN Complex64 subtract(Complex64 a, Complex64 b) { return {a.re - b.re, a.im - b.im}; }
MELIX_FN Complex64 negative(Complex64 z) { return {-z.re, -z.im}; }
MELIX_FN Complex64 conj(Complex64 z) { return {z.re, -z.im}; }
MELIX_FN float real(Complex64 z) { return z.re; }
MELIX_FN float imag(Complex64 z) { return z.im; }

MELIX_FN ComplexDouble product(ComplexDouble a, ComplexDouble b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
MELIX_FN Complex64 multiply(Complex64 a, Complex64 b) { return narrow(product(widen(a), widen(b))); }
MELIX_FN Complex64 square(Complex64 z) { return multiply(z, z); }

/// Smith's division: by the larger part of the divisor, so that one infinite part gives 0 and not NaN. By zero: each
/// part divided by zero.
MELIX_FN ComplexDouble quotient(ComplexDouble a, ComplexDouble b) {
  const bool real_larger = fabs(b.re) >= fabs(b.im);
  const double large = real_larger ? b.re : b.im, small = real_larger ? b.im : b.re;
  const double ratio = small / large, denominator = large + small * ratio;
  const double re = real_larger ? a.re + a.im * ratio : a.re * ratio + a.im;
  const double im = real_larger ? a.im - a.re * ratio : a.im * ratio - a.re;
  const bool zero = (b.re == 0.0) & (b.im == 0.0);
  return {zero ? a.re / fabs(b.re) : re / denominator, zero ? a.im / fabs(b.re) : im / denominator};
}
MELIX_FN Complex64 divide(Complex64 a, Complex64 b) { return narrow(quotient(widen(a), widen(b))); }
MELIX_FN Complex64 reciprocal(Complex64 z) { return narrow(quotient({1.0, 0.0}, widen(z))); }

/// The modulus; infinite if a part is, even beside NaN.
MELIX_FN double modulus(ComplexDouble z) {
  const bool infinite = (fabs(z.re) == infinity<double>()) | (fabs(z.im) == infinity<double>());
  const double result = hw_sqrt(z.re * z.re + z.im * z.im);
  return infinite ? infinity<double>() : result;
}
MELIX_FN float abs(Complex64 z) { return float(modulus(widen(z))); }
/// z / abs(z), 0 of 0.
MELIX_FN Complex64 sign(Complex64 z) {
  const ComplexDouble wide = widen(z);
  const double m = modulus(wide);
  const bool zero = m == 0.0;
  return {zero ? 0.0f : float(wide.re / m), zero ? 0.0f : float(wide.im / m)};
}
/// Each part, halves to the even neighbour.
MELIX_FN Complex64 round(Complex64 z) { return {hw_rint(z.re), hw_rint(z.im)}; }

MELIX_FN bool equal(Complex64 a, Complex64 b) { return (a.re == b.re) & (a.im == b.im); }
MELIX_FN bool not_equal(Complex64 a, Complex64 b) { return (a.re != b.re) | (a.im != b.im); }
MELIX_FN bool isnan(Complex64 z) { return (z.re != z.re) | (z.im != z.im); }
MELIX_FN bool isinf(Complex64 z) {
  return (fabs(z.re) == infinity<float>()) | (fabs(z.im) == infinity<float>());
}
MELIX_FN bool isfinite(Complex64 z) {
  return (fabs(z.re) < infinity<float>()) & (fabs(z.im) < infinity<float>());
}

/// By the real parts, by the imaginary ones where those are equal. Nothing is less than or greater than NaN in either
/// part.
MELIX_FN bool less(Complex64 a, Complex64 b) {
  const bool ordered = (a.im == a.im) & (b.im == b.im);
  return ((a.re < b.re) & ordered) | ((a.re == b.re) & (a.im < b.im));
}
MELIX_FN bool less_equal(Complex64 a, Complex64 b) {
  const bool ordered = (a.im == a.im) & (b.im == b.im);
  return ((a.re < b.re) & ordered) | ((a.re == b.re) & (a.im <= b.im));
}
MELIX_FN bool greater(Complex64 a, Complex64 b) { return less(b, a); }
MELIX_FN bool greater_equal(Complex64 a, Complex64 b) { return less_equal(b, a); }
MELIX_FN Complex64 maximum(Complex64 a, Complex64 b) { return select(greater(a, b) | isnan(a), a, b); }
MELIX_FN Complex64 minimum(Complex64 a, Complex64 b) { return select(less(a, b) | isnan(a), a, b); }

MELIX_FN bool truth(Complex64 z) { return (z.re != 0.0f) | (z.im != 0.0f); }
MELIX_FN bool logical_not(Complex64 z) { return !truth(z); }
MELIX_FN bool logical_and(Complex64 a, Complex64 b) { return truth(a) & truth(b); }
MELIX_FN bool logical_or(Complex64 a, Complex64 b) { return truth(a) | truth(b); }
MELIX_FN bool logical_xor(Complex64 a, Complex64 b) { return truth(a) != truth(b); }

}  // namespace melix::fn
