// Arithmetic, casts, bits and comparisons: exact, against 128-bit integers and the C library.
#include "melix/scalar/math.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using namespace melix;
using Wide = __int128;

/// All edges of a type and some values between.
template <class T>
std::vector<T> samples() {
  using L = std::numeric_limits<T>;
  std::vector<T> values = {L::min(), T(L::min() + 1), T(-2),           T(-1),   0, 1, 2, 3, 7,
                           10,       T(L::max() / 2), T(L::max() - 1), L::max()};
  std::mt19937_64 random(sizeof(T));
  for (int i = 0; i < 60; i++) values.push_back(T(random() >> (i % int(8 * sizeof(T)))));
  return values;
}

Wide down(Wide a, Wide b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

/// By single multiplications up to 4096 of them, by squaring beyond.
template <class T>
T power_by_steps(T a, T b) {
  if (b < 0) return a == 1 ? T(1) : a == T(-1) ? T(b % 2 ? -1 : 1) : T(0);
  uint64_t result = 1;
  if (uint64_t(b) <= 4096) {
    for (T i = 0; i != b; i++) result *= uint64_t(a);
  } else {
    for (int bit = 63; bit >= 0; bit--) result = result * result * (uint64_t(b) >> bit & 1 ? uint64_t(a) : 1);
  }
  return T(result);
}

}  // namespace

TEST_CASE_TEMPLATE("arithmetic: integers wrap, divide downwards and never trap", T, int8_t, int16_t, int32_t,
                   int64_t, uint8_t, uint16_t, uint32_t, uint64_t) {
  int wrong = 0;
  for (T a : samples<T>()) {
    for (T b : samples<T>()) {
      wrong += fn::add(a, b) != T(Wide(a) + Wide(b));
      wrong += fn::subtract(a, b) != T(Wide(a) - Wide(b));
      wrong += fn::multiply(a, b) != T((unsigned __int128)(a) * (unsigned __int128)(b));
      wrong += fn::floor_divide(a, b) != (b == 0 ? T(0) : T(down(a, b)));
      wrong += fn::remainder(a, b) != (b == 0 ? T(0) : T(Wide(a) - down(a, b) * Wide(b)));
      wrong += fn::power(a, b) != power_by_steps(a, b);
      wrong += fn::maximum(a, b) != (a > b ? a : b) || fn::minimum(a, b) != (a < b ? a : b);
      wrong +=
          fn::less(a, b) != (a < b) || fn::equal(a, b) != (a == b) || fn::greater_equal(a, b) != (a >= b);
      wrong += fn::logical_xor(a, b) != ((a != 0) != (b != 0));
      const bool inside = b >= 0 && uint64_t(b) < 8 * sizeof(T);
      wrong += fn::left_shift(a, b) != (inside ? T(Wide(a) * (Wide(1) << int(b))) : T(0));
      wrong += fn::right_shift(a, b) != (inside ? T(Wide(a) >> int(b)) : T(a < 0 ? -1 : 0));
    }
    wrong += fn::negative(a) != T(-Wide(a)) || fn::abs(a) != T(a < 0 ? -Wide(a) : Wide(a));
    wrong += fn::sign(a) != T((a > 0) - (a < 0)) || fn::square(a) != fn::multiply(a, a);
    wrong +=
        fn::floor(a) != a || fn::round(a) != a || fn::imag(a) != 0 || fn::conj(a) != a || fn::real(a) != a;
    wrong += fn::isnan(a) || fn::isinf(a) || !fn::isfinite(a) || fn::isneginf(a);
    wrong += fn::bitwise_invert(a) != T(~a);
  }
  CHECK(wrong == 0);
}

