// The table of a backend: everything the executor asks of a device. A backend sees core, graph and the declarations of
// operations; nothing but registry.cpp sees a backend.
#pragma once

#include <span>

#include "melix/graph/op.h"
#include "melix/graph/region.h"

namespace melix {

/// What a kernel gets: inputs that fit its operation's layout, outputs with memory.
struct Call {
  const Attrs* attrs;
  std::span<const View> inputs;
  std::span<View> outputs;
  /// For operations that take a region: how input 0 is made, block by block, from the first inputs, which broadcast to
  /// `region_shape`; the operation's inputs 1, 2, ... follow them. Null: input 0 is inputs[0].
  const Region* region = nullptr;
  const Shape* region_shape = nullptr;
};
using Kernel = void (*)(const Call&);

struct Backend {
  const char* name;
  /// The kernel of an operation, or null: the executor takes the decomposition.
  Kernel (*kernel)(const Op& op);
  /// Evaluates a region over `shape`: inputs broadcast to it, outputs are row-major and may share memory with an input
  /// of the same layout that is not read any more (donation).
  void (*run_region)(const Region& region, const Shape& shape, std::span<const View> inputs,
                     std::span<View> outputs);
  /// Copies elements of one dtype between windows of one shape.
  void (*copy)(const View& from, View& to);
  /// The instruction set or device in words, as MELIX_CPU would name it.
  const char* (*description)();
};

/// The backend of a device. Throws Code::value when the machine has none.
const Backend& backend_of(Device device);

/// The operation of a name (from graph/ops.inc, or registered), null where there is none; and all of graph/ops.inc.
const Op* find_op(std::string_view name);
std::span<const Op* const> all_ops();

/// Makes an operation from outside of the library known: by its name, for files of exported functions, and with its
/// kernel for one kind of device. Call it once for each kind, before the operation is evaluated; the operation and the
/// kernel must stay where they are until the process ends. A null kernel is for operations that have a decomposition,
/// and for views. Any thread may call it.
/// Throws Code::value where the description is not complete, the name is taken, or the pair has a kernel already.
void register_op(const Op& op, DeviceType device, Kernel kernel);

/// The kernel that register_op got, or null. For the tables of backends.
Kernel registered_kernel(const Op& op, DeviceType device);

}  // namespace melix
