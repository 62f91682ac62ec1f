// Accuracy of the real functions: the error in units of the last place against the C library's long double, over
// random bit patterns, moderate numbers, and all pairs of edge values (where signs of zero, infinities and NaN must
// agree exactly).
#include "melix/scalar/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace melix;
using Long = long double;
static_assert(std::numeric_limits<Long>::digits >= 64,
              "the references need the x87's long double, or a longer one");

constexpr int kCount = 500000;  // of each type, so a million arguments a function

/// |got - expected| in units of the last place of T; infinite where they disagree about NaN, infinity or the sign of
/// zero.
template <class T>
double error_of(T got, Long expected) {
  const double wrong = INFINITY;
  if (std::isnan(expected)) return std::isnan(got) ? 0 : wrong;
  const T rounded = static_cast<T>(expected);
  if (std::isnan(got)) return wrong;
  if (rounded == 0 && got == 0) return std::signbit(rounded) == std::signbit(got) ? 0 : wrong;
  using L = std::numeric_limits<T>;
  int exponent = L::max_exponent;
  if (std::isfinite(rounded)) std::frexp(expected, &exponent);
  const Long unit = std::ldexp(Long(1), std::max(exponent, L::min_exponent) - L::digits);
  if (std::isinf(rounded) && std::isinf(got)) return rounded == got ? 0 : wrong;
  if (std::isinf(expected)) return wrong;
  // One of the two has just crossed into infinity: infinity stands for the number after the largest.
  const Long beyond = std::ldexp(Long(1), L::max_exponent);
  const Long value = std::isinf(got) ? (got > 0 ? beyond : -beyond) : Long(got);
  return double(std::fabs(value - expected) / unit);
}

template <class T>
std::vector<T> edges() {
  using L = std::numeric_limits<T>;
  std::vector<T> positive = {0,
                             1,
                             2,
                             3,
                             4,
                             10,
                             100,
                             1000,
                             T(0.5),
                             T(0.25),
                             T(1e-5),
                             T(1.5),
                             T(2.5),
                             T(88.8),
                             T(104),
                             T(709.9),
                             T(745.2),
                             L::max(),
                             L::min(),
                             L::denorm_min(),
                             L::epsilon(),
                             T(0.95),
                             T(0.6),
                             T(1) - L::epsilon(),
                             T(1) + L::epsilon(),
                             T(INFINITY),
                             T(NAN),
                             T(1048576),
                             T(M_PI),
                             T(M_PI_2),
                             T(1e22),
                             T(16777217)};
  std::vector<T> all;
  for (T x : positive) all.insert(all.end(), {x, -x});
  return all;
}

/// Random arguments of four kinds: any bits; up to some bound; next to 1; of exponents up to 2**+-58.
template <class T>
std::vector<T> arguments(uint64_t seed) {
  std::mt19937_64 random(seed);
  const double bounds[] = {1, 10, 100, 800, 0.1, 4, 1e6, 1e-3};
  std::vector<T> values(kCount);
  for (int i = 0; i < kCount; i++) {
    const uint64_t b = random();
    const double u = double(int64_t(b)) * 0x1p-63;
    switch (i % 4) {
      case 0:
        values[i] = fn::from_bits(fn::Bits<T>(b));
        break;
      case 1:
        values[i] = T(u * bounds[b & 7]);
        break;
      case 2:
        values[i] = T(1 + u * (b & 1 ? 0.5 : 0.01));
        break;
      default:
        values[i] = T(std::exp(u * 40) * (b & 1 ? 1 : -1));
    }
  }
  return values;
}

struct Worst {
  double error = 0;
  double x = 0, y = 0;
  void take(double e, double at_x, double at_y = 0) {
    if (e > error) *this = {e, at_x, at_y};
  }
};

template <class T, class Function, class Reference>
Worst worst_unary(Function function, Reference reference) {
  std::vector<T> in = arguments<T>(1);
  const std::vector<T> e = edges<T>();
  std::copy(e.begin(), e.end(), in.begin());
  Worst worst;
  for (T x : in) worst.take(error_of<T>(function(x), reference(Long(x))), x);
  return worst;
}
template <class T, class Function, class Reference>
Worst worst_binary(Function function, Reference reference) {
  std::vector<T> a = arguments<T>(1), b = arguments<T>(2);
  std::shuffle(b.begin(), b.begin() + kCount / 4, std::mt19937(3));
  const std::vector<T> e = edges<T>();
  size_t at = 0;
  for (T x : e) {
    for (T y : e) a[at] = x, b[at++] = y;
  }
  Worst worst;
  for (int i = 0; i < kCount; i++) {
    worst.take(error_of<T>(function(a[i], b[i]), reference(Long(a[i]), Long(b[i]))), a[i], b[i]);
  }
  return worst;
}

