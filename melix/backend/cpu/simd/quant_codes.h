// Unpacking of quantized formats to integer codes and the scale and bias of each step: one struct for each row of
// ops/quant_modes.inc. Included by files of this folder alone. Loops are written so that the compiler makes vectors of
// them on every instruction set.
//
//   affine, b bits   codes follow each other from the lowest bit on: 8 codes are b bytes; centred here (8 bits: int8)
//   q4_0 ... q5_1    [d:f16] [m:f16 of _1] [fifth bits: 4 bytes of q5] [16 bytes: code j low, code j + 16 high]
//   q8_0             [d:f16] [32 bytes]
//   q2_k             [16 bytes: scale low, minimum high] [64 bytes] [d:f16] [dmin:f16]
//   q3_k             [32 bytes of third bits] [64 bytes] [12 bytes: 16 scales of 6 bits] [d:f16]
//   q4_k, q5_k       [d:f16] [dmin:f16] [12 bytes: 8 scales, 8 minima of 6 bits] [32 bytes of fifth bits] [128 bytes]
//   q6_k             [128 bytes: low 4 bits] [64 bytes: upper 2 bits] [16 scales: int8] [d:f16]
//   mxfp4_blocks     [2^(e - 127)] [16 bytes: code j low, code j + 16 high]
// In the k formats, 2 bits of one byte belong to elements 32 apart, 4 bits to elements 32 (q6_k: 64) apart.
#pragma once

#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/quant.h"

#define MELIX_QUANT_FN static inline __attribute__((always_inline))

