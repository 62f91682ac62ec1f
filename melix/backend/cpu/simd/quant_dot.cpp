// Products of up to 8 rows of x with rows of a quantized weight, which is read once: the decode step of a language
// model. Codes are unpacked in pieces of kQuantChunk that stay in L1, and meet x in float32:
//
//   for each step of codes with one scale:  part = sum of x * code     (one vector for each row of x)
//                                           sum += scale * part
//   biases:                                 sum += bias * (sum of x in the step), 16 steps at a time
//
// The order of summation depends on k and the format alone.
#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/quant_codes.h"

namespace melix::cpu::MELIX_ISA {
namespace {

using V = Vector<float>;
constexpr int kL = Native<float>::kLanes;
constexpr int kSums =
    16 / kL;  // vectors of running sums of one dot product: 16 lanes on every instruction set

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

MELIX_PRODUCT V widened(const float* codes) { return load(codes); }
MELIX_PRODUCT V widened(const int8_t* codes) {
#if defined(__AVX512F__)
  __m128i bytes;
  __builtin_memcpy(&bytes, codes, sizeof(bytes));
  // With a mask of all lanes: without one GCC 12 warns about its own undefined operand.
  return V(_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, bytes)));
#elif defined(__AVX2__)
  __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  return V(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
#elif defined(__SSE4_1__)
  int four;
  __builtin_memcpy(&four, codes, sizeof(four));
  return V(_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four))));
#else
  V out;
  for (int i = 0; i < kL; i++) out[i] = float(codes[i]);
  return out;
#endif
}

// One step of codes meets kM rows of x.
template <class Code, int kStep, int kM, int kChains>
MELIX_PRODUCT void step_dots(const Code* codes, float scale, const float* const (&rows)[kM], int64_t at,
                             V (&sum)[kM][kChains][kSums], int chain) {
  V part[kM][kSums] = {};
#pragma GCC unroll 4
  for (int i = 0; i < kStep; i += 16) {
#pragma GCC unroll 4
    for (int v = 0; v < kSums; v++) {
      const int64_t from = at + i + v * kL;
      const V code = widened(codes + from);
#pragma GCC unroll 4
      for (int m = 0; m < kM; m++) part[m][v] = multiply_add(load(rows[m] + from), code, part[m][v]);
    }
  }
  const V by = splat(scale);
#pragma GCC unroll 4
  for (int m = 0; m < kM; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < kSums; v++) sum[m][chain][v] = multiply_add(part[m][v], by, sum[m][chain][v]);
  }
}

// kM rows of x and n codes. One row would wait for each sum before the next (4 cycles a step): its steps take turns
// with as many sums as there are registers for.
template <class Code, int kStep, int kM>
MELIX_PRODUCT void chunk_dots(const Code* codes, const float* scales, int64_t n, const float* const* x,
                              int64_t at, float (*sums)[16]) {
  constexpr int kChains = kM == 1 ? 4 / kSums : 1;
  V sum[kM][kChains][kSums] = {};
  const float* rows[kM];
  for (int m = 0; m < kM; m++) rows[m] = x[m] + at;
  const int64_t steps = n / kStep;
  int64_t g = 0;
  for (; g + kChains <= steps; g += kChains) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; c++) {
      step_dots<Code, kStep, kM, kChains>(codes, scales[g + c], rows, (g + c) * kStep, sum, c);
    }
  }
  for (; g < steps; g++) step_dots<Code, kStep, kM, kChains>(codes, scales[g], rows, g * kStep, sum, 0);
  for (int m = 0; m < kM; m++) {
    for (int v = 0; v < kSums; v++) {
      for (int c = 1; c < kChains; c++) sum[m][0][v] += sum[m][c][v];
      store(sums[m] + v * kL, load(sums[m] + v * kL) + sum[m][0][v]);
    }
  }
}

// Adds biases times sums of x. Codes were `zero` too small, and count in units.
MELIX_PRODUCT void add_biases(const float* scales, const float* biases, int64_t n, float zero,
                              const QuantDots& t, int64_t at, float (*sums)[16]) {
  const V by = splat(zero);
  for (int64_t g = 0; g < n; g += 16) {
    for (int v = 0; v < kSums; v++) {
      const V bias = multiply_add(load(scales + g + v * kL), by, load(biases + g + v * kL));
      for (int64_t m = 0; m < t.m; m++) {
        float* sum = sums[m] + v * kL;
        store(sum, multiply_add(bias, load(t.sums[m] + at + g + v * kL), load(sum)));
      }
    }
  }
}

MELIX_PRODUCT float folded_lanes(float* lanes) {
  for (int d = 8; d > 0; d /= 2) {
    for (int i = 0; i < d; i++) lanes[i] += lanes[i + d];
  }
  return lanes[0];
}

template <class F>
void dots_of(const QuantDots& t) {
  constexpr int64_t kSteps = kQuantChunk / F::kStep;
  alignas(64) typename F::Code codes[kQuantChunk];
  alignas(64) float scales[kSteps], biases[kSteps], sums[kQuantRows][16];
  const QuantLayout& layout = *t.layout;
  QuantPart row = t.first;
  for (int64_t r = 0; r < t.rows; r++) {
    __builtin_memset(sums, 0, size_t(t.m) * sizeof(sums[0]));
    for (int64_t p = 0; p < t.k; p += kQuantChunk) {
      const int64_t n = min(kQuantChunk, t.k - p);
      F::decode(layout, part_at(layout, row, p), n, codes, scales, biases);
      int64_t m = 0;
      for (; m + 4 <= t.m; m += 4)
        chunk_dots<typename F::Code, F::kStep, 4>(codes, scales, n, t.x + m, p, sums + m);
      for (; m < t.m; m++) chunk_dots<typename F::Code, F::kStep, 1>(codes, scales, n, t.x + m, p, sums + m);
      if constexpr (F::kBiased) {
        const int64_t steps = n / F::kStep;
        for (int64_t g = steps; g % 16; g++) scales[g] = biases[g] = 0;
        add_biases(scales, biases, steps, F::kZero, t, p / F::kStep, sums);
      }
    }
    for (int64_t m = 0; m < t.m; m++) t.y[m * t.y_row + r] = folded_lanes(sums[m]) * F::kUnit;
    row.packed += layout.row_bytes, row.scales += layout.row_scales, row.biases += layout.row_scales;
  }
}

}  // namespace

void quant_dots(const QuantDots& t) {
  with_decoder(t.layout->format, t.layout->group, [&](auto decoder) { dots_of<decltype(decoder)>(t); });
}

int64_t quant_step(QuantFormat format, int64_t group) {
  int64_t step = 0;
  with_decoder(format, group, [&](auto decoder) { step = decltype(decoder)::kStep; });
  return step;
}

void quant_sums(const float* x, int64_t k, int64_t step, float* sums) {
  const int64_t n = k / step;
  for (int64_t g = 0; g < n; g++) {
    float lanes[16] = {};
    for (int64_t i = 0; i < step; i += 16) {
      for (int l = 0; l < 16; l++) lanes[l] += x[g * step + i + l];
    }
    sums[g] = folded_lanes(lanes);
  }
  for (int64_t g = n; g % kQuantPad; g++) sums[g] = 0;
}

}  // namespace melix::cpu::MELIX_ISA
