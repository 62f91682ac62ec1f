// See export.h. Here functions become traces: by the shapes they are given, and, for traces of any length, by calling
// them with other lengths and seeing whether anything changes.
#include "melix/transforms/export/export.h"

#include <algorithm>
#include <cstring>

#include "melix/ops/shape.h"
#include "melix/transforms/export/format.h"

namespace melix {

using namespace exporting;

namespace {

std::vector<Input> inputs_of(const std::vector<array>& args, const KeywordArrays& kwargs) {
  std::vector<Input> out;
  for (const array& a : args) out.push_back({.keyword = {}, .example = {a.shape(), a.dtype()}});
  for (const auto& [name, a] : kwargs) {
    if (name.empty()) fail(Code::value, "export_function", "a keyword is empty");
    out.push_back({.keyword = name, .example = {a.shape(), a.dtype()}});
  }
  return out;
}

Function flat(const KeywordFunction& fun, const std::vector<Input>& inputs) {
  return [&](const std::vector<array>& values) {
    std::vector<array> args;
    KeywordArrays kwargs;
    for (size_t i = 0; i < values.size(); i++) {
      if (inputs[i].keyword.empty()) {
        args.push_back(values[i]);
      } else {
        kwargs.emplace(inputs[i].keyword, values[i]);
      }
    }
    return fun(args, kwargs);
  };
}

// ---- axes of any length ----

bool same_bits(const array& a, const array& b) {
  if (a.same(b)) return true;
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const array x = contiguous(a), y = contiguous(b);
  return std::memcmp(x.view().data(), y.view().data(), x.nbytes()) == 0;
}

// Whether two traces with constants of their own are the same calls on the same constants.
bool same_calls(const Program& p, const Trace& a, const Program& q, const Trace& b) {
  if (a.calls.size() != b.calls.size() || a.outputs != b.outputs) return false;
  if (p.constants.size() != q.constants.size()) return false;
  for (size_t i = 0; i < a.calls.size(); i++) {
    const Call &x = a.calls[i], &y = b.calls[i];
    if (x.op != y.op || x.placement != y.placement || x.inputs != y.inputs) return false;
    if (bool(x.attrs) != bool(y.attrs) || (x.attrs && !x.attrs->equals(*y.attrs))) return false;
  }
  for (size_t i = 0; i < p.constants.size(); i++) {
    if (!same_bits(p.constants[i], q.constants[i])) return false;
  }
  return true;
}

struct Axis {
  size_t input;
  uint32_t axis;
};

// Axes that vary together: those of one length, since a function that adds two arrays needs them equal. Axes of length
// 1 stand each for itself: they match any other.
std::vector<std::vector<Axis>> groups_of(const std::vector<Input>& inputs) {
  std::vector<std::vector<Axis>> groups;
  std::map<int64_t, size_t> by_length;
  for (size_t i = 0; i < inputs.size(); i++) {
    const Shape& shape = inputs[i].example.shape;
    for (uint32_t d = 0; d < shape.size(); d++) {
      auto [at, is_new] = by_length.try_emplace(shape[d], groups.size());
      if (is_new || shape[d] == 1) {
        groups.push_back({{i, d}});
      } else {
        groups[at->second].push_back({i, d});
      }
    }
  }
  return groups;
}

// Whether the function's trace is the same when some axes are longer. A function that does not take those shapes, or
// whose operations do not, depends on them.
bool holds(const Program& program, const Trace& trace, const Function& fun, std::vector<Input> inputs,
           std::span<const std::vector<Axis>> groups) {
  int64_t more = 1;
  for (const std::vector<Axis>& group : groups) {
    for (const Axis& a : group) inputs[a.input].example.shape[a.axis] += more;
    more += 2;
  }
  try {
    Program other;
    const Trace longer = record(other, std::move(inputs), fun);
    return same_calls(program, trace, other, longer);
  } catch (const std::exception&) {
    return false;
  }
}

// Marks the axes that may have any length.
void generalise(std::vector<Input>& inputs, const Function& fun) {
  Program program;
  const Trace trace = record(program, inputs, fun);
  std::vector<std::vector<Axis>> any;
  for (std::vector<Axis>& group : groups_of(inputs)) {
    if (holds(program, trace, fun, inputs, std::span(&group, 1))) any.push_back(std::move(group));
  }
  // Each alone may be free where all together are not: then the last ones stay as they are.
  while (any.size() > 1 && !holds(program, trace, fun, inputs, any)) any.pop_back();
  for (const std::vector<Axis>& group : any) {
    for (const Axis& a : group) inputs[a.input].any |= uint64_t(1) << a.axis;
  }
}

}  // namespace

Trace exporting::record_call(Program& program, const KeywordFunction& fun, const std::vector<array>& args,
                             const KeywordArrays& kwargs) {
  const std::vector<Input> inputs = inputs_of(args, kwargs);
  return record(program, inputs, flat(fun, inputs));
}

namespace {

// ---- finding a trace ----

bool fits(const Input& input, const array& a) {
  const auto& [shape, dtype] = input.example;
  if (a.dtype() != dtype || a.ndim() != shape.size()) return false;
  for (uint32_t d = 0; d < shape.size(); d++) {
    if (a.shape()[d] != shape[d] && !(input.any >> d & 1)) return false;
  }
  return true;
}

// The trace's inputs in its order, or nothing when it does not fit.
std::optional<std::vector<array>> matched(const Trace& trace, const std::vector<array>& args,
                                          const KeywordArrays& kwargs) {
  if (trace.inputs.size() != args.size() + kwargs.size()) return std::nullopt;
  std::vector<array> out = args;
  for (size_t i = 0; i < trace.inputs.size(); i++) {
    const Input& input = trace.inputs[i];
    if (input.keyword.empty() != (i < args.size())) return std::nullopt;
    if (!input.keyword.empty()) {
      auto found = kwargs.find(input.keyword);
      if (found == kwargs.end()) return std::nullopt;
      out.push_back(found->second);
    }
    if (!fits(input, out[i])) return std::nullopt;
  }
  return out;
}

// "float32 (2, *), y=int32 ()": lengths that may be any are stars.
std::string signature(const std::vector<Input>& inputs) {
  std::string out;
  for (const Input& input : inputs) {
    if (!out.empty()) out += ", ";
    if (!input.keyword.empty()) out += concat(input.keyword, "=");
    out += concat(input.example.dtype, " (");
    const Shape& shape = input.example.shape;
    for (uint32_t d = 0; d < shape.size(); d++) {
      out += input.any >> d & 1 ? std::string("*") : concat(shape[d]);
      out += d + 1 < shape.size() ? ", " : shape.size() == 1 ? "," : "";
    }
    out += ")";
  }
  return concat("(", out, ")");
}

}  // namespace

// ---- exporting ----

struct FunctionExporter::State {
  std::string path;
  KeywordFunction fun;
  bool shapeless;
  Program program;
  bool open = true;
};

FunctionExporter::FunctionExporter(std::string path, KeywordFunction fun, bool shapeless,
                                   std::string metadata)
    : state_(new State{std::move(path), std::move(fun), shapeless, {}}) {
  state_->program.metadata = std::move(metadata);
}
FunctionExporter::FunctionExporter(FunctionExporter&&) noexcept = default;
FunctionExporter& FunctionExporter::operator=(FunctionExporter&&) noexcept = default;
FunctionExporter::~FunctionExporter() = default;

void FunctionExporter::operator()(const std::vector<array>& args, const KeywordArrays& kwargs) {
  State& state = *state_;
  if (!state.open) fail(Code::runtime, "export_function", "the exporter of ", state.path, " is closed");
  for (const Trace& trace : state.program.traces) {
    if (matched(trace, args, kwargs)) {
      fail(Code::runtime, "export_function", "there is a trace already for ",
           signature(inputs_of(args, kwargs)));
    }
  }
  std::vector<Input> inputs = inputs_of(args, kwargs);
  const std::vector<Input> names = inputs;
  const Function fun = flat(state.fun, names);
  if (state.shapeless) generalise(inputs, fun);
  state.program.traces.push_back(record(state.program, std::move(inputs), fun));
}

void FunctionExporter::close() {
  if (!state_->open) return;
  save(state_->path, state_->program);
  discard();
}

void FunctionExporter::discard() noexcept {
  state_->open = false;
  state_->program = Program();
  state_->fun = nullptr;
}

void export_function(const std::string& path, const KeywordFunction& fun, const std::vector<array>& args,
                     const KeywordArrays& kwargs, bool shapeless, const std::string& metadata) {
  FunctionExporter exporter(path, fun, shapeless, metadata);
  exporter(args, kwargs);
  exporter.close();
}

void export_function(const std::string& path, const Function& fun, const std::vector<array>& args,
                     bool shapeless, const std::string& metadata) {
  auto positional = [&](const std::vector<array>& in, const KeywordArrays&) { return fun(in); };
  export_function(path, KeywordFunction(positional), args, {}, shapeless, metadata);
}

// ---- importing ----

struct ImportedFunction::State {
  std::string path;
  Program program;
};

ImportedFunction::ImportedFunction(std::shared_ptr<const State> state) : state_(std::move(state)) {}

const std::string& ImportedFunction::metadata() const { return state_->program.metadata; }

std::vector<array> ImportedFunction::operator()(const std::vector<array>& args,
                                                const KeywordArrays& kwargs) const {
  const Program& program = state_->program;
  std::string known;
  for (const Trace& trace : program.traces) {
    if (auto inputs = matched(trace, args, kwargs)) return run(program, trace, *inputs);
    known += "\n  " + signature(trace.inputs);
  }
  fail(Code::value, "import_function", state_->path, " has no trace for ", signature(inputs_of(args, kwargs)),
       ". It has", known.empty() ? " none at all" : known);
}

ImportedFunction import_function(const std::string& path) {
  auto state = std::make_shared<ImportedFunction::State>();
  state->path = path;
  state->program = load(path);
  for (const Trace& trace : state->program.traces) verify(state->program, trace, path);
  return ImportedFunction(std::move(state));
}

}  // namespace melix
