// Tape: the part of a traced graph that depends on given arrays, producers first. Transforms walk it.
#pragma once

#include <unordered_map>

#include "melix/graph/op.h"

namespace melix {

class Tape {
 public:
  /// The nodes between `inputs` (tracers or placeholders) and `outputs`. Without recursion: graphs may be deep.
  Tape(std::span<const array> inputs, std::span<const array> outputs);
  /// Lets nodes that were evaluated while they were traced drop their inputs, when no transform is active any more.
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Nodes that depend on an input (inputs themselves not), producers first.
  const std::vector<Ref<Node>>& nodes() const { return nodes_; }
  /// Whether an array depends on an input or is one.
  bool depends(const array& a) const { return depends(&a.node()); }

  /// Calls the nodes' operations again on other inputs, and gives what became of `outputs`. What does not depend on the
  /// inputs is shared. Shapes and dtypes may differ from the traced ones.
  std::vector<array> replay(std::span<const array> inputs) const;

 private:
  bool depends(const Node* node) const;
  void walk(Node* root);

  std::vector<array> inputs_, outputs_;
  std::vector<Ref<Node>> nodes_;
  std::unordered_map<const Node*, bool> depends_;  // of every traced node that was visited
};

}  // namespace melix