namespace melix::cpu::MELIX_ISA {
namespace {

MELIX_QUANT_FN float half_at(const uint8_t* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
#ifdef __F16C__
  typedef short Halves __attribute__((vector_size(16)));
  return __builtin_ia32_vcvtph2ps(Halves{short(bits)})[0];
#else
  return fn::f16_to_f32(bits);
#endif
}

// A scale of 8 bits: a power of two, and E4M3. The first float above 2^-126 that is no power is a subnormal one.
MELIX_QUANT_FN float e8m0(uint8_t e) { return fn::from_bits(e ? uint32_t(e) << 23 : 0x400000u); }
MELIX_QUANT_FN float e4m3(uint8_t x) {
  const uint32_t magnitude = x & 0x7fu, place = magnitude << 20;
  // Subnormal: 2^-6 + fraction as a number of the lowest normal exponent, minus 2^-6.
  const uint32_t subnormal = fn::bits(fn::from_bits(place + (121u << 23)) - 0x1p-6f);
  const uint32_t value = magnitude < 8 ? subnormal : place + (120u << 23);
  const uint32_t bits = magnitude == 0x7fu ? 0x7fc00000u : value;
  return fn::from_bits(bits | uint32_t(x & 0x80u) << 24);
}

// ---- affine ----

template <class T, int kLanes>
struct LanesOf {
  typedef T type __attribute__((vector_size(kLanes * sizeof(T)), may_alias));
};
template <class T, int kLanes>
using Lanes = typename LanesOf<T, kLanes>::type;

template <class V>
MELIX_QUANT_FN V read(const void* from) {
  V out;
  __builtin_memcpy(&out, from, sizeof(out));
  return out;
}
template <class V>
MELIX_QUANT_FN void write(void* to, V value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

template <class T>
constexpr T repeated(uint8_t byte) {
  return T(T(byte) * T(0x0101010101010101u));
}

// Codes in the lowest bits of a T, or of each lane of a vector of them, one after the other, to one in each byte:
// halves, quarters and eighths are moved apart. Then centred: 2^(bits - 1) is subtracted in every byte, which no carry
// leaves.
template <int kBits, class T, class V>
MELIX_QUANT_FN V spread(V v) {
  constexpr uint64_t one = (uint64_t(1) << kBits) - 1, two = (uint64_t(1) << 2 * kBits) - 1;
  if constexpr (sizeof(T) == 8) {
    constexpr T four = T((uint64_t(1) << 4 * kBits) - 1);
    v = V((v & four) | ((v >> 4 * kBits) & four) << 32);
  }
  if constexpr (sizeof(T) >= 4) {
    constexpr T mask = T(two | two << 32);
    v = V((v & mask) | ((v >> 2 * kBits) & mask) << 16);
  }
  constexpr T mask = T(one | one << 16 | one << 32 | one << 48);
  constexpr T centre = repeated<T>(uint8_t(0x80 - (1 << (kBits - 1)))), top = repeated<T>(0x80);
  v = V((v & mask) | ((v >> kBits) & mask) << 8);
  return V((v + centre) ^ top);
}

// 8 codes of kBits bytes, without vectors.
template <int kBits>
MELIX_QUANT_FN void eight_codes(const uint8_t* from, int8_t* codes) {
  uint64_t packed = 0;
  __builtin_memcpy(&packed, from, kBits);
  write(codes, spread<kBits, uint64_t>(packed));
}

// Of 1, 2 and 4 bits: a byte becomes a lane of as many bytes as it has codes.
template <int kBits, class T>
MELIX_QUANT_FN int64_t bytes_apart(const uint8_t* from, int64_t n, int8_t* codes) {
  constexpr int kLanes = kVectorBytes / int(sizeof(T));
  int64_t i = 0;
  for (; i + kVectorBytes <= n; i += kVectorBytes) {
    const auto bytes = read<Lanes<uint8_t, kLanes>>(from + i * kBits / 8);
    write(codes + i, spread<kBits, T>(__builtin_convertvector(bytes, Lanes<T, kLanes>)));
  }
  return i;
}

// Of 3, 5 and 6 bits: 16 bytes are read, kBits of them go to each of two lanes of 8 bytes.
template <int kBits>
MELIX_QUANT_FN int64_t groups_apart(const uint8_t* from, int64_t n, int8_t* codes) {
  constexpr auto at = [](int i) { return i % 8 < kBits ? i / 8 * kBits + i % 8 : 16; };
  typedef Lanes<uint8_t, 16> Bytes;
  typedef Lanes<uint64_t, 2> Pair;
  int64_t i = 0;
  for (; i * kBits / 8 + 16 <= n * kBits / 8; i += 16) {
    const Bytes in = read<Bytes>(from + i * kBits / 8);
    const Bytes apart =
        __builtin_shufflevector(in, Bytes{}, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8),
                                at(9), at(10), at(11), at(12), at(13), at(14), at(15));
    write(codes + i, spread<kBits, uint64_t>(Pair(apart)));
  }
  return i;
}

// n codes, centred; n is a multiple of 32.
template <int kBits>
MELIX_QUANT_FN void affine_codes(const uint8_t* from, int64_t n, int8_t* codes) {
  if constexpr (kBits == 8) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) codes[i] = int8_t(from[i] ^ 0x80);
    return;
  }
  int64_t i = 0;
  if constexpr (kBits == 1) i = bytes_apart<1, uint64_t>(from, n, codes);
  if constexpr (kBits == 2) i = bytes_apart<2, uint32_t>(from, n, codes);
  if constexpr (kBits == 4) i = bytes_apart<4, uint16_t>(from, n, codes);
  if constexpr (kBits == 3 || kBits == 5 || kBits == 6) i = groups_apart<kBits>(from, n, codes);
  for (; i < n; i += 8) eight_codes<kBits>(from + i * kBits / 8, codes + i);
}

// Scales (or biases) of one per `group` elements, as one for each step.
MELIX_QUANT_FN void floats_of(Dtype dtype, const uint8_t* from, int64_t n, int64_t repeats, float* to) {
  auto each = [&](auto read) __attribute__((always_inline)) {
    if (repeats == 1) {
      for (int64_t i = 0; i < n; i++) to[i] = read(i);
    } else {
      for (int64_t i = 0; i < n; i++) to[i] = read(i / repeats);
    }
  };
  if (dtype == float32) {
    each([&](int64_t i) __attribute__((always_inline)) {
      float v;
      __builtin_memcpy(&v, from + 4 * i, 4);
      return v;
    });
  } else if (dtype == bfloat16) {
    each([&](int64_t i) __attribute__((always_inline)) {
      uint16_t v;
      __builtin_memcpy(&v, from + 2 * i, 2);
      return fn::from_bits(uint32_t(v) << 16);
    });
  } else if (dtype == float16) {
    each([&](int64_t i) __attribute__((always_inline)) { return half_at(from + 2 * i); });
  } else {
    each([&](int64_t i) __attribute__((always_inline)) {
      double v;
      __builtin_memcpy(&v, from + 8 * i, 8);
      return float(v);
    });
  }
}

