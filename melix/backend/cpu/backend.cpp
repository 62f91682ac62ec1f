// The CPU's table.

#include <unordered_map>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"

namespace melix {

namespace op {
#define MELIX_OP(name, cpu) extern const Op name;
#include "melix/graph/ops.inc"
#undef MELIX_OP
}  // namespace op

namespace cpu {

// The kernels: melix::cpu::<name>(const Call&) for every row whose cell says so.
#define MELIX_CELL_kernel(name) void name(const Call& call);
#define MELIX_CELL_region(name)
#define MELIX_CELL_view(name)
#define MELIX_CELL_decompose(name)
#define MELIX_CELL_plan(name)
#define MELIX_OP(name, cpu) MELIX_CELL_##cpu(name)
#include "melix/graph/ops.inc"
#undef MELIX_CELL_kernel

namespace {

const std::unordered_map<const Op*, Kernel>& kernels() {
  static const auto* table = new std::unordered_map<const Op*, Kernel>{
#define MELIX_CELL_kernel(name) {&op::name, name},
#include "melix/graph/ops.inc"
#undef MELIX_OP
#undef MELIX_CELL_kernel
#undef MELIX_CELL_region
#undef MELIX_CELL_view
#undef MELIX_CELL_decompose
#undef MELIX_CELL_plan
  };
  return *table;
}

Kernel kernel_of(const Op& op) {
  auto found = kernels().find(&op);
  return found == kernels().end() ? registered_kernel(op, DeviceType::cpu) : found->second;
}

}  // namespace

extern const Backend backend;
const Backend backend{
    .name = "cpu", .kernel = kernel_of, .run_region = run_region, .copy = copy, .description = [] {
      return simd().name;
    }};

}  // namespace cpu
}  // namespace melix