TEST_CASE("arithmetic: every pair of 8-bit integers is divided right") {
  int wrong = 0;
  for (int a = -128; a < 128; a++) {
    for (int b = -128; b < 128; b++) {
      wrong += fn::floor_divide(int8_t(a), int8_t(b)) != (b == 0 ? 0 : int8_t(down(a, b)));
      wrong += fn::remainder(uint8_t(a), uint8_t(b)) != (uint8_t(b) == 0 ? 0 : uint8_t(a) % uint8_t(b));
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("arithmetic: 32-bit quotients next to whole numbers") {
  std::mt19937_64 random(3);
  int wrong = 0;
  for (int i = 0; i < 300000; i++) {
    const uint32_t b = uint32_t(random()) >> (i % 32), q = b ? uint32_t(random()) / b : 0;
    for (uint32_t a : {q * b - 1, q * b, q * b + 1}) {
      wrong += fn::floor_divide(a, b) != (b ? a / b : 0) || fn::remainder(a, b) != (b ? a % b : 0);
      const int32_t sa = int32_t(a), sb = int32_t(b);
      wrong += fn::floor_divide(sa, sb) != (sb ? int32_t(down(sa, sb)) : 0);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("arithmetic: booleans are integers cast back") {
  for (int a = 0; a < 2; a++) {
    for (int b = 0; b < 2; b++) {
      const bool x = a != 0, y = b != 0;
      CHECK(fn::add(x, y) == (a + b != 0));
      CHECK(fn::subtract(x, y) == (a - b != 0));
      CHECK(fn::multiply(x, y) == (a * b != 0));
      CHECK(fn::floor_divide(x, y) == (b != 0 && a / b != 0));
      CHECK(fn::remainder(x, y) == false);
      CHECK(fn::power(x, y) == (a || !b));
      CHECK(fn::maximum(x, y) == (x || y));
      CHECK(fn::minimum(x, y) == (x && y));
      CHECK(fn::left_shift(x, y) == x);
      CHECK(fn::right_shift(x, y) == (a >> b != 0));
      CHECK(fn::logical_and(x, y) == (x && y));
      CHECK(fn::bitwise_xor(x, y) == (x != y));
      CHECK(fn::select(x, 2.0f, 3.0f) == (x ? 2.0f : 3.0f));
    }
    CHECK(fn::logical_not(a != 0) == (a == 0));
    CHECK(fn::bitwise_invert(a != 0) == (a == 0));
    CHECK(fn::sign(a != 0) == (a != 0));
    CHECK(fn::square(a != 0) == (a != 0));
    CHECK(fn::cast<float>(a != 0) == float(a));
  }
}

TEST_CASE_TEMPLATE("arithmetic: floats keep NaN, signs and Python's remainder", T, float, double) {
  const T nan = NAN, inf = INFINITY;
  CHECK(std::isnan(fn::maximum(nan, T(1))));
  CHECK(std::isnan(fn::maximum(T(1), nan)));
  CHECK(std::isnan(fn::minimum(nan, T(1))));
  CHECK(std::isnan(fn::minimum(T(1), nan)));
  CHECK(std::isnan(fn::sign(nan)));
  CHECK(fn::sign(T(-3)) == -1);
  CHECK(!std::signbit(fn::sign(T(-0.0))));
  CHECK(std::signbit(fn::negative(T(0))));
  CHECK(!std::signbit(fn::abs(T(-0.0))));
  CHECK(fn::round(T(2.5)) == 2);
  CHECK(fn::round(T(-3.5)) == -4);
  CHECK(fn::trunc(T(-3.5)) == -3);
  CHECK(fn::floor_divide(T(-7), T(2)) == -4);
  CHECK(fn::floor_divide(T(1), T(0)) == inf);
  CHECK(fn::rsqrt(T(0)) == inf);
  CHECK(fn::reciprocal(T(-0.0)) == -inf);
  CHECK(fn::isinf(-inf));
  CHECK(fn::isneginf(-inf));
  CHECK(!fn::isposinf(-inf));
  CHECK(!fn::isfinite(nan));
  CHECK(fn::logical_not(nan) == false);
  CHECK(fn::remainder(T(-5), inf) == inf);
  CHECK(fn::remainder(T(5), inf) == 5);
  CHECK(std::isnan(fn::remainder(inf, T(5))));
  CHECK(std::isnan(fn::remainder(T(5), T(0))));
  CHECK(std::isnan(fn::remainder(T(5), nan)));
  CHECK(std::signbit(fn::remainder(T(6), T(-3))));
  CHECK(!std::signbit(fn::remainder(T(-6), T(3))));
}

namespace {

/// Numbers of all magnitudes, and of magnitudes near each other.
template <class T>
std::vector<T> floats(int count, int seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values(count);
  for (int i = 0; i < count; i++) {
    T x = fn::from_bits(fn::Bits<T>(random()));
    if (i % 3 == 1) x = T(int32_t(random())) * T(0x1p-20);
    if (i % 3 == 2) x = T(int8_t(random()));
    values[i] = x;
  }
  return values;
}

template <class T>
T floor_mod(T a, T b) {
  const T m = std::fmod(a, b);
  if (m == 0) return std::copysign(T(0), b);
  return (m < 0) != (b < 0) ? m + b : m;
}

}  // namespace

TEST_CASE_TEMPLATE("arithmetic: float remainders are exact at every magnitude, in loops as singly", T, float,
                   double) {
  const int n = 200001;
  const std::vector<T> a = floats<T>(n, 5), b = floats<T>(n, 6);
  std::vector<T> out(n), in_place = a;
  fn::repaired<fn::Remainder>(a.data(), b.data(), out.data(), n);
  fn::repaired<fn::Remainder>(in_place.data(), b.data(), in_place.data(), n);
  int wrong = 0, slow = 0;
  for (int i = 0; i < n; i++) {
    const T expected = floor_mod(a[i], b[i]);
    slow += fn::remainder_needs_slow(a[i], b[i]);
    if (std::isnan(expected)) {
      wrong += !std::isnan(out[i]) || !std::isnan(in_place[i]);
    } else {
      const auto bits = fn::bits(expected);
      wrong += fn::bits(out[i]) != bits || fn::bits(in_place[i]) != bits ||
               fn::bits(fn::remainder(a[i], b[i])) != bits;
      // the slow form is right everywhere
      if (std::isfinite(b[i])) wrong += fn::bits(fn::remainder_slow(a[i], b[i])) != bits;
    }
  }
  CHECK(wrong == 0);
  CHECK(slow > n / 20);
}

namespace {

template <class To, class From>
int casts_wrong(From x) {
  const To got = fn::cast<To>(x);
  if constexpr (std::is_same_v<To, bool>) return got != (x != From(0));
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using L = std::numeric_limits<To>;
    const long double t = std::trunc(static_cast<long double>(x));
    if (std::isnan(x)) return got != 0;
    return got != (t < L::min() ? L::min() : t > L::max() ? L::max() : To(t));
  }
  return !(got == static_cast<To>(x) || x != x);
}
template <class From>
int casts_wrong_all(From x) {
  return casts_wrong<bool>(x) + casts_wrong<int8_t>(x) + casts_wrong<int16_t>(x) + casts_wrong<int32_t>(x) +
         casts_wrong<int64_t>(x) + casts_wrong<uint8_t>(x) + casts_wrong<uint16_t>(x) +
         casts_wrong<uint32_t>(x) + casts_wrong<uint64_t>(x) + casts_wrong<float>(x) + casts_wrong<double>(x);
}

}  // namespace

TEST_CASE_TEMPLATE("cast: floats truncate and saturate, NaN is 0", T, float, double) {
  std::vector<T> values = floats<T>(50000, 9);
  for (int bits : {7, 8, 15, 16, 31, 32, 63, 64}) {
    for (T x : {std::ldexp(T(1), bits), -std::ldexp(T(1), bits)}) {
      for (T y : {x, std::nextafter(x, T(0)), std::nextafter(x, x * 2), x + 1, x - 1, x + T(0.5), x - T(0.5)})
        values.push_back(y);
    }
  }
  for (T x : {T(0.9), T(-0.9), T(-0.0), T(-1), T(INFINITY), T(-INFINITY), T(NAN)}) values.push_back(x);
  int wrong = 0;
  for (T x : values) wrong += casts_wrong_all(x);
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("cast: integers wrap", T, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                   uint64_t) {
  int wrong = 0;
  for (T x : samples<T>()) wrong += casts_wrong_all(x);
  CHECK(wrong == 0);
}

TEST_CASE("cast: complex numbers") {
  CHECK(fn::cast<bool>(fn::Complex64{0, 1}));
  CHECK(!fn::cast<bool>(fn::Complex64{0, -0.0f}));
  CHECK(fn::cast<int8_t>(fn::Complex64{-300.5f, 7}) == -128);
  CHECK(fn::cast<double>(fn::Complex64{2.5f, 7}) == 2.5);
  const fn::Complex64 z = fn::cast<fn::Complex64>(true);
  CHECK(z.re == 1.0f);
  CHECK(z.im == 0.0f);
}
