// From graph to plan: orders the nodes, groups elementwise ones into regions, attaches regions to the reductions they
// feed, and numbers the slots. What an elementwise node is fused with never changes its bits, so the grouping is free.
#include <algorithm>

#include "melix/graph/completion.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "melix/transforms/compile/plan.h"

namespace melix {
namespace {

constexpr uint32_t kMixed = ~0u - 1;     // consumers in several places
constexpr size_t kMaxRegionInputs = 24;  // scratch blocks of all inputs must fit in L1

struct Entry {
  Node* node;
  uint32_t slot = kNone;      // of result 0; the others follow
  uint32_t uses = 0;          // handles held by nodes and by the plan itself
  uint32_t consumer = kNone;  // region all consumers so far are in; kMixed
  uint32_t region = kNone;    // region the node is a member of, or (kernels) takes
  uint32_t alias = kNone;     // first of its decomposition's arrays
  uint16_t value = 0;         // number within its region
  bool source = false;        // has its values, or is an argument or in flight
  bool elementwise = false;
  bool wanted = false;  // a target
};

struct Group {
  SmallVector<uint32_t, 8> members;  // entries, last first
  uint32_t kernel = kNone;           // entry of the kernel that takes the region
  size_t inputs = 0;                 // distinct at most this many
};

uint32_t next_plan_number() {
  static uint32_t number = 0;  // under the planning lock
  return ++number;
}

class Planner {
 public:
  explicit Planner(Keep keep) : keep_(keep) {}

  Plan build(std::span<const array> targets, std::span<const array> arguments) {
    number_ = next_plan_number();
    for (const array& a : arguments) add_source(&a.node());
    arguments_ = plan_.arguments = entries_.size();
    for (const array& a : targets) {
      plan_.keep_alive.push_back(a);
      visit(&a.node());
    }
    for (const array& a : targets) {
      Entry& e = entry(a);
      e.wanted = true;
      e.uses++;  // the plan's own handle
    }
    group();
    for (uint32_t i = 0; i < entries_.size(); i++) emit(i);
    add_results(targets);
    find_last_uses();
    plan_.keep_alive.insert(plan_.keep_alive.end(), aliases_.begin(), aliases_.end());
    return std::move(plan_);
  }

 private:
  // ---- order ----

  Entry& entry(const array& a) { return entries_[a.node().entry]; }
  bool seen(const Node* node) const { return node->plan == number_; }

  void add_source(Node* node) {
    node->plan = number_;
    node->entry = uint32_t(entries_.size());
    Entry e{.node = node, .source = true};
    e.slot = uint32_t(plan_.slots.size());
    for (uint32_t i = 0; i < node->results.size(); i++) {
      plan_.inputs.push_back({e.slot + i, node, i});
      plan_.slots.push_back({node->results[i].shape, node->results[i].dtype, false, false});
    }
    entries_.push_back(e);
  }

  // Post-order over everything that is not computed yet, on a stack of our own: graphs may be millions deep.
  void visit(Node* root) {
    if (!open(root)) return;
    while (!stack_.empty()) {
      auto& [node, next, inputs] = stack_.back();
      if (next < inputs.size()) {
        Node* input = &inputs[next++].node();
        open(input);
        continue;
      }
      close(node, inputs);
      stack_.pop_back();
    }
  }

  // Starts a node; false when there is nothing to walk.
  bool open(Node* node) {
    if (seen(node)) return false;
    State state = node->state.load(std::memory_order_acquire);
    if (state == State::scheduled) plan_.waits.push_back(node->completion);
    if (state != State::lazy) {
      add_source(node);
      return false;
    }
    if (!node->op) {
      fail(Code::value, "eval",
           node->traced ? "the arguments of a function have no values while it is traced (by compile or "
                          "vmap): it cannot "
                          "print them, read their items or branch on them"
                        : "the array's memory was given to an evaluation that failed, and its value with it");
    }
    node->plan = number_;
    std::span<const array> inputs = node->inputs;
    if (node->op->kind == OpClass::kernel && !backend_of(node->stream.device).kernel(*node->op)) {
      inputs = decomposition(node);
    }
    stack_.push_back({node, 0, inputs});
    return true;
  }

  std::span<const array> decomposition(Node* node) {
    if (!node->op->decompose) {
      fail(Code::runtime, node->op->name, "has no kernel on ", node->stream.device, " and no decomposition");
    }
    StreamScope scope(node->stream);
    decomposed_.push_back(node->op->decompose(node->attrs.get(), node->inputs));
    return decomposed_.back();
  }

