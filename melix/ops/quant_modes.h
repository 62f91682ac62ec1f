// The quantized formats of quant_modes.inc as numbers and facts, for rules and kernels alike. No functions with code:
// files compiled per instruction set include this.
#pragma once

#include <cstdint>

namespace melix {

enum class QuantKind : uint8_t { affine, e8m0, e4m3, blocks };

enum class QuantFormat : uint8_t {
#define MELIX_QUANT(name, ...) name,
#include "melix/ops/quant_modes.inc"
#undef MELIX_QUANT
};

struct QuantFacts {
  const char* mode;
  QuantKind kind;
  int bits, elements, bytes, group;
  bool biased;
  float unit;
};

inline constexpr QuantFacts kQuantFacts[] = {
#define MELIX_QUANT(name, mode, kind, bits, elements, bytes, group, biased, unit) \
  {mode, QuantKind::kind, bits, elements, bytes, group, biased, unit},
#include "melix/ops/quant_modes.inc"
#undef MELIX_QUANT
};
inline constexpr int kQuantFormats = int(sizeof(kQuantFacts) / sizeof(kQuantFacts[0]));

constexpr const QuantFacts& facts_of(QuantFormat format) { return kQuantFacts[int(format)]; }

}  // namespace melix
