// The table of one instruction set.
#include "melix/backend/cpu/simd/simd.h"

namespace melix::cpu::MELIX_ISA {

#define MELIX_SIMD(result, function, arguments) result function arguments;
#include "melix/backend/cpu/simd/functions.inc"
#undef MELIX_SIMD

#define MELIX_TEXT2(x) #x
#define MELIX_TEXT(x) MELIX_TEXT2(x)
#define MELIX_SIMD(result, function, arguments) .function = function,
extern const Simd table;
const Simd table{
    .name = MELIX_TEXT(MELIX_ISA),
#include "melix/backend/cpu/simd/functions.inc"
};
#undef MELIX_SIMD

}  // namespace melix::cpu::MELIX_ISA