  void close(Node* node, std::span<const array> inputs) {
    bool own_inputs = inputs.data() == node->inputs.data();
    Entry e{.node = node};
    e.elementwise = node->op->kind == OpClass::elementwise;
    if (!own_inputs) {
      e.alias = uint32_t(aliases_.size());
      aliases_.insert(aliases_.end(), inputs.begin(), inputs.end());
    }
    for (const array& input : inputs) entry(input).uses += own_inputs ? 1 : 2;
    node->entry = uint32_t(entries_.size());
    entries_.push_back(e);
    plan_.scheduled.push_back(node);
  }

  // Handles beyond the plan's own: the value must be there when the plan is done.
  bool held(const Entry& e) const {
    return e.wanted || (keep_ == Keep::held && e.node->use_count() > e.uses);
  }

  // ---- regions ----

  // Consumers come before producers here: a node joins the region that all its consumers are in.
  void group() {
    for (uint32_t i = uint32_t(entries_.size()); i-- > arguments_;) {
      Entry& e = entries_[i];
      if (e.source) continue;
      if (e.alias != kNone) {
        for (size_t k = 0; k < e.node->results.size(); k++) entry(aliases_[e.alias + k]).consumer = kMixed;
        continue;
      }
      if (e.elementwise) join(i);
      if (!e.elementwise && e.node->op->takes_region) offer_region(i);
      for (const array& input : e.node->inputs) {
        Entry& from = entry(input);
        const bool first = &input == &e.node->inputs[0];
        bool same = e.elementwise && from.elementwise && input.shape() == e.node->results[0].shape &&
                    from.node->stream == e.node->stream;
        bool taken = !e.elementwise && e.region != kNone && first;
        uint32_t region = same || taken ? e.region : kMixed;
        from.consumer = from.consumer == kNone || from.consumer == region ? region : kMixed;
      }
    }
    for (Group& g : groups_) std::reverse(g.members.begin(), g.members.end());
  }

  void join(uint32_t i) {
    Entry& e = entries_[i];
    size_t more = e.node->inputs.size();
    bool fits = e.consumer < groups_.size() && groups_[e.consumer].members.size() < size_t(kMaxRegion) &&
                groups_[e.consumer].inputs + more <= kMaxRegionInputs + 1;
    // What a kernel consumes block by block is never written, so nobody else may want it.
    if (fits && groups_[e.consumer].kernel != kNone && held(e)) fits = false;
    if (fits) {
      e.region = e.consumer;
    } else {
      e.region = uint32_t(groups_.size());
      groups_.emplace_back();
    }
    groups_[e.region].members.push_back(i);
    groups_[e.region].inputs += more - (fits ? 1 : 0);
  }

  void offer_region(uint32_t i) {
    Entry& e = entries_[i];
    const Entry& from = entry(e.node->inputs[0]);
    if (!from.elementwise || from.node->stream != e.node->stream) return;
    e.region = uint32_t(groups_.size());
    groups_.emplace_back();
    groups_.back().kernel = i;
  }

  // ---- steps ----

  uint32_t slot_of(const array& a) {
    const Entry& e = entry(a);
    return e.slot + a.index();
  }

  void new_slots(Entry& e) {
    e.slot = uint32_t(plan_.slots.size());
    for (const View& result : e.node->results)
      plan_.slots.push_back({result.shape, result.dtype, false, false});
  }

  void emit(uint32_t i) {
    Entry& e = entries_[i];
    if (e.source) {
      for (uint32_t k = 0; k < e.node->results.size(); k++) {
        plan_.slots[e.slot + k].owned =
            keep_ == Keep::held && e.node->use_count() == e.uses && !e.node->traced;
      }
      return;
    }
    if (e.alias != kNone) {
      emit_alias(e);
    } else if (e.elementwise) {
      const Group& g = groups_[e.region];
      if (g.kernel == kNone && g.members.back() == i) emit_region(g);
    } else {
      emit_call(e);
    }
  }

  // The results of a decomposed operation are those of its parts; identity views give each a slot of its own.
  void emit_alias(Entry& e) {
    new_slots(e);
    for (uint32_t k = 0; k < e.node->results.size(); k++) {
      Step step{.kind = Step::Kind::view, .op = &op::identity, .stream = e.node->stream};
      step.inputs.push_back(slot_of(aliases_[e.alias + k]));
      step.outputs.push_back(e.slot + k);
      plan_.steps.push_back(std::move(step));
    }
  }

