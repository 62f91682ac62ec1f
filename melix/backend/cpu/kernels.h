// Declares the CPU's kernel of every operation whose cell in graph/ops.inc says `kernel`: melix::cpu::<name>(const Call&).
#pragma once

#include "melix/backend/backend.h"

namespace melix::cpu {

#define MELIX_CELL_kernel(name) void name(const Call& call);
#define MELIX_CELL_region(name)
#define MELIX_CELL_view(name)
#define MELIX_CELL_decompose(name)
#define MELIX_CELL_plan(name)
#define MELIX_OP(name, cpu) MELIX_CELL_##cpu(name)
#include "melix/graph/ops.inc"
#undef MELIX_OP
#undef MELIX_CELL_kernel
#undef MELIX_CELL_region
#undef MELIX_CELL_view
#undef MELIX_CELL_decompose
#undef MELIX_CELL_plan

}  // namespace melix::cpu
