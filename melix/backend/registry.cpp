// The backends of this machine, and the operations by name.
#include <unordered_map>

#include "melix/backend/backend.h"

namespace melix {

namespace cpu {
extern const Backend backend;
}

namespace op {
#define MELIX_OP(name, ...) extern const Op name;
#include "melix/graph/ops.inc"
#undef MELIX_OP
}  // namespace op

const Backend& backend_of(Device device) {
  if (device.type == DeviceType::cpu) return cpu::backend;
  fail(Code::value, "device", device, " has no backend in this build");
}

std::span<const Op* const> all_ops() {
  static const Op* const ops[] = {
#define MELIX_OP(name, ...) &op::name,
#include "melix/graph/ops.inc"
#undef MELIX_OP
  };
  return ops;
}

const Op* find_op(std::string_view name) {
  static const auto* by_name = [] {
    auto* map = new std::unordered_map<std::string_view, const Op*>;
    for (const Op* op : all_ops()) map->emplace(op->name, op);
    return map;
  }();
  auto found = by_name->find(name);
  return found == by_name->end() ? nullptr : found->second;
}

}  // namespace melix