  void emit_region(const Group& g) {
    Node* root = entries_[g.members.back()].node;
    Step step{.kind = Step::Kind::region, .shape = root->results[0].shape, .stream = root->stream};
    step.region = std::make_unique<Region>();
    fill(g, *step.region, step);
    for (uint32_t m : g.members) {
      Entry& e = entries_[m];
      if (e.node != root && !held(e)) continue;
      new_slots(e);
      step.outputs.push_back(e.slot);
      step.region->outputs.push_back(e.value);
    }
    plan_.steps.push_back(std::move(step));
  }

  void emit_call(Entry& e) {
    Node* node = e.node;
    Step::Kind kind = node->op->kind == OpClass::view   ? Step::Kind::view
                      : node->op->kind == OpClass::plan ? Step::Kind::plan
                                                        : Step::Kind::kernel;
    Step step{.kind = kind, .op = node->op, .attrs = node->attrs, .stream = node->stream};
    if (step.kind == Step::Kind::kernel) step.kernel = backend_of(node->stream.device).kernel(*node->op);
    if (e.region != kNone && !groups_[e.region].members.empty()) {
      const Group& g = groups_[e.region];
      step.region = std::make_unique<Region>();
      step.shape = entries_[g.members.back()].node->results[0].shape;
      fill(g, *step.region, step);
      step.region->outputs.push_back(entries_[g.members.back()].value);
      for (size_t k = 1; k < node->inputs.size(); k++)
        step.inputs.push_back(slot_of(node->inputs[uint32_t(k)]));
    } else {
      for (const array& input : node->inputs) step.inputs.push_back(slot_of(input));
    }
    new_slots(e);
    for (uint32_t k = 0; k < node->results.size(); k++) step.outputs.push_back(e.slot + k);
    plan_.steps.push_back(std::move(step));
  }

  // Instructions of a group; inputs from outside become the step's input slots, each once.
  void fill(const Group& g, Region& region, Step& step) {
    uint32_t self = entries_[g.members.back()].region;
    auto outside = [&](const array& a) { return entry(a).region != self || !entry(a).elementwise; };
    for (uint32_t m : g.members) {
      for (const array& a : entries_[m].node->inputs) {
        if (!outside(a) || std::find(step.inputs.begin(), step.inputs.end(), slot_of(a)) != step.inputs.end())
          continue;
        step.inputs.push_back(slot_of(a));
        region.inputs.push_back(a.dtype());
      }
    }
    for (uint32_t m : g.members) {
      Entry& e = entries_[m];
      Instruction in{e.node->op->elementwise,
                     e.node->inputs.back().dtype(),
                     e.node->results[0].dtype,
                     uint8_t(e.node->inputs.size()),
                     {}};
      for (uint8_t k = 0; k < in.arity; k++) {
        const array& a = e.node->inputs[k];
        in.args[k] = outside(a) ? uint16_t(std::find(step.inputs.begin(), step.inputs.end(), slot_of(a)) -
                                           step.inputs.begin())
                                : entry(a).value;
      }
      e.value = uint16_t(region.inputs.size() + region.body.size());
      region.body.push_back(in);
    }
  }

  // ---- lifetimes ----

  void add_results(std::span<const array> targets) {
    for (const array& a : targets) {
      plan_.slots[slot_of(a)].kept = true;
      plan_.targets.push_back(slot_of(a));
    }
    for (uint32_t i = uint32_t(arguments_); i < entries_.size(); i++) {
      const Entry& e = entries_[i];
      if (e.source || e.slot == kNone || !held(e)) continue;
      for (uint32_t k = 0; k < e.node->results.size(); k++) {
        plan_.slots[e.slot + k].kept = true;
        plan_.results.push_back({e.slot + k, e.node, k});
      }
    }
  }

  void find_last_uses() {
    std::vector<bool> used(plan_.slots.size());
    for (size_t s = plan_.steps.size(); s-- > 0;) {
      Step& step = plan_.steps[s];
      auto last_use = [&](uint32_t slot) {
        if (used[slot] || plan_.slots[slot].kept) return;
        used[slot] = true;
        step.dead.push_back(slot);
      };
      for (uint32_t slot : step.inputs) last_use(slot);
      for (uint32_t slot : step.outputs) last_use(slot);  // results nobody reads
    }
  }

  struct Open {
    Node* node;
    uint32_t next;
    std::span<const array> inputs;
  };

  const Keep keep_;
  Plan plan_;
  uint32_t number_ = 0;
  size_t arguments_ = 0;
  std::vector<Entry> entries_;
  std::vector<Open> stack_;
  std::vector<Group> groups_;
  std::vector<std::vector<array>> decomposed_;
  std::vector<array> aliases_;
};

}  // namespace

Plan make_plan(std::span<const array> targets, std::span<const array> arguments, Keep keep) {
  return Planner(keep).build(targets, arguments);
}

}  // namespace melix
