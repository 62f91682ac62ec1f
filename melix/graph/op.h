// What an operation declares: its name, its class and its rules. An operation is known by the address of its Op.
// Only the registry, the backends' tables and the documentation tool know the list of all (ops.inc).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "melix/graph/node.h"

namespace melix {

/// Shape and dtype of a result that is not computed yet.
struct Aval {
  Shape shape;
  Dtype dtype;
};
using Avals = SmallVector<Aval, 1>;

/// A gradient or tangent; absent means zero.
using MaybeArray = std::optional<array>;

enum class OpClass : uint8_t {
  elementwise,  // a row of ops/elementwise.inc: fused into regions
  view,         // another window on the input's buffer; no kernel runs when the window exists
  kernel,       // one kernel of the backend, or the decomposition
  plan,         // a compiled function: its attributes are a PlanAttrs (transforms/compile/plan.h)
};

/// What a kernel asks of its inputs; the executor copies what does not fit.
enum class InputLayout : uint8_t { any, row_major };

struct VjpContext {
  const Attrs* attrs;
  std::span<const array> inputs;
  std::span<const array> outputs;
  std::span<const array> cotangents;  // one per output, zeros where nothing came
  std::span<const bool> wanted;       // inputs whose gradient is asked for
};

struct JvpContext {
  const Attrs* attrs;
  std::span<const array> inputs;
  std::span<const array> outputs;
  std::span<const MaybeArray> tangents;  // one per input
};

/// Inputs with a batch have it as axis 0; every output must come back with the batch as axis 0.
struct VmapContext {
  const Attrs* attrs;
  std::span<const array> inputs;
  std::span<const bool> batched;
  int64_t batch;
  /// Input i with the batch as axis 0, repeated if it had none (a view).
  array with_batch(size_t i) const;
};

struct Op {
  const char* name;
  OpClass kind = OpClass::kernel;

  /// Checks the inputs against the attributes and says what comes out; throws with this operation's name.
  void (*infer)(const Attrs* attrs, std::span<const array> inputs, Avals& out) = nullptr;

  /// Gradients of the wanted inputs (absent: zero). Null: from the decomposition; without one, an error.
  std::vector<MaybeArray> (*vjp)(const VjpContext&) = nullptr;
  /// Tangents of the outputs. Null: from vjp, applied twice.
  std::vector<MaybeArray> (*jvp)(const JvpContext&) = nullptr;
  /// Null: from the decomposition; without one, an error.
  std::vector<array> (*vmap)(const VmapContext&) = nullptr;
  /// The same result from other operations.
  std::vector<array> (*decompose)(const Attrs* attrs, std::span<const array> inputs) = nullptr;

  /// For views: the windows on the inputs' buffers; false when there is none (the kernel or a copy does it).
  bool (*view)(const Attrs* attrs, std::span<const View> inputs, std::span<View> outputs) = nullptr;

  /// The struct of the attributes, for import; null: the operation has none.
  Ref<const Attrs> (*read_attrs)(const AttrList&) = nullptr;

  /// Inputs there must be at least; fewer are refused when a call comes from a file.
  uint8_t least_inputs = 1;
  InputLayout layout = InputLayout::row_major;
  /// Output 0 starts as input 0 (the same buffer when nobody else needs it) and the kernel changes it.
  bool updates_input = false;
  /// Input 0 may arrive as a fused region that the kernel evaluates block by block.
  bool takes_region = false;
  /// Row of ops/elementwise.inc, for OpClass::elementwise.
  int16_t elementwise = -1;
};

/// A call of an operation in the graph: infers, then makes the node. Inputs have their final dtypes.
array make(const Op& op, Ref<const Attrs> attrs, Inputs inputs, StreamOrDevice s = {});
/// The same for operations of several results.
std::vector<array> make_all(const Op& op, Ref<const Attrs> attrs, Inputs inputs, StreamOrDevice s = {});

/// The tangent rule of an operation that is linear in all its inputs together: the operation of the tangents.
std::vector<MaybeArray> linear_jvp(const Op& op, const JvpContext& context);

/// The one call that goes upward, set by the layer above when the library is loaded.
struct Upward {
  void (*evaluate)(std::span<const array> arrays) = nullptr;
};
extern Upward upward;

}  // namespace melix
