// Complex64: functions against the C++ library's complex long double (error against the modulus, and special values
// part by part), arithmetic and order exactly.
#include "melix/scalar/math.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace melix;
using fn::Complex64;
using Long = long double;
using Reference = std::complex<Long>;

constexpr int kCount = 100000;
/// One float unit of a number of modulus 1.
constexpr Long kUnit = 0x1p-23L;

bool same(float got, Long expected) {
  const float rounded = float(expected);
  if (std::isnan(rounded)) return std::isnan(got);
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded;
  if (rounded == 0) return got == 0;
  return std::fabs(got - rounded) <= 4 * float(kUnit) * std::fabs(rounded);
}

std::string text(Complex64 z) { return "(" + std::to_string(z.re) + ", " + std::to_string(z.im) + ")"; }

/// Largest error against the modulus, in float units, over random bits and moderate numbers.
template <class Function, class Expected>
void check_error(const std::string& name, Function function, Expected expected, double bound) {
  std::mt19937_64 random(7);
  Long worst = 0;
  Complex64 at = {};
  for (int i = 0; i < kCount; i++) {
    const uint64_t b = random();
    Complex64 z = {fn::from_bits(uint32_t(b)), fn::from_bits(uint32_t(b >> 32))};
    if (i % 2)
      z = {float(int32_t(b)) * (b & 8 ? 0x3p-31f : 0x50p-31f),
           float(int32_t(b >> 32)) * (b & 16 ? 0x3p-31f : 0x50p-31f)};
    if (!fn::isfinite(z)) continue;
    const Reference e = expected(Reference(z.re, z.im));
    const Long modulus = std::abs(e);
    if (!(modulus < 3.3e38L)) continue;
    const Complex64 got = function(z);
    const Long error = std::abs(Reference(got.re, got.im) - e) / std::fmax(modulus * kUnit, 0x1p-149L);
    if (!(error <= worst)) worst = error, at = z;
  }
  INFO(name << ": " << double(worst) << " units at " << text(at));
  CHECK(worst <= bound);
}

/// Every pair of special parts: the class and value of each part of the result. Signs of zeros, and of infinities
/// that C99 leaves open (where the other part is NaN), are not compared.
template <class Function, class Expected>
void check_special(const std::string& name, Function function, Expected expected) {
  const std::vector<float> parts = {0.0f,      -0.0f, 1,      -1,    0.5f,   -2,  INFINITY,
                                    -INFINITY, NAN,   1e-40f, 3e38f, -3e38f, 100, -100};
  for (float x : parts) {
    for (float y : parts) {
      const Complex64 got = function(Complex64{x, y});
      const Reference e = expected(Reference(x, y));
      const bool open_re = std::isinf(got.re) && std::isinf(e.real()) && std::isnan(e.imag());
      const bool open_im = std::isinf(got.im) && std::isinf(e.imag()) && std::isnan(e.real());
      INFO(name << text({x, y}) << " = " << text(got) << ", not "
                << text({float(e.real()), float(e.imag())}));
      CHECK((open_re || same(got.re, e.real())));
      CHECK((open_im || same(got.im, e.imag())));
    }
  }
}

Reference expm1_of(Reference z) {
  const Long half = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half * half,
          std::exp(z.real()) * std::sin(z.imag())};
}
Reference log1p_of(Reference z) {
  if (std::abs(z) > 0.5L) return std::log(Reference(1 + z.real(), z.imag()));
  return {std::log1p(z.real() * (2 + z.real()) + z.imag() * z.imag()) / 2,
          std::atan2(z.imag(), 1 + z.real())};
}

}  // namespace

