// Nodes: making, tracing and freeing them.
#include "melix/graph/node.h"

#include "melix/graph/op.h"

namespace melix {

Upward upward;

namespace {

std::atomic<int> trace_depth{0};

}  // namespace

// ---- nodes ----

void Node::destroy(Node* node) noexcept {
  // Freeing a node frees its inputs, which may free theirs: the outermost call works through a list instead. The list
  // runs through the nodes, since freeing must not need memory.
  thread_local Node* dying = nullptr;
  thread_local bool working = false;
  node->next_dying = dying;
  dying = node;
  if (working) return;
  working = true;
  while (dying) {
    Node* next = dying;
    dying = next->next_dying;
    delete next;
  }
  working = false;
}

array make_placeholder(const Shape& shape, Dtype dtype) {
  Ref<Node> node = make_ref<Node>();
  node->traced = true;
  node->results.push_back(View{.shape = shape, .strides = {}, .buffer = {}, .dtype = dtype});
  return array(std::move(node));
}

TraceScope::TraceScope() { trace_depth.fetch_add(1, std::memory_order_relaxed); }
TraceScope::~TraceScope() { trace_depth.fetch_sub(1, std::memory_order_relaxed); }
bool TraceScope::active() { return trace_depth.load(std::memory_order_relaxed) > 0; }

// ---- making calls ----

namespace {

Ref<Node> make_node(const Op& op, Ref<const Attrs> attrs, Inputs inputs, StreamOrDevice s) {
  Avals avals;
  op.infer(attrs.get(), inputs, avals);
  Ref<Node> node = make_ref<Node>();
  node->op = &op;
  node->attrs = std::move(attrs);
  for (const array& input : inputs) node->traced |= input.node().traced;
  node->inputs = std::move(inputs);
  node->stream = s.resolve();
  for (Aval& aval : avals) {
    node->results.push_back(
        View{.shape = std::move(aval.shape), .strides = {}, .buffer = {}, .dtype = aval.dtype});
  }
  return node;
}

}  // namespace

array make(const Op& op, Ref<const Attrs> attrs, Inputs inputs, StreamOrDevice s) {
  return array(make_node(op, std::move(attrs), std::move(inputs), s));
}

std::vector<array> make_all(const Op& op, Ref<const Attrs> attrs, Inputs inputs, StreamOrDevice s) {
  Ref<Node> node = make_node(op, std::move(attrs), std::move(inputs), s);
  std::vector<array> out;
  for (uint32_t i = 0; i < node->results.size(); i++) out.emplace_back(node, i);
  return out;
}

std::vector<MaybeArray> linear_jvp(const Op& op, const JvpContext& c) {
  Inputs tangents;
  bool any = false;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    any |= c.tangents[i].has_value();
    tangents.push_back(c.tangents[i] ? *c.tangents[i] : array(int64_t(0), c.inputs[i].dtype()));
  }
  std::vector<MaybeArray> out(c.outputs.size());
  if (!any) return out;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    if (c.tangents[i] || c.inputs[i].ndim() == 0) continue;
    View zeros = tangents[i].view();  // a scalar read with strides of 0
    zeros.shape = c.inputs[i].shape();
    zeros.strides.assign(uint32_t(zeros.shape.size()), 0);
    tangents[i] = array(zeros);
  }
  std::vector<array> results = make_all(op, Ref<const Attrs>(c.attrs), std::move(tangents));
  for (size_t i = 0; i < out.size(); i++) out[i] = results[i];
  return out;
}

}  // namespace melix
