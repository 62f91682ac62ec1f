// Values of quantized weights: for dequantize, in the steps and roundings of its definition, and for panels that are
// multiplied as float32 or float64. Also the 8-bit floats by themselves.
#include "melix/backend/cpu/simd/quant_codes.h"

namespace melix::cpu::MELIX_ISA {

void round_to(Dtype half, float* values, int64_t n);  // convert.cpp

namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// scale * code + bias, rounded to the 16-bit type after each step (float32: not at all).
template <class F>
void rounded(const typename F::Code* codes, float* s, float* b, int64_t n, Dtype round, float* to) {
  const int64_t steps = n / F::kStep;
  const bool half = round != float32;
  if (half) round_to(round, s, steps);
  for (int64_t g = 0; g < steps; g++) {
    const float scale = s[g];
    for (int i = 0; i < F::kStep; i++) {
      to[g * F::kStep + i] = scale * ((float(codes[g * F::kStep + i]) + F::kZero) * F::kUnit);
    }
  }
  if (half) round_to(round, to, n);
  if (!F::kBiased) return;
  for (int64_t g = 0; g < steps; g++) {
    const float bias = b[g];
    for (int i = 0; i < F::kStep; i++) to[g * F::kStep + i] += bias;
  }
  if (half) round_to(round, to, n);
}

// In double, of affine weights whose scales are doubles.
template <class F>
void wide(const QuantLayout& l, const QuantPart& p, const typename F::Code* codes, int64_t n, double* to) {
  for (int64_t g = 0; g < n / F::kStep; g++) {
    double scale, bias;
    const int64_t at = g * F::kStep / l.group * 8;
    __builtin_memcpy(&scale, p.scales + at, 8);
    __builtin_memcpy(&bias, p.biases + at, 8);
    for (int i = 0; i < F::kStep; i++) {
      to[g * F::kStep + i] = scale * (double(codes[g * F::kStep + i]) + double(F::kZero)) + bias;
    }
  }
}

template <class F>
void values_of(const QuantLayout& l, const QuantPart& part, int64_t n, Dtype round, void* to, Dtype dtype) {
  constexpr int64_t kSteps = kQuantChunk / F::kStep;
  alignas(64) typename F::Code codes[kQuantChunk];
  alignas(64) float scales[kSteps], biases[kSteps], values[kQuantChunk];
  for (int64_t p = 0; p < n; p += kQuantChunk) {
    const int64_t length = min(kQuantChunk, n - p);
    const QuantPart from = part_at(l, part, p);
    F::decode(l, from, length, codes, scales, biases);
    float* y = dtype == float32 ? static_cast<float*>(to) + p : values;
    if constexpr (F::kZero > 0) {
      if (dtype == float64 && l.dtype == float64) {
        wide<F>(l, from, codes, length, static_cast<double*>(to) + p);
        continue;
      }
    }
    rounded<F>(codes, scales, biases, length, round, y);
    if (dtype == float64) {
      for (int64_t i = 0; i < length; i++) static_cast<double*>(to)[p + i] = double(values[i]);
    }
  }
}

}  // namespace

void quant_values(const QuantLayout& l, const QuantPart& part, int64_t n, Dtype round, void* to,
                  Dtype dtype) {
  with_decoder(l.format, l.group,
               [&](auto decoder) { values_of<decltype(decoder)>(l, part, n, round, to, dtype); });
}

void fp8_decode(const uint8_t* from, int64_t n, float* to) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] = e4m3(from[i]);
}

}  // namespace melix::cpu::MELIX_ISA
