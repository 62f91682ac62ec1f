// The backends of this machine, and the operations by name.
#include <map>
#include <mutex>
#include <shared_mutex>
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

namespace {

// Operations from outside.
struct Registered {
  std::shared_mutex mutex;
  std::map<std::string_view, const Op*> by_name;
  std::map<std::pair<const Op*, DeviceType>, Kernel> kernels;
};
Registered& registered() {
  static auto* all = new Registered;  // threads may ask for as long as the process lives
  return *all;
}

const Op* find_own(std::string_view name) {
  static const auto* by_name = [] {
    auto* map = new std::unordered_map<std::string_view, const Op*>;
    for (const Op* op : all_ops()) map->emplace(op->name, op);
    return map;
  }();
  auto found = by_name->find(name);
  return found == by_name->end() ? nullptr : found->second;
}

}  // namespace

const Op* find_op(std::string_view name) {
  if (const Op* own = find_own(name)) return own;
  Registered& all = registered();
  std::shared_lock lock(all.mutex);
  auto found = all.by_name.find(name);
  return found == all.by_name.end() ? nullptr : found->second;
}

void register_op(const Op& op, DeviceType device, Kernel kernel) {
  const char* self = "register_op";
  if (!op.name || !*op.name) fail(Code::value, self, "the operation has no name");
  if (!op.infer) fail(Code::value, self, op.name, " has no rule infer");
  if (op.kind != OpClass::kernel && op.kind != OpClass::view)
    fail(Code::value, self, op.name, " must be of the class kernel or view");
  if (op.kind == OpClass::view ? !op.view : !kernel && !op.decompose)
    fail(Code::value, self, op.name,
         op.kind == OpClass::view ? " has no rule view" : " has neither kernel nor decomposition");
  if (find_own(op.name)) fail(Code::value, self, "the library has an operation ", op.name, " of its own");
  Registered& all = registered();
  std::unique_lock lock(all.mutex);
  auto same = all.by_name.find(op.name);
  if (same != all.by_name.end() && same->second != &op)
    fail(Code::value, self, "another operation is registered as ", op.name);
  if (!all.kernels.emplace(std::pair(&op, device), kernel).second)
    fail(Code::value, self, op.name, " is registered for ", Device{device, 0}, " already");
  all.by_name.emplace(op.name, &op);
}

Kernel registered_kernel(const Op& op, DeviceType device) {
  Registered& all = registered();
  std::shared_lock lock(all.mutex);
  auto found = all.kernels.find({&op, device});
  return found == all.kernels.end() ? nullptr : found->second;
}

}  // namespace melix
