// The 16-bit floats, as bits: conversions to and from float and double, in integer and float arithmetic that
// vectorises.
//
//            sign exponent fraction
//   float16    1     5       10       subnormals below 2**-14, largest 65504
//   bfloat16   1     8        7       the upper half of a float32
//
// All roundings are to nearest, ties to even; beyond the largest number the result is infinite; NaN stays NaN, is
// made quiet, and keeps its sign and the upper bits of its payload (what F16C does). Conversions from double round
// once, not through float.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

MELIX_FN float f16_to_f32(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16;
  const uint32_t magnitude = uint32_t(half & 0x7fff) << 13;  // exponent and fraction at float's place
  // Normal: the exponent's bias differs by 112. Infinity and NaN: by 112 again, to reach 255. NaN becomes quiet.
  const uint32_t normal = magnitude + (112u << 23);
  const uint32_t special = (magnitude + (224u << 23)) | (magnitude > (31u << 23) ? 0x400000u : 0u);
  // Subnormal: 2**-14 + fraction as a number of the lowest normal exponent, minus 2**-14, which is exact.
  const uint32_t subnormal = bits(from_bits(magnitude + (113u << 23)) - from_bits(113u << 23));
  const uint32_t small = magnitude < (1u << 23) ? subnormal : normal;
  return from_bits(sign | (magnitude >= (31u << 23) ? special : small));
}

MELIX_FN uint16_t f32_to_f16(float x) {
  const uint32_t all = bits(x), magnitude = all & 0x7fffffffu, sign = (all >> 16) & 0x8000u;
  // Normal: rebias by -112, add half a unit less one and the lowest bit that stays; the carry may reach infinity.
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Below 2**-14: adding 0.5 puts the unit of a float at 2**-24, that of a subnormal half, and the hardware rounds.
  const uint32_t subnormal = bits(from_bits(magnitude) + 0.5f) - bits(0.5f);
  const uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  uint32_t result = magnitude < (113u << 23) ? subnormal : normal;
  result = magnitude >= (143u << 23) ? 0x7c00u : result;  // 65536 and more
  result = magnitude > 0x7f800000u ? nan : result;
  return uint16_t(result | sign);
}

MELIX_FN float bf16_to_f32(uint16_t half) {
  const uint32_t all = uint32_t(half) << 16;
  return from_bits(all | ((all & 0x7fffffffu) > 0x7f800000u ? 0x400000u : 0u));
}

MELIX_FN uint16_t f32_to_bf16(float x) {
  const uint32_t all = bits(x);
  const uint32_t rounded = (all + 0x7fffu + ((all >> 16) & 1u)) >> 16;
  return uint16_t((all & 0x7fffffffu) > 0x7f800000u ? (all >> 16) | 0x40u : rounded);
}

/// The double as a float rounded to odd: truncated, its last bit set where anything was cut off. Rounding that to
/// 16 bits gives what rounding the double directly would (24 bits are more than 2 above 11, at every exponent).
MELIX_FN float round_to_odd(double x) {
  const float nearest = float(x);
  const double back = double(nearest);
  const uint32_t all = bits(nearest);
  const bool away =
      fabs(back) > fabs(x);  // undo a rounding away from zero (infinity: back to the largest float)
  return from_bits(back != x ? (all - (away ? 1u : 0u)) | 1u : all);
}
MELIX_FN uint16_t f64_to_f16(double x) { return f32_to_f16(round_to_odd(x)); }
MELIX_FN uint16_t f64_to_bf16(double x) { return f32_to_bf16(round_to_odd(x)); }

/// The value rounded to 16 bits, still as a float.
MELIX_FN float round_f16(float x) { return f16_to_f32(f32_to_f16(x)); }
MELIX_FN float round_bf16(float x) { return bf16_to_f32(f32_to_bf16(x)); }

}  // namespace melix::fn
