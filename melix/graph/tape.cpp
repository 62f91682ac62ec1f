// See tape.h.
#include "melix/graph/tape.h"

#include <mutex>

namespace melix {
namespace {

// Walking reads the inputs of nodes that are evaluated already, dropping clears them.
std::mutex& walking() {
  static std::mutex* lock = new std::mutex;
  return *lock;
}

}  // namespace

Tape::Tape(std::span<const array> inputs, std::span<const array> outputs)
    : inputs_(inputs.begin(), inputs.end()), outputs_(outputs.begin(), outputs.end()) {
  std::lock_guard guard(walking());
  for (const array& a : inputs) depends_[&a.node()] = true;
  for (const array& a : outputs) walk(&a.node());
}

Tape::~Tape() {
  if (TraceScope::active()) return;
  for (const Ref<Node>& node : nodes_) {
    if (!node->ready()) continue;
    Inputs garbage;  // freed without the lock
    std::lock_guard guard(walking());
    garbage.swap(node->inputs);
  }
}

bool Tape::depends(const Node* node) const {
  auto found = depends_.find(node);
  return found != depends_.end() && found->second;
}

void Tape::walk(Node* root) {
  struct Open {
    Node* node;
    uint32_t next;
  };
  std::vector<Open> stack;
  auto open = [&](Node* node) {
    if (node->traced && depends_.emplace(node, false).second) stack.push_back({node, 0});
  };
  open(root);
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next < node->inputs.size()) {
      open(&node->inputs[next++].node());
      continue;
    }
    bool on_tape = false;
    for (const array& input : node->inputs) on_tape |= depends(input);
    if (on_tape) {
      depends_[node] = true;
      nodes_.push_back(Ref<Node>(node));
    }
    stack.pop_back();
  }
}

std::vector<array> Tape::replay(std::span<const array> inputs) const {
  std::unordered_map<const Node*, std::vector<array>> values;
  for (size_t i = 0; i < inputs.size(); i++) values[&inputs_[i].node()] = {inputs[i]};
  auto value = [&](const array& a) {
    auto found = values.find(&a.node());
    return found == values.end() ? a : found->second[a.index()];
  };
  for (const Ref<Node>& node : nodes_) {
    Inputs in;
    for (const array& a : node->inputs) in.push_back(value(a));
    values[node.get()] = make_all(*node->op, node->attrs, std::move(in), node->stream);
  }
  std::vector<array> out;
  for (const array& a : outputs_) out.push_back(value(a));
  return out;
}

}  // namespace melix
