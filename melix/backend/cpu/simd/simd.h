// The functions compiled per instruction set, as one table chosen when the process starts. The files that define them
// include types.h alone: a new row compiles the table anew, not every kernel.
#pragma once

#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu {

struct Simd {
  const char* name;
#define MELIX_SIMD(result, function, arguments) result(*function) arguments;
#include "melix/backend/cpu/simd/functions.inc"
#undef MELIX_SIMD
};

/// The table of the instruction set in use: the best the processor has, or what MELIX_CPU names (sse4, avx2, avx512).
const Simd& simd();

/// Declares the functions of one instruction set, for the files that define them.
#define MELIX_ISA_ROW(isa) \
  namespace isa {          \
  extern const Simd table; \
  }
#include "melix/backend/cpu/isas.inc"
#undef MELIX_ISA_ROW

}  // namespace melix::cpu