template <int kBits, int kStepOf>
struct Affine {
  using Code = int8_t;
  static constexpr int kStep = kStepOf;
  static constexpr bool kBiased = true;
  static constexpr float kUnit = 1, kZero = float(1 << (kBits - 1));
  MELIX_QUANT_FN void decode(const QuantLayout& l, const QuantPart& p, int64_t n, Code* codes, float* s,
                             float* b) {
    affine_codes<kBits>(p.packed, n, codes);
    floats_of(l.dtype, p.scales, n / kStep, l.group / kStep, s);
    floats_of(l.dtype, p.biases, n / kStep, l.group / kStep, b);
  }
};

// ---- floating codes ----

typedef Lanes<uint8_t, 16> Sixteen;

// 4-bit floats (E2M1) in units of a half.
MELIX_QUANT_FN Sixteen fp4(Sixteen codes) {
  const Sixteen units = {0, 1, 2, 3, 4, 6, 8, 12, 0, 255, 254, 253, 252, 250, 248, 244};
  return __builtin_shuffle(units, codes);
}

// Low and high nibbles of 16 bytes as codes j and j + 16.
template <class Value>
MELIX_QUANT_FN void nibbles(const uint8_t* from, int8_t* codes, Value value) {
  const auto both = read<Sixteen>(from);
  write(codes, value(Sixteen(both & 15)));
  write(codes + 16, value(Sixteen(both >> 4)));
}
MELIX_QUANT_FN Sixteen as_it_is(Sixteen codes) { return codes; }

struct Fp4 {
  using Code = int8_t;
  static constexpr bool kBiased = false;
  static constexpr float kUnit = 0.5f, kZero = 0;
  // 8 bytes at a time: a multiple of every group.
  MELIX_QUANT_FN void codes_of(const uint8_t* from, int64_t n, int8_t* codes) {
    for (int64_t i = 0; i < n; i += 16) {
      uint64_t eight;
      __builtin_memcpy(&eight, from + i / 2, 8);
      const Sixteen both = Sixteen(Lanes<uint64_t, 2>{eight, eight >> 4});
      const Sixteen apart =
          __builtin_shufflevector(both, both, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
      write(codes + i, fp4(Sixteen(apart & 15)));
    }
  }
};
struct Mxfp4 : Fp4 {
  static constexpr int kStep = 32;
  MELIX_QUANT_FN void decode(const QuantLayout&, const QuantPart& p, int64_t n, Code* codes, float* s,
                             float*) {
    codes_of(p.packed, n, codes);
    for (int64_t i = 0; i < n / kStep; i++) s[i] = e8m0(p.scales[i]);
  }
};
struct Nvfp4 : Fp4 {
  static constexpr int kStep = 16;
  MELIX_QUANT_FN void decode(const QuantLayout& l, const QuantPart& p, int64_t n, Code* codes, float* s,
                             float*) {
    codes_of(p.packed, n, codes);
    for (int64_t i = 0; i < n / kStep; i++) s[i] = e4m3(p.scales[i]) * l.global;
  }
};
struct Mxfp8 {
  using Code = float;
  static constexpr int kStep = 32;
  static constexpr bool kBiased = false;
  static constexpr float kUnit = 1, kZero = 0;
  MELIX_QUANT_FN void decode(const QuantLayout&, const QuantPart& p, int64_t n, Code* codes, float* s,
                             float*) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) codes[i] = e4m3(p.packed[i]);
    for (int64_t i = 0; i < n / kStep; i++) s[i] = e8m0(p.scales[i]);
  }
};

// ---- blocks of GGUF ----

// B::block(bytes, codes, scales, biases) decodes one block of kElements in kBytes.
template <class B, int kElements, int kBytes, int kStepOf, bool kIsBiased>
struct Blocks {
  using Code = int8_t;
  static constexpr int kStep = kStepOf;
  static constexpr bool kBiased = kIsBiased;
  static constexpr float kUnit = 1, kZero = 0;
  MELIX_QUANT_FN void decode(const QuantLayout&, const QuantPart& p, int64_t n, Code* codes, float* s,
                             float* b) {
    for (int64_t i = 0; i < n / kElements; i++) {
      B::block(p.packed + i * kBytes, codes + i * kElements, s + i * (kElements / kStep),
               kIsBiased ? b + i * (kElements / kStep) : b);
    }
  }
};

