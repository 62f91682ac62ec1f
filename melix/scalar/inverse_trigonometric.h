// arcsin, arccos, arctan, arctan2 of float and double. Complex arguments: complex.h.
//
//   arcsin(a), a <= 1/2:   a + a * z * p(z), z = a*a
//              a >  1/2:   pi/2 - 2 * arcsin(sqrt((1 - a) / 2)), the same polynomial
//   arctan(t), t = y/x:    t, (t-1)/(t+1) or -1/t, whichever is within tan(pi/8), by one division
//
// Polynomials from tools/minimax.py.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

/// pi/2 in two parts.
template <class T>
struct HalfPi;
template <>
struct HalfPi<float> {
  static constexpr float high = 0x1.921fb6p+0f, low = -4.37113900e-8f;
};
template <>
struct HalfPi<double> {
  static constexpr double high = 0x1.921fb54442d18p+0, low = 6.1232339957367659e-17;
};

/// arcsin(s) = s + s * arcsin_tail(s*s) for s <= 1/2
MELIX_FN float arcsin_tail(float z) {
  // arcsin_f32 2**-27.6
  const float p = horner(z, 0.16666752f, 0.074953094f, 0.04546916f, 0.024184657f, 0.042158626f);
  return z * p;
}
MELIX_FN double arcsin_tail(double z) {
  // arcsin_f64 2**-59.9
  const double p =
      horner(z, 0.1666666666666676, 0.07499999999970863, 0.0446428571745635, 0.030381942709783418,
             0.022372214936683725, 0.017351612868831877, 0.013980810761420345, 0.011398989760937341,
             0.010779827870132363, 0.003707988670935061, 0.021703644617859796, -0.02099372101188627,
             0.032625299566735114);
  return z * p;
}

/// For a > 1/2: s = sqrt(z) and what the root lost, (z - s*s) / 2s, with s*s exact as s is cut to half its length.
template <class T>
struct Root {
  T s, z, rest;  // rest: s + rest is the root
};
template <class T>
MELIX_FN Root<T> arcsin_root(T a) {
  constexpr Bits<T> mask = sizeof(T) == 4 ? Bits<T>(~Bits<T>(0xfff)) : Bits<T>(~Bits<T>(0x7ffffff));
  const T z = (T(1) - a) * T(0.5);
  const T full = hw_sqrt(z), s = from_bits(Bits<T>(bits(full) & mask));
  const T rest = (z - s * s) / (full + s);
  return {full, z, z > T(0) ? (s - full) + rest : T(0)};
}

template <class T>
MELIX_FN T arcsin_of(T x) {
  const T a = fabs(x);
  const Root<T> root = arcsin_root(a);
  const bool small = a <= T(0.5);
  const T z = small ? a * a : root.z, s = small ? a : root.s, tail = arcsin_tail(z);
  // pi/2 - 2s - 2 (s * tail + rest): the first difference is exact for s close to 1/2, the small terms go together
  const T near_one = HalfPi<T>::high - (T(2) * s + (T(2) * (s * tail + root.rest) - HalfPi<T>::low));
  return xorsign(small ? a + a * tail : near_one, x);
}
template <class T>
MELIX_FN T arccos_of(T x) {
  const T a = fabs(x);
  const Root<T> root = arcsin_root(a);
  const bool small = a <= T(0.5);
  const T z = small ? x * x : root.z, s = small ? x : root.s, tail = arcsin_tail(z);
  const T middle = HalfPi<T>::high - (s + (s * tail - HalfPi<T>::low));
  const T right = T(2) * (s + (s * tail + root.rest));
  const T left = T(2) * (HalfPi<T>::high - (s + (s * tail + (root.rest - HalfPi<T>::low))));
  return small ? middle : x < T(0) ? left : right;
}
MELIX_FN float arcsin(float x) { return arcsin_of(x); }
MELIX_FN double arcsin(double x) { return arcsin_of(x); }
MELIX_FN float arccos(float x) { return arccos_of(x); }
MELIX_FN double arccos(double x) { return arccos_of(x); }

/// arctan(t) = t + arctan_tail(t) for |t| <= tan(pi/8)
MELIX_FN float arctan_tail(float t) {
  const float z = t * t;
  // arctan_f32 2**-30.3
  const float p = horner(z, -0.33333313f, 0.19998358f, -0.14241266f, 0.105762325f, -0.060318343f);
  return t * (z * p);
}
MELIX_FN double arctan_tail(double t) {
  const double z = t * t;
  // arctan_f64 2**-59.3
  const double p =
      horner(z, -0.33333333333333187, 0.19999999999950488, -0.142857142798757, 0.11111110767058298,
             -0.090908972771979, 0.07692051527667085, -0.06663003871844901, 0.058471508957523836,
             -0.050359382545892326, 0.03797811003569539, -0.017811608042942555);
  return t * (z * p);
}

/// The angle of (x, y) in the first quadrant; 0 for (0, 0), NaN if either is.
template <class T>
MELIX_FN T first_quadrant(T y, T x) {
  const bool low = y <= x * T(0.41421356237309503), high = !(y <= x * T(2.4142135623730949));
  const T numerator = low ? y : high ? -x : y - x;
  T denominator = low ? x : high ? y : y + x;
  denominator = denominator == T(0) ? T(1) : denominator;
  const T t = numerator / denominator;
  const T base = low ? T(0) : high ? HalfPi<T>::high : T(0.5) * HalfPi<T>::high;
  const T base_low = low ? T(0) : high ? HalfPi<T>::low : T(0.5) * HalfPi<T>::low;
  return base + (t + (arctan_tail(t) + base_low));
}

template <class T>
MELIX_FN T arctan_of(T x) {
  return xorsign(first_quadrant(fabs(x), T(1)), x);
}
MELIX_FN float arctan(float x) { return arctan_of(x); }
MELIX_FN double arctan(double x) { return arctan_of(x); }

template <class T>
MELIX_FN T arctan2_of(T y, T x) {
  T ay = fabs(y), ax = fabs(x);
  const bool both = (ay == infinity<T>()) & (ax == infinity<T>());
  // y + x must not overflow; scaled, the smaller may become subnormal, when it matters no more.
  const T largest = T(sizeof(T) == 4 ? 0x1p126 : 0x1p1022);
  const T factor = (ay > largest) | (ax > largest) ? T(0.25) : T(1);
  ay = both ? T(1) : ay * factor;
  ax = both ? T(1) : ax * factor;
  const T angle = first_quadrant(ay, ax);
  const T left = T(2) * HalfPi<T>::high - (angle - T(2) * HalfPi<T>::low);
  return xorsign(signbit(x) ? left : angle, y);
}
MELIX_FN float arctan2(float y, float x) { return arctan2_of(y, x); }
MELIX_FN double arctan2(double y, double x) { return arctan2_of(y, x); }

}  // namespace melix::fn
