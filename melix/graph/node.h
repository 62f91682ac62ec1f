// Node: one call of an operation in the graph. Immutable but for its results, which are set once, and for the inputs,
// which are dropped when the results are there (unless a transform still traces through it).
#pragma once

#include <atomic>

#include "melix/graph/array.h"
#include "melix/graph/attrs.h"
#include "melix/graph/completion.h"

namespace melix {

struct Op;
using Inputs = SmallVector<array, 3>;

enum class State : uint8_t {
  lazy,       // not computed
  scheduled,  // part of a plan in flight; `completion` says when it is over
  ready,      // results have buffers
};

struct Node : RefCounted {
  const Op* op = nullptr;  // null: born with its results, or a placeholder of a trace
  Ref<const Attrs> attrs;
  Inputs inputs;
  SmallVector<View, 1> results;  // shape and dtype from the start, buffer and strides when ready
  Stream stream;
  std::atomic<State> state{State::lazy};
  bool traced = false;  // a transform may walk through this node: keeps its inputs while one is active

  // Scratch of the planner, touched under the planning lock alone.
  uint32_t plan = 0;   // number of the plan that last visited the node
  uint32_t entry = 0;  // the node's place in that plan
  Ref<Completion> completion;
  Node* next_dying = nullptr;  // see destroy

  /// An argument of a trace: it has no value and no way to one.
  bool placeholder() const { return op == nullptr && state.load(std::memory_order_relaxed) == State::lazy; }
  bool ready() const { return state.load(std::memory_order_acquire) == State::ready; }

  /// Frees the node and everything that only it holds, without recursion (graphs may be millions deep).
  static void destroy(Node* node) noexcept;
};

/// A node without an operation or value: an argument of a traced function.
array make_placeholder(const Shape& shape, Dtype dtype);

/// While one lives on any thread, traced nodes keep their inputs after evaluation.
class TraceScope {
 public:
  TraceScope();
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;
  static bool active();
};

inline const Shape& array::shape() const { return node_->results[index_].shape; }
inline Dtype array::dtype() const { return node_->results[index_].dtype; }
inline bool array::ready() const { return node_->ready(); }
inline array::array(const array&) = default;
inline array::array(array&&) noexcept = default;
inline array& array::operator=(const array&) = default;
inline array& array::operator=(array&&) noexcept = default;
inline array::~array() = default;

}  // namespace melix