struct Q4_0 : Blocks<Q4_0, 32, 18, 32, false> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    *s = half_at(p);
    nibbles(
        p + 2, codes, [](Sixteen c) __attribute__((always_inline)) { return Sixteen(c - 8); });
  }
};
struct Q4_1 : Blocks<Q4_1, 32, 20, 32, true> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float* b) {
    *s = half_at(p), *b = half_at(p + 2);
    nibbles(p + 4, codes, as_it_is);
  }
};

// The fifth bit of element j is bit j of 4 bytes; `zero` is subtracted.
MELIX_QUANT_FN void five_bits(const uint8_t* p, uint8_t zero, int8_t* codes) {
  typedef Lanes<uint8_t, 16> Bytes;
  const Bytes which = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint64_t ones = 0x0101010101010101u;
  for (int half = 0; half < 2; half++) {
    const Bytes high = Bytes(Lanes<uint64_t, 2>{p[2 * half] * ones, p[2 * half + 1] * ones});
    const Bytes fifth = Bytes((high & which) == which) & 16;
    const Bytes both = read<Bytes>(p + 4);
    write(codes + 16 * half, Bytes(((half ? both >> 4 : both & 15) | fifth) - zero));
  }
}
struct Q5_0 : Blocks<Q5_0, 32, 22, 32, false> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    *s = half_at(p);
    five_bits(p + 2, 16, codes);
  }
};
struct Q5_1 : Blocks<Q5_1, 32, 24, 32, true> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float* b) {
    *s = half_at(p), *b = half_at(p + 2);
    five_bits(p + 4, 0, codes);
  }
};
struct Q8_0 : Blocks<Q8_0, 32, 34, 32, false> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    *s = half_at(p);
    __builtin_memcpy(codes, p + 2, 32);
  }
};
struct Mxfp4Blocks : Blocks<Mxfp4Blocks, 32, 17, 32, false> {
  static constexpr float kUnit = 0.5f;
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    *s = e8m0(p[0]);
    nibbles(p + 1, codes, fp4);
  }
};

struct Q2K : Blocks<Q2K, 256, 84, 16, true> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float* b) {
    const float d = half_at(p + 80), dmin = half_at(p + 82);
    for (int g = 0; g < 16; g++) s[g] = d * float(p[g] & 15), b[g] = -(dmin * float(p[g] >> 4));
    for (int half = 0; half < 2; half++) {
      for (int j = 0; j < 4; j++, codes += 32) {
#pragma GCC ivdep
        for (int l = 0; l < 32; l++) codes[l] = int8_t(p[16 + 32 * half + l] >> 2 * j & 3);
      }
    }
  }
};

struct Q3K : Blocks<Q3K, 256, 110, 16, false> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    const float d = half_at(p + 108);
    const uint8_t* six = p + 96;  // low 4 bits: nibbles of 8 bytes; upper 2: of the 4 bytes behind
    for (int g = 0; g < 16; g++) {
      const int low = g < 8 ? six[g] & 15 : six[g - 8] >> 4, high = six[8 + g % 4] >> 2 * (g / 4) & 3;
      s[g] = d * float((low | high << 4) - 32);
    }
    for (int j = 0; j < 8; j++, codes += 32) {
#pragma GCC ivdep
      for (int l = 0; l < 32; l++) {
        const uint8_t low = p[32 + 32 * (j / 4) + l] >> 2 * (j % 4) & 3, third = p[l] >> j & 1;
        codes[l] = int8_t(low + 4 * third - 4);
      }
    }
  }
};

