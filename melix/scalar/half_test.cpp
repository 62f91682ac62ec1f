// The 16-bit floats: all 65536 patterns of both, ties, overflow, NaN, and single rounding from double.
#include "melix/scalar/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace {

using namespace melix;

struct Format {
  int fraction, smallest_exponent;  // bits of the fraction; exponent of the smallest normal number
  float (*widen)(uint16_t);
  uint16_t (*from_float)(float);
  uint16_t (*from_double)(double);
};
const Format kFormats[] = {
    {10, -14, [](uint16_t h) { return fn::f16_to_f32(h); }, [](float x) { return fn::f32_to_f16(x); },
     [](double x) { return fn::f64_to_f16(x); }},
    {7, -126, [](uint16_t h) { return fn::bf16_to_f32(h); }, [](float x) { return fn::f32_to_bf16(x); },
     [](double x) { return fn::f64_to_bf16(x); }},
};

uint16_t infinity_of(const Format& f) { return uint16_t(0x7fff >> f.fraction << f.fraction); }
bool is_nan(const Format& f, uint16_t h) { return (h & 0x7fff) > infinity_of(f); }

/// The value of a pattern, from the definition of the format.
double value_of(const Format& f, uint16_t h) {
  const int exponent = (h & 0x7fff) >> f.fraction, fraction = h & ((1 << f.fraction) - 1);
  const double sign = h & 0x8000 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(fraction, f.smallest_exponent - f.fraction);
  const int hidden = 1 << f.fraction;
  return sign * std::ldexp(hidden + fraction, f.smallest_exponent - f.fraction + exponent - 1);
}

}  // namespace

TEST_CASE("half: every pattern widens to its value and comes back") {
  for (const Format& f : kFormats) {
    int wrong = 0;
    for (uint32_t i = 0; i < 65536; i++) {
      const uint16_t h = uint16_t(i);
      const float wide = f.widen(h);
      if (is_nan(f, h)) {
        const uint16_t quiet = h | uint16_t(1 << (f.fraction - 1));
        wrong += !std::isnan(wide) || f.from_float(wide) != quiet || f.from_double(wide) != quiet;
      } else if ((h & 0x7fff) == infinity_of(f)) {
        wrong += wide != (h & 0x8000 ? -INFINITY : INFINITY) || f.from_float(wide) != h ||
                 f.from_double(wide) != h;
      } else {
        wrong += double(wide) != value_of(f, h) || std::signbit(wide) != ((h & 0x8000) != 0);
        wrong += f.from_float(wide) != h || f.from_double(wide) != h;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("half: between neighbours the nearest is taken, the even one of two") {
  for (const Format& f : kFormats) {
    int wrong = 0;
    for (uint16_t low = 0; low < infinity_of(f); low++) {
      const uint16_t high = low + 1, even = low & 1 ? high : low;
      const double a = value_of(f, low);
      // Infinity counts as the number that would follow.
      const double b = high == infinity_of(f) ? 2 * a - value_of(f, uint16_t(low - 1)) : value_of(f, high);
      const double middle = (a + b) / 2;
      const float tie = float(middle);  // exact: a float has more bits than both
      const float below = std::nextafter(tie, 0.0f), above = std::nextafter(tie, INFINITY);
      if (double(tie) == middle) {
        wrong += f.from_float(tie) != even || f.from_float(-tie) != (even | 0x8000);
        if (double(below) > a) wrong += f.from_float(below) != low;
        if (double(above) < b) wrong += f.from_float(above) != high;
      }
      // A double decides in its last bit: through a rounded float these would be ties.
      wrong += f.from_double(middle) != even;
      wrong += f.from_double(std::nextafter(middle, 0.0)) != low;
      wrong += f.from_double(std::nextafter(middle, INFINITY)) != high;
      wrong += f.from_double(-std::nextafter(middle, INFINITY)) != (high | 0x8000);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("half: large, small and special values") {
  const double largest = std::numeric_limits<double>::max(),
               smallest = std::numeric_limits<double>::denorm_min();
  for (const Format& f : kFormats) {
    CHECK(f.from_double(largest) == infinity_of(f));
    CHECK(f.from_double(-INFINITY) == (infinity_of(f) | 0x8000));
    CHECK(f.from_double(smallest) == 0);
    CHECK(f.from_double(-smallest) == 0x8000);
    CHECK(f.from_float(-0.0f) == 0x8000);
    CHECK(f.from_float(std::numeric_limits<float>::max()) == infinity_of(f));
    CHECK(is_nan(f, f.from_double(NAN)));
    CHECK(is_nan(f, f.from_float(fn::from_bits(0x7f800001u))));  // a signalling NaN does not become infinite
  }
}

TEST_CASE("half: rounding keeps the value a float") {
  std::mt19937 random(1);
  int wrong = 0;
  for (int i = 0; i < 100000; i++) {
    const float x = fn::from_bits(uint32_t(random()));
    if (std::isnan(x)) continue;
    wrong += fn::bits(fn::round_f16(x)) != fn::bits(fn::f16_to_f32(fn::f32_to_f16(x)));
    wrong += fn::bits(fn::round_bf16(x)) != fn::bits(fn::bf16_to_f32(fn::f32_to_bf16(x)));
  }
  CHECK(wrong == 0);
}
