// Quantization: groups of float32 to packed codes, scales and biases.
//
//   affine        scale = (max - min) / (2^bits - 1), moved so that the end of larger magnitude is a multiple of it
//   mxfp4, mxfp8  scale = the power of two from which on the largest magnitude fits; nvfp4: E4M3 of largest / 6
//   GGUF          d from the largest magnitude (with its sign) or from max - min; codes rounded half up or away
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/quant.h"
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {

void fp8_decode(const uint8_t* from, int64_t n, float* to);  // quant_values.cpp

namespace {

struct Larger {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a = a > b ? a : b;
  }
};
struct Smaller {
  template <class V>
  MELIX_INLINE void fold(V& a, const V& b) {
    a = a < b ? a : b;
  }
};

constexpr int kMostGroup = 128;

float largest(const float* x, int n) { return folded<Larger>(x, n, x[0]); }
float smallest(const float* x, int n) { return folded<Smaller>(x, n, x[0]); }
float largest_magnitude(const float* x, int n) {
  const float high = largest(x, n), low = -smallest(x, n);
  return fn::fabs(high > low ? high : low);  // zeros have signs
}

// NaN is 0.
MELIX_INLINE uint8_t clamped(float q, float most) {
  const float positive = q > 0 ? q : 0;
  return uint8_t(int32_t(positive < most ? positive : most));
}

// ---- affine ----

struct AffineScale {
  float scale, bias;
};
AffineScale affine_scale(const float* x, int n, int bits) {
  constexpr float kLeast = 1e-7f;  // of a group of equal numbers
  const float high = largest(x, n), low = smallest(x, n);
  if (bits == 1) return {high - low > kLeast ? high - low : kLeast, low};
  float scale = (high - low) / float((1 << bits) - 1);
  scale = scale > kLeast ? scale : kLeast;
  const bool from_low = fn::fabs(low) > fn::fabs(high);
  const float edge = from_low ? low : high;
  scale = from_low ? scale : -scale;
  const float steps = fn::hw_rint(edge / scale);
  if (steps == 0) return {scale, 0};
  return {edge / steps, edge};
}

// Codes of bytes, 8 of which become `bits` bytes.
void pack_bits(const uint8_t* codes, int n, int bits, uint8_t* to) {
  if (bits == 8) {
    __builtin_memcpy(to, codes, size_t(n));
    return;
  }
  if (bits == 4) {
#pragma GCC ivdep
    for (int i = 0; i < n / 2; i++) to[i] = uint8_t(codes[2 * i] | codes[2 * i + 1] << 4);
    return;
  }
  for (int i = 0; i < n; i += 8, to += bits) {
    uint64_t packed = 0;
    for (int j = 0; j < 8; j++) packed |= uint64_t(codes[i + j]) << j * bits;
    __builtin_memcpy(to, &packed, size_t(bits));
  }
}

void pack_affine(int bits, int group, const float* x, int64_t n, uint8_t* packed, float* scales,
                 float* biases) {
  const float most = float((1 << bits) - 1);
  uint8_t codes[kMostGroup];
  for (int64_t i = 0; i < n; i += group, packed += group * bits / 8) {
    const AffineScale a = affine_scale(x + i, group, bits);
    const float* from = x + i;
#pragma GCC ivdep
    for (int j = 0; j < group; j++) codes[j] = clamped(fn::hw_rint((from[j] - a.bias) / a.scale), most);
    pack_bits(codes, group, bits, packed);
    *scales++ = a.scale, *biases++ = a.bias;
  }
}

// ---- floating codes ----

MELIX_INLINE uint8_t fp8_of(float x) {
  const uint32_t sign = fn::bits(x) >> 24 & 0x80u;
  const float limited = fn::fabs(x) < 448.0f ? fn::fabs(x) : 448.0f;  // NaN too
  const uint32_t bits = fn::bits(limited);
  const uint32_t normal = (bits - (120u << 23) + 0x7ffffu + (bits >> 20 & 1u)) >> 20;
  // Below 2^-6: a unit is 2^-9, the last place of a float at 2^14.
  const uint32_t subnormal = fn::bits(limited + 0x1p14f) - fn::bits(0x1p14f);
  return uint8_t((limited < 0x1p-6f ? subnormal : normal) | sign);
}

// The nearest of 0 0.5 1 1.5 2 3 4 6; halfway it is the smaller one. There is no negative zero.
MELIX_INLINE uint8_t fp4_of(float x) {
  const float m = fn::fabs(x);
  const int code =
      (m > 0.25f) + (m > 0.75f) + (m > 1.25f) + (m > 1.75f) + (m > 2.5f) + (m > 3.5f) + (m > 5.0f);
  return uint8_t(code | ((x < 0) & (code > 0) ? 8 : 0));
}

// The exponent of the smallest power of two that is no less, of a number that is not negative; 1 for 0.
uint8_t power_above(float x) {
  if (x == 0) return 127;
  const uint32_t up = (fn::bits(x) + 0x7fffffu) >> 23;
  return uint8_t(up < 255 ? up : 254);
}

void pack_floating(QuantFormat format, float global, const float* x, int64_t n, uint8_t* packed,
                   uint8_t* scales) {
  const bool eight = format == QuantFormat::mxfp8, nv = format == QuantFormat::nvfp4;
  const int group = nv ? 16 : 32;
  uint8_t codes[32];
  for (int64_t i = 0; i < n; i += group, packed += eight ? group : group / 2) {
    const float* from = x + i;
    const float magnitude = largest_magnitude(from, group) / (eight ? 448.0f : 6.0f);
    const uint8_t e = nv ? fp8_of(magnitude / global) : power_above(magnitude);
    float scale = fn::from_bits(e ? uint32_t(e) << 23 : 0x400000u);
    if (nv) {
      fp8_decode(&e, 1, &scale);
      scale *= global;
    }
    const float kept = scale == 0 ? 0.0f : 1.0f;  // codes are 0 where the scale was rounded to 0
    const float by = scale == 0 ? 1.0f : scale;
    if (eight) {
#pragma GCC ivdep
      for (int j = 0; j < group; j++) packed[j] = fp8_of(from[j] / by);
    } else {
#pragma GCC ivdep
      for (int j = 0; j < group; j++) codes[j] = fp4_of(from[j] * kept / by);
      pack_bits(codes, group, 4, packed);
    }
    *scales++ = e;
  }
}

// ---- blocks of GGUF ----

void store_half(float x, uint8_t* to) {
  const uint16_t half = fn::f32_to_f16(x);
  __builtin_memcpy(to, &half, 2);
}

void pack_q8(const float* x, uint8_t* to) {
  const float d = largest_magnitude(x, 32) / 127, by = d == 0 ? 0 : 1 / d;
  store_half(d, to);
#pragma GCC ivdep
  for (int j = 0; j < 32; j++) {
    const float q = x[j] * by;
    to[2 + j] = uint8_t(int8_t(fn::copysign(fn::hw_floor(fn::fabs(q) + 0.5f), q)));
  }
}

// 4 or 5 bits, around 0 or from the minimum on.
void pack_nibbles(int bits, bool from_minimum, const float* x, uint8_t* to) {
  const float high = largest(x, 32), low = smallest(x, 32);
  float d, origin = 0, offset;
  if (from_minimum) {
    d = (high - low) / float((1 << bits) - 1), origin = low, offset = 0.5f;
  } else {
    int first = 0;  // of the largest magnitude
    for (int j = 1; j < 32; j++) first = fn::fabs(x[j]) > fn::fabs(x[first]) ? j : first;
    d = x[first] / float(-(1 << (bits - 1))), offset = float(1 << (bits - 1)) + 0.5f;
  }
  const float by = d == 0 ? 0 : 1 / d;
  uint8_t codes[32];
#pragma GCC ivdep
  for (int j = 0; j < 32; j++) codes[j] = clamped((x[j] - origin) * by + offset, float((1 << bits) - 1));
  store_half(d, to), to += 2;
  if (from_minimum) store_half(low, to), to += 2;
  if (bits == 5) {
    uint32_t fifth = 0;
    for (int j = 0; j < 32; j++) fifth |= uint32_t(codes[j] >> 4) << j;
    __builtin_memcpy(to, &fifth, 4);
    to += 4;
  }
  for (int j = 0; j < 16; j++) to[j] = uint8_t((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

}  // namespace

void quant_pack(const QuantLayout& l, const float* x, int64_t n, uint8_t* packed, void* scales,
                float* biases) {
  const QuantFacts& f = facts_of(l.format);
  if (f.kind == QuantKind::affine) {
    return pack_affine(f.bits, int(l.group), x, n, packed, static_cast<float*>(scales), biases);
  }
  if (f.kind != QuantKind::blocks) {
    return pack_floating(l.format, l.global, x, n, packed, static_cast<uint8_t*>(scales));
  }
  for (int64_t i = 0; i < n; i += 32, packed += f.bytes) {
    f.bits == 8 ? pack_q8(x + i, packed) : pack_nibbles(f.bits, f.biased, x + i, packed);
  }
}

void fp8_encode(const float* from, int64_t n, uint8_t* to) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] = fp8_of(from[i]);
}

}  // namespace melix::cpu::MELIX_ISA