void check(const std::string& name, const std::string& type, const Worst& worst, double bound) {
  INFO(name << " of " << type << ": " << worst.error << " units at " << worst.x << ", " << worst.y);
  CHECK(worst.error <= bound);
}

Long sigmoid(Long x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

/// The root y of erf(y) = x by Halley's steps, on erfc where 1 - x is the precise side.
Long erfinv(Long x) {
  const Long a = std::fabs(x), half_root_pi = 0.886226925452758013649083741670572591L;
  if (!(a < 1)) return a == 1 ? std::copysign(Long(INFINITY), x) : Long(NAN);
  if (a < 1e-7L) return x * half_root_pi * (1 + a * a * 0.2617993877991494365L);
  const Long w = -std::log((1 - a) * (1 + a));
  Long y = a < 0.5L ? a * 0.9L
                    : std::sqrt(std::max(0.05L, w - std::log(std::sqrt(3.14159265L * std::max(w, 1.0L)))));
  for (int i = 0; i < 30; i++) {
    const Long miss = a < 0.5L ? std::erf(y) - a : (1 - a) - std::erfc(y);
    const Long step = miss * half_root_pi * std::exp(y * y);
    y -= step / (1 + y * step);
    if (std::fabs(step) < 1e-11L * y) break;  // the next step would be its cube
  }
  return std::copysign(y, x);
}

}  // namespace