// 8 scales and 8 minima of 6 bits in 12 bytes: the first four of each have a byte, whose upper 2 bits belong to the
// last four, which have their low 4 bits in the last 4 bytes.
MELIX_QUANT_FN void scales_and_minima(const uint8_t* p, float* s, float* b) {
  const float d = half_at(p), dmin = half_at(p + 2);
  const uint8_t* six = p + 4;
  for (int g = 0; g < 4; g++) {
    s[g] = d * float(six[g] & 63);
    b[g] = -(dmin * float(six[g + 4] & 63));
    s[g + 4] = d * float((six[g + 8] & 15) | six[g] >> 6 << 4);
    b[g + 4] = -(dmin * float(six[g + 8] >> 4 | six[g + 4] >> 6 << 4));
  }
}
struct Q4K : Blocks<Q4K, 256, 144, 32, true> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float* b) {
    scales_and_minima(p, s, b);
    for (int q = 0; q < 4; q++, codes += 64) {
#pragma GCC ivdep
      for (int l = 0; l < 32; l++) {
        const uint8_t both = p[16 + 32 * q + l];
        codes[l] = int8_t(both & 15), codes[l + 32] = int8_t(both >> 4);
      }
    }
  }
};
struct Q5K : Blocks<Q5K, 256, 176, 32, true> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float* b) {
    scales_and_minima(p, s, b);
    for (int q = 0; q < 4; q++, codes += 64) {
#pragma GCC ivdep
      for (int l = 0; l < 32; l++) {
        const uint8_t both = p[48 + 32 * q + l], fifth = uint8_t(p[16 + l] >> 2 * q);
        codes[l] = int8_t((both & 15) | (fifth & 1) << 4),
        codes[l + 32] = int8_t(both >> 4 | (fifth & 2) << 3);
      }
    }
  }
};
struct Q6K : Blocks<Q6K, 256, 210, 16, false> {
  MELIX_QUANT_FN void block(const uint8_t* p, int8_t* codes, float* s, float*) {
    const float d = half_at(p + 208);
    for (int g = 0; g < 16; g++) s[g] = d * float(int8_t(p[192 + g]));
    for (int half = 0; half < 2; half++, codes += 128) {
      const uint8_t *low = p + 64 * half, *high = p + 128 + 32 * half;
#pragma GCC ivdep
      for (int l = 0; l < 32; l++) {
        codes[l] = int8_t(((low[l] & 15) | (high[l] & 3) << 4) - 32);
        codes[l + 32] = int8_t(((low[l + 32] & 15) | (high[l] >> 2 & 3) << 4) - 32);
        codes[l + 64] = int8_t((low[l] >> 4 | (high[l] >> 4 & 3) << 4) - 32);
        codes[l + 96] = int8_t((low[l + 32] >> 4 | high[l] >> 6 << 4) - 32);
      }
    }
  }
};

/// Calls body(F()) with the decoder of the format, for weights of this group size.
template <class Body>
MELIX_QUANT_FN void with_decoder(QuantFormat format, [[maybe_unused]] int64_t group, Body body) {
  switch (format) {
#define MELIX_AFFINE(bits)        \
  case QuantFormat::affine##bits: \
    return group == 32 ? body(Affine<bits, 32>()) : body(Affine<bits, 64>());
    MELIX_AFFINE(1)
    MELIX_AFFINE(2)
    MELIX_AFFINE(3)
    MELIX_AFFINE(4)
    MELIX_AFFINE(5)
    MELIX_AFFINE(6)
    MELIX_AFFINE(8)
#undef MELIX_AFFINE
#define MELIX_DECODER(name, type) \
  case QuantFormat::name:         \
    return body(type());
    MELIX_DECODER(mxfp4, Mxfp4)
    MELIX_DECODER(nvfp4, Nvfp4)
    MELIX_DECODER(mxfp8, Mxfp8)
    MELIX_DECODER(q4_0, Q4_0)
    MELIX_DECODER(q4_1, Q4_1)
    MELIX_DECODER(q5_0, Q5_0)
    MELIX_DECODER(q5_1, Q5_1)
    MELIX_DECODER(q8_0, Q8_0)
    MELIX_DECODER(q2_k, Q2K)
    MELIX_DECODER(q3_k, Q3K)
    MELIX_DECODER(q4_k, Q4K)
    MELIX_DECODER(q5_k, Q5K)
    MELIX_DECODER(q6_k, Q6K)
    MELIX_DECODER(mxfp4_blocks, Mxfp4Blocks)
#undef MELIX_DECODER
  }
}

/// A part so many elements behind another, in the same row.
MELIX_QUANT_FN QuantPart part_at(const QuantLayout& l, const QuantPart& p, int64_t elements) {
  const QuantFacts& f = facts_of(l.format);
  const int64_t scale_bytes = f.kind == QuantKind::blocks   ? 0
                              : f.kind == QuantKind::affine ? int64_t(size_of(l.dtype))
                                                            : 1;
  const int64_t at = elements / l.group * scale_bytes;
  return {p.packed + elements / f.elements * f.bytes, p.scales + at,
          f.kind == QuantKind::affine ? p.biases + at : nullptr};
}

}  // namespace
}  // namespace melix::cpu::MELIX_ISA
