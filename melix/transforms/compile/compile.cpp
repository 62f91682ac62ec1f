// See compile.h. A call of a compiled function is a node whose attributes hold its program: trace and plan. Transforms
// see through it by calling the trace again (its decomposition); evaluation lays out and runs the plan.
#include "melix/transforms/compile/compile.h"

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "melix/graph/tape.h"
#include "melix/graph/unreadable.h"
#include "melix/transforms/compile/plan.h"
#include "melix/transforms/eval.h"
#include "melix/transforms/worker.h"

namespace melix {

namespace op {
extern const Op compiled;
}

namespace {

struct Program final : PlanAttrs {
  std::vector<array> placeholders, outputs;
  std::shared_ptr<void> note;
  std::unique_ptr<Tape> tape;
  Plan made;

  const Plan& plan() const override { return made; }
  AttrList list() const override { return {}; }
};

// Arrays that the trace uses and that do not depend on its arguments are computed now, once.
void evaluate_captured(const Program& program) {
  std::vector<array> captured;
  auto add = [&](const array& a) {
    if (!program.tape->depends(a) && !a.ready()) captured.push_back(a);
  };
  for (const Ref<Node>& node : program.tape->nodes()) {
    for (const array& a : node->inputs) add(a);
  }
  for (const array& a : program.outputs) add(a);
  if (!captured.empty()) eval(captured);
}

Ref<const Program> trace(const CompileCache::TracedFunction& fun, const std::vector<array>& inputs) {
  Ref<Program> program = make_ref<Program>();
  for (const array& a : inputs) program->placeholders.push_back(make_placeholder(a.shape(), a.dtype()));
  {
    TraceScope scope;
    Traced traced = fun(program->placeholders);
    program->outputs = std::move(traced.results);
    program->note = std::move(traced.note);
    program->tape = std::make_unique<Tape>(program->placeholders, program->outputs);
  }
  evaluate_captured(*program);
  std::lock_guard guard(planning());
  program->made = make_plan(program->outputs, program->placeholders, Keep::targets);
  return program;
}

void infer(const Attrs* attrs, std::span<const array>, Avals& out) {
  for (const array& a : static_cast<const Program*>(attrs)->outputs) out.push_back({a.shape(), a.dtype()});
}

std::vector<array> decompose(const Attrs* attrs, std::span<const array> inputs) {
  return static_cast<const Program*>(attrs)->tape->replay(inputs);
}

bool fits(const Program& program, const std::vector<array>& inputs) {
  if (program.placeholders.size() != inputs.size()) return false;
  for (size_t i = 0; i < inputs.size(); i++) {
    const array& p = program.placeholders[i];
    if (p.dtype() != inputs[i].dtype() || p.shape() != inputs[i].shape()) return false;
  }
  return true;
}

std::atomic<bool> disabled{[] {
  const char* asked = std::getenv("MELIX_DISABLE_COMPILE");
  return asked && *asked && *asked != '0';
}()};

}  // namespace

namespace op {
const Op compiled{.name = "compiled",
                  .kind = OpClass::plan,
                  .infer = infer,
                  .decompose = decompose,
                  .read_attrs = unreadable_attrs};
}

struct CompileCache::Traces {
  struct Trace {
    uint64_t key;
    Stream stream;
    Ref<const Program> program;
  };
  std::mutex lock;
  std::vector<Trace> all;  // newest last

  Ref<const Program> find(const std::vector<array>& inputs, uint64_t key, Stream stream) {
    std::lock_guard guard(lock);
    for (size_t i = all.size(); i-- > 0;) {
      if (all[i].key == key && all[i].stream == stream && fits(*all[i].program, inputs))
        return all[i].program;
    }
    return {};
  }
};

CompileCache::CompileCache() : traces_(new Traces) {}
CompileCache::~CompileCache() = default;

Traced CompileCache::call(const TracedFunction& fun, const std::vector<array>& inputs, uint64_t key) {
  if (disabled.load(std::memory_order_relaxed)) return fun(inputs);
  Stream stream = StreamOrDevice().resolve();
  Ref<const Program> program = traces_->find(inputs, key, stream);
  if (!program) {
    program = trace(fun, inputs);
    std::lock_guard guard(traces_->lock);
    traces_->all.push_back({key, stream, program});
  }
  if (program->outputs.empty()) return {{}, program->note};
  Inputs arguments;
  arguments.insert(arguments.end(), inputs.begin(), inputs.end());
  return {make_all(op::compiled, program, std::move(arguments), stream), program->note};
}

Function compile(Function fun) {
  auto cache = std::make_shared<CompileCache>();
  return [fun = std::move(fun), cache](const std::vector<array>& inputs) {
    return cache->call(
                    [&](const std::vector<array>& in) {
                      return Traced{fun(in), nullptr};
                    },
                    inputs)
        .results;
  };
}

void disable_compile() { disabled.store(true); }
void enable_compile() { disabled.store(false); }

}  // namespace melix