// A row: the function, its reference, the bounds for float and double. The bounds are the measured errors, rounded up.
#define MELIX_UNARY_CASE(name, reference, float_bound, double_bound)               \
  TEST_CASE("math: " #name) {                                                      \
    auto function = [](auto x) { return fn::name(x); };                            \
    auto expected = [](Long x) -> Long { return reference; };                      \
    check(#name, "float", worst_unary<float>(function, expected), float_bound);    \
    check(#name, "double", worst_unary<double>(function, expected), double_bound); \
  }
#define MELIX_BINARY_CASE(name, reference, float_bound, double_bound)               \
  TEST_CASE("math: " #name) {                                                       \
    auto function = [](auto a, auto b) { return fn::name(a, b); };                  \
    auto expected = [](Long a, Long b) -> Long { return reference; };               \
    check(#name, "float", worst_binary<float>(function, expected), float_bound);    \
    check(#name, "double", worst_binary<double>(function, expected), double_bound); \
  }

MELIX_UNARY_CASE(exp, std::exp(x), 1.05, 1.05)
MELIX_UNARY_CASE(exp2, std::exp2(x), 1.1, 1.1)
MELIX_UNARY_CASE(expm1, std::expm1(x), 1.1, 1.1)
MELIX_UNARY_CASE(sigmoid, sigmoid(x), 2.2, 2.2)
MELIX_UNARY_CASE(log, std::log(x), 0.9, 0.9)
MELIX_UNARY_CASE(log1p, std::log1p(x), 1.5, 1.5)
MELIX_UNARY_CASE(log2, std::log2(x), 0.51, 0.9)
MELIX_UNARY_CASE(log10, std::log10(x), 0.51, 0.9)
MELIX_UNARY_CASE(sin, std::sin(x), 1.5, 0.9)
MELIX_UNARY_CASE(cos, std::cos(x), 1.5, 0.9)
MELIX_UNARY_CASE(tan, std::tan(x), 2.5, 1.2)
MELIX_UNARY_CASE(arcsin, std::asin(x), 1.3, 1.3)
MELIX_UNARY_CASE(arccos, std::acos(x), 0.9, 0.9)
MELIX_UNARY_CASE(arctan, std::atan(x), 1.9, 1.9)
MELIX_UNARY_CASE(sinh, std::sinh(x), 1.7, 1.7)
MELIX_UNARY_CASE(cosh, std::cosh(x), 1.5, 1.5)
MELIX_UNARY_CASE(tanh, std::tanh(x), 1.5, 1.5)
MELIX_UNARY_CASE(arcsinh, std::asinh(x), 1.9, 1.9)
MELIX_UNARY_CASE(arccosh, std::acosh(x), 2.3, 2.3)
MELIX_UNARY_CASE(arctanh, std::atanh(x), 2.2, 2.2)
MELIX_UNARY_CASE(erf, std::erf(x), 1.4, 1.5)
MELIX_UNARY_CASE(erfinv, erfinv(x), 2.9, 2.7)
MELIX_UNARY_CASE(sqrt, std::sqrt(x), 0.51, 0.51)
MELIX_UNARY_CASE(rsqrt, 1 / std::sqrt(x), 1.6, 1.6)
MELIX_UNARY_CASE(reciprocal, 1 / x, 0.51, 0.51)
MELIX_BINARY_CASE(power, std::pow(a, b), 0.55, 1.0)
MELIX_BINARY_CASE(arctan2, std::atan2(a, b), 2.0, 2.0)

namespace {

Long logaddexp(Long a, Long b) {
  if (a == b) return a + 0.693147180559945309417232121458176568L;
  if (std::isnan(a) || std::isnan(b)) return NAN;
  return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}

}  // namespace

TEST_CASE("math: logaddexp") {
  auto of_floats = [](float a, float b) { return fn::logaddexp(a, b); };
  check("logaddexp", "float", worst_binary<float>(of_floats, logaddexp), 0.6);
  // In double the sum may cancel: the error is measured in units of the larger of result and argument.
  Worst worst;
  const std::vector<double> a = arguments<double>(1), b = arguments<double>(2), e = edges<double>();
  for (int i = 0; i < kCount; i++) {
    const Long expected = logaddexp(a[i], b[i]);
    if (std::fabs(expected) > std::fabs(std::max(a[i], b[i]))) {
      worst.take(error_of(fn::logaddexp(a[i], b[i]), expected), a[i], b[i]);
    } else if (std::isfinite(expected)) {
      const double unit = std::fabs(std::nextafter(std::max(a[i], b[i]), INFINITY) - std::max(a[i], b[i]));
      worst.take(double(std::fabs(fn::logaddexp(a[i], b[i]) - expected) / unit), a[i], b[i]);
    }
  }
  for (double x : e) {
    for (double y : e) {
      if (std::fabs(x) > 100 || std::fabs(y) > 100)
        worst.take(error_of(fn::logaddexp(x, y), logaddexp(x, y)), x, y);
    }
  }
  check("logaddexp", "double", worst, 3.3);
}

TEST_CASE("math: powers of two and ten have whole logarithms") {
  for (int i = -149; i < 128; i++) CHECK(fn::log2(std::ldexp(1.0f, i)) == float(i));
  for (int i = -1074; i < 1024; i++) CHECK(fn::log2(std::ldexp(1.0, i)) == i);
  for (int i = 0; i <= 10; i++) CHECK(fn::log10(float(std::pow(10.0L, i))) == float(i));
  for (int i = 0; i <= 22; i++) CHECK(fn::log10(double(std::pow(10.0L, i))) == i);
  for (int i = -149; i < 128; i++) CHECK(fn::exp2(float(i)) == std::ldexp(1.0f, i));
  for (int i = -1074; i < 1024; i++) CHECK(fn::power(2.0, double(i)) == std::ldexp(1.0, i));
}

TEST_CASE_TEMPLATE("math: loops with repairs give what single values give", T, float, double) {
  std::vector<T> in = arguments<T>(7), sin(in.size()), cos(in.size()), tan = in;
  const int64_t n = int64_t(in.size()) - 3;
  fn::repaired<fn::Sin>(in.data(), sin.data(), n);
  fn::repaired<fn::Cos>(in.data(), cos.data(), n);
  fn::repaired<fn::Tan>(tan.data(), tan.data(), n);  // in place
  int wrong = 0, slow = 0;
  auto differ = [](T a, T b) { return fn::bits(a) != fn::bits(b) && !(std::isnan(a) && std::isnan(b)); };
  for (int64_t i = 0; i < n; i++) {
    wrong += differ(sin[i], fn::sin(in[i])) + differ(cos[i], fn::cos(in[i])) + differ(tan[i], fn::tan(in[i]));
    slow += fn::trigonometric_needs_slow(in[i]);
  }
  for (size_t i = size_t(n); i < in.size(); i++) wrong += sin[i] != 0 || differ(tan[i], in[i]);
  CHECK(wrong == 0);
  CHECK(slow > kCount / 20);
}

TEST_CASE("math: arguments next to multiples of pi/2 lose nothing") {
  // The double closest to a multiple of pi/2 of all (6381956970095103 * 2**797), and the float.
  CHECK(error_of(fn::cos(0x1.6ac5b262ca1ffp+849), std::cos(0x1.6ac5b262ca1ffp+849L)) <= 1.0);
  CHECK(error_of(fn::tan(0x1.6ac5b262ca1ffp+849), std::tan(0x1.6ac5b262ca1ffp+849L)) <= 1.5);
  Worst of_floats, of_doubles;
  for (int i = 1; i < 200000; i++) {
    const Long multiple = i * 1.570796326794896619231321691639751442L;
    const float f = float(multiple);
    const double d = double(multiple);
    of_floats.take(error_of(fn::sin(f), std::sin(Long(f))), f);
    of_floats.take(error_of(fn::cos(f), std::cos(Long(f))), f);
    of_doubles.take(error_of(fn::sin(d), std::sin(Long(d))), d);
    of_doubles.take(error_of(fn::cos(d), std::cos(Long(d))), d);
  }
  check("sin and cos near zeros", "float", of_floats, 1.5);
  check("sin and cos near zeros", "double", of_doubles, 1.0);
}