#define MELIX_COMPLEX_CASE(name, reference)                                     \
  TEST_CASE("complex: " #name) {                                                \
    auto function = [](Complex64 z) { return fn::name(z); };                    \
    auto expected = [](Reference z) -> Reference { return std::reference(z); }; \
    check_error(#name, function, expected, 1.0);                                \
    check_special(#name, function, expected);                                   \
  }
MELIX_COMPLEX_CASE(exp, exp)
MELIX_COMPLEX_CASE(log, log)
MELIX_COMPLEX_CASE(log10, log10)
MELIX_COMPLEX_CASE(sqrt, sqrt)
MELIX_COMPLEX_CASE(sin, sin)
MELIX_COMPLEX_CASE(cos, cos)
MELIX_COMPLEX_CASE(tan, tan)
MELIX_COMPLEX_CASE(sinh, sinh)
MELIX_COMPLEX_CASE(cosh, cosh)
MELIX_COMPLEX_CASE(tanh, tanh)
MELIX_COMPLEX_CASE(arcsin, asin)
MELIX_COMPLEX_CASE(arccos, acos)
MELIX_COMPLEX_CASE(arctan, atan)
MELIX_COMPLEX_CASE(arcsinh, asinh)
MELIX_COMPLEX_CASE(arccosh, acosh)
MELIX_COMPLEX_CASE(arctanh, atanh)

TEST_CASE("complex: functions the C library does not have") {
  using R = Reference;
  const R one = 1, exponent(2.5L, -1);
  check_error(
      "expm1", [](Complex64 z) { return fn::expm1(z); }, expm1_of, 1.0);
  check_error(
      "log1p", [](Complex64 z) { return fn::log1p(z); }, log1p_of, 1.0);
  check_error(
      "log2", [](Complex64 z) { return fn::log2(z); },
      [](R z) { return std::log(z) / 0.693147180559945309417L; }, 1.0);
  check_error(
      "reciprocal", [](Complex64 z) { return fn::reciprocal(z); }, [&](R z) { return one / z; }, 1.0);
  check_error(
      "rsqrt", [](Complex64 z) { return fn::rsqrt(z); }, [&](R z) { return one / std::sqrt(z); }, 1.0);
  check_error(
      "sigmoid", [](Complex64 z) { return fn::sigmoid(z); }, [&](R z) { return one / (one + std::exp(-z)); },
      1.0);
  check_error(
      "square", [](Complex64 z) { return fn::square(z); }, [](R z) { return z * z; }, 1.0);
  check_error(
      "cube",
      [](Complex64 z) {
        return fn::power(z, {3, 0});
      },
      [](R z) { return z * z * z; }, 1.0);
  check_error(
      "power",
      [](Complex64 z) {
        return fn::power(z, {2.5f, -1});
      },
      [&](R z) { return std::pow(z, exponent); }, 1.0);
  check_error(
      "divide",
      [](Complex64 z) {
        return fn::divide({2.5f, -1}, z);
      },
      [&](R z) { return exponent / z; }, 1.0);
  check_error(
      "multiply",
      [](Complex64 z) {
        return fn::multiply({2.5f, -1}, z);
      },
      [&](R z) { return exponent * z; }, 1.0);
  check_error(
      "abs",
      [](Complex64 z) {
        return Complex64{fn::abs(z), 0};
      },
      [](R z) { return R(std::abs(z)); }, 1.0);
  check_error(
      "sign", [](Complex64 z) { return fn::sign(z); }, [](R z) { return z / std::abs(z); }, 1.0);
}

TEST_CASE("complex: logaddexp inverts to a sum of exponentials") {
  std::mt19937 random(5);
  Long worst = 0;
  for (int i = 0; i < kCount; i++) {
    auto part = [&] { return float(int32_t(random())) * 0x1p-29f; };
    const Complex64 a = {part(), part()}, b = {part(), part()}, w = fn::logaddexp(a, b);
    const Reference sum = std::exp(Reference(a.re, a.im)) + std::exp(Reference(b.re, b.im));
    const Long size = std::exp(std::max(Long(a.re), Long(b.re)));
    // an error of w is a relative error of the sum
    const Long units = kUnit * std::max(Long(1), std::abs(Reference(w.re, w.im)));
    worst = std::max(worst, std::abs(std::exp(Reference(w.re, w.im)) - sum) / (size * units));
  }
  CHECK(worst <= 2);
  CHECK(fn::logaddexp(Complex64{-INFINITY, 0}, Complex64{-INFINITY, 0}).re == -INFINITY);
  CHECK(fn::logaddexp(Complex64{INFINITY, 0}, Complex64{1, 0}).re == INFINITY);
  CHECK(fn::isnan(fn::logaddexp(Complex64{NAN, 0}, Complex64{1, 0})));
}

TEST_CASE("complex: powers, quotients and moduli at the edges") {
  const float inf = INFINITY, nan = NAN;
  auto is = [](Complex64 z, float re, float im) { return same(z.re, re) && same(z.im, im); };
  CHECK(is(fn::power(Complex64{nan, 1}, Complex64{0, 0}), 1, 0));
  CHECK(is(fn::power(Complex64{0, 0}, Complex64{2, 1}), 0, 0));
  CHECK(fn::isnan(fn::power(Complex64{0, 0}, Complex64{-1, 0})));
  CHECK(is(fn::power(Complex64{0, 1}, Complex64{2, 0}), -1, 0));
  CHECK(is(fn::power(Complex64{0, 2}, Complex64{-2, 0}), -0.25f, 0));
  CHECK(is(fn::divide({1, 1}, {0, 0}), inf, inf));
  CHECK(is(fn::divide({0, 1}, {0, 0}), nan, inf));
  CHECK(is(fn::divide({1, 1}, {inf, 1}), 0, 0));
  CHECK(is(fn::divide({3e38f, 3e38f}, {3e38f, 3e38f}), 1, 0));
  CHECK(is(fn::divide({1e-44f, 0}, {1e-44f, 1e-44f}), 0.5f, -0.5f));
  CHECK(fn::abs(Complex64{inf, nan}) == inf);
  CHECK(fn::abs(Complex64{3e38f, 3e38f}) == inf);
  CHECK(fn::abs(Complex64{3, 4}) == 5);
  CHECK(std::isnan(fn::abs(Complex64{nan, 1})));
  CHECK(is(fn::sign(Complex64{0, -0.0f}), 0, 0));
  CHECK(is(fn::rsqrt(Complex64{1, inf}), 0, 0));
  CHECK(is(fn::round(Complex64{2.5f, -3.5f}), 2, -4));
  CHECK(is(fn::exp(Complex64{100, 1e-20f}), inf, float(std::exp(100.0) * double(1e-20f))));
}

TEST_CASE("complex: order is by the real parts first, and NaN is passed on") {
  const Complex64 a = {1, 2}, b = {1, 3}, c = {2, -1}, nan = {1, NAN};
  CHECK(fn::less(a, b));
  CHECK(fn::less(b, c));
  CHECK(!fn::less(c, a));
  CHECK(fn::less_equal(a, a));
  CHECK(!fn::less(a, a));
  CHECK(fn::greater(c, b));
  CHECK(fn::greater_equal(c, c));
  CHECK(!fn::less(nan, c));
  CHECK(!fn::greater_equal(c, nan));
  CHECK(fn::equal(fn::maximum(b, c), c));
  CHECK(fn::equal(fn::minimum(b, a), a));
  CHECK(fn::isnan(fn::maximum(nan, a)));
  CHECK(fn::isnan(fn::maximum(a, nan)));
  CHECK(fn::isnan(fn::minimum(nan, c)));
  CHECK(fn::isnan(fn::minimum(c, nan)));
  CHECK(fn::not_equal(nan, nan));
  CHECK(!fn::equal(nan, nan));
  CHECK(fn::logical_and(Complex64{0, 1}, Complex64{NAN, 0}));
  CHECK(fn::logical_not(Complex64{0, -0.0f}));
  CHECK(fn::isinf(Complex64{0, -INFINITY}));
  CHECK(fn::equal(fn::conj(a), Complex64{1, -2}));
  CHECK(fn::equal(fn::select(true, a, b), a));
}
