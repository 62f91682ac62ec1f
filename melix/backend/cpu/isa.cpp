// Chooses the instruction set: the best one built that the processor has, or what MELIX_CPU asks for.
#include <cstdlib>
#include <string_view>

#include "melix/backend/cpu/simd/simd.h"

namespace melix::cpu {
namespace {

bool supported(std::string_view isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == "avx512") return __builtin_cpu_supports("x86-64-v4");
  if (isa == "avx2") return __builtin_cpu_supports("x86-64-v3");
  return __builtin_cpu_supports("x86-64-v2");
#else
  return isa == "baseline";
#endif
}

const Simd* const kTables[] = {
// best first
#define MELIX_ISA_ROW(isa) &isa::table,
#include "melix/backend/cpu/isas.inc"
#undef MELIX_ISA_ROW
};

// A name that is not known or not supported asks for nothing: the best is taken.
const Simd* choose() {
  const char* asked = std::getenv("MELIX_CPU");
  const Simd* best = nullptr;
  for (const Simd* table : kTables) {
    if (!supported(table->name)) continue;
    if (!best) best = table;
    if (asked && std::string_view(asked) == table->name) return table;
  }
  return best ? best : kTables[std::size(kTables) - 1];
}

}  // namespace

const Simd& simd() {
  static const Simd* const chosen = choose();
  return *chosen;
}

}  // namespace melix::cpu
