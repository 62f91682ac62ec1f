// Plan: what has to run to get some arrays, in order: fused regions, kernels and views over numbered slots.
// A plan is built once from the graph (fuse.cpp); eval runs it once, compile keeps it and runs it again and again.
//
//   graph          plan                                    frame (one View per slot)
//   x  y           slot 0: x, slot 1: y                    filled by the caller
//   a = x * y      region(0, 1) -> 2   {multiply, add}     memory laid out by prepare, before anything runs
//   b = a + 1
//   c = sum(b)     kernel sum(2) -> 3
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/graph/node.h"
#include "melix/graph/region.h"

namespace melix {

inline constexpr uint32_t kNone = ~0u;

struct Step {
  enum class Kind : uint8_t { region, kernel, view, plan } kind;
  const Op* op = nullptr;            // kernel, view, plan
  Kernel kernel = nullptr;           // kernel
  Ref<const Attrs> attrs{};          // kernel, view, plan
  std::unique_ptr<Region> region{};  // region, and kernels that take one
  Shape shape{};                     // of the region
  Stream stream{};
  SmallVector<uint32_t, 4> inputs{};   // slots
  SmallVector<uint32_t, 2> outputs{};  // slots
  SmallVector<uint32_t, 4> dead{};     // slots nobody reads after this step
};

struct Slot {
  Shape shape;
  Dtype dtype;
  bool kept = false;   // somebody outside wants it: never donated nor released before the end
  bool owned = false;  // for inputs: nobody outside holds it, its memory may be reused after its last use
};

/// A result to hand out: slot `slot` is result `index` of `node`.
struct Result {
  uint32_t slot;
  Node* node;
  uint32_t index;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Slot> slots;
  std::vector<Result>
      inputs;            // slots to fill before running, with the nodes that hold the values: arguments first
  size_t arguments = 0;  // so many of them
  std::vector<uint32_t> targets;       // slots of the targets
  std::vector<Result> results;         // slots to hand out after running
  std::vector<Node*> scheduled;        // nodes that this plan computes, materialised or not
  std::vector<Ref<Completion>> waits;  // plans in flight that compute some of the inputs
  std::vector<array> keep_alive;       // targets and decompositions
};

/// What keeps a value alive beyond its last use in a plan.
enum class Keep : uint8_t {
  held,     // targets, and whatever somebody outside holds a handle of (eval)
  targets,  // targets alone (compile: the trace holds handles of everything)
};

/// The plan of the targets. Placeholders in `arguments` become its first inputs; any other placeholder is an error.
/// The caller holds the planning lock (the planner's scratch is in the nodes).
Plan make_plan(std::span<const array> targets, std::span<const array> arguments, Keep keep);

/// Attributes of an operation of OpClass::plan.
class PlanAttrs : public Attrs {
 public:
  virtual const Plan& plan() const = 0;
};

/// A copy made before a step: of its input number `input` into a layout the step can read, or (-1) of an output's
/// start.
struct Copy {
  uint32_t step;
  int input;
  View from, to;
};

/// One execution of a plan: where its slots are.
struct Frame {
  std::vector<View> views;            // by slot; the caller fills those of the inputs
  std::vector<bool> owned;            // arguments whose memory may be reused after their last use
  std::vector<Copy> copies;           // by step
  std::vector<Frame> inner;           // of the steps that are plans, in order
  std::vector<Ref<Buffer>> arena;     // memory of the slots between inputs and results
  std::vector<uint32_t> overwritten;  // input slots whose memory was given to others
};

/// Fills the slots of the inputs behind the arguments; false when one has no value (its evaluation failed elsewhere).
bool fill_captured(const Plan& plan, Frame& frame);

/// Lays out the memory of every slot; nothing has run yet when an allocation fails.
void prepare(const Plan& plan, Frame& frame);

/// Runs a prepared plan.
void run(const Plan& plan, Frame& frame);

/// Bytes that kernels read and wrote, and kernels run, since the start of the process. For tests and profiling.
struct Traffic {
  uint64_t read = 0, written = 0, kernels = 0;
};
Traffic traffic();

}  // namespace melix
