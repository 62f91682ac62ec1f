// See program.h: traces become calls of listed operations, and run again.
#include "melix/transforms/export/program.h"

#include <unordered_map>

#include "melix/graph/tape.h"
#include "melix/graph/unreadable.h"
#include "melix/io/file_error.h"
#include "melix/transforms/eval.h"

namespace melix::exporting {
namespace {

// Calls whose attributes are code (compiled functions, custom rules) are exported as what they are made of.
bool is_opaque(const Node& node) {
  return node.op->read_attrs == unreadable_attrs || (node.attrs && !node.op->read_attrs);
}

std::vector<array> unfold(const Node& node, std::span<const array> inputs) {
  if (!node.op->decompose) fail(Code::value, "export_function", node.op->name, " cannot be exported");
  StreamScope scope(node.stream);
  return node.op->decompose(node.attrs.get(), inputs);
}

// The outputs with every opaque call replaced. Decompositions may hold opaque calls again, hence the rounds.
std::vector<array> unfolded(std::span<const array> inputs, std::vector<array> outputs) {
  for (;;) {
    Tape tape(inputs, outputs);
    bool opaque = false;
    for (const Ref<Node>& node : tape.nodes()) opaque |= is_opaque(*node);
    if (!opaque) return outputs;
    std::unordered_map<const Node*, std::vector<array>> values;
    auto value = [&](const array& a) {
      auto found = values.find(&a.node());
      return found == values.end() ? a : found->second[a.index()];
    };
    for (const Ref<Node>& node : tape.nodes()) {
      Inputs in;
      for (const array& a : node->inputs) in.push_back(value(a));
      values[node.get()] = is_opaque(*node) ? unfold(*node, in)
                                            : make_all(*node->op, node->attrs, std::move(in), node->stream);
    }
    for (array& a : outputs) a = value(a);
  }
}

// Numbers values while a tape becomes calls.
class Recorder {
 public:
  Recorder(Program& program, const Tape& tape) : program_(program), tape_(tape) {
    for (uint32_t i = 0; i < program.constants.size(); i++) {
      const array& a = program.constants[i];
      constants_[{&a.node(), a.index()}] = i | kConstant;
    }
  }

  void define(const array& a) { values_[{&a.node(), a.index()}] = next_++; }
  uint32_t number(const array& a) {
    const Key key{&a.node(), a.index()};
    if (tape_.depends(a)) return values_.at(key);
    auto [at, is_new] = constants_.try_emplace(key, uint32_t(program_.constants.size()) | kConstant);
    if (is_new) program_.constants.push_back(a);
    return at->second;
  }

 private:
  using Key = std::pair<const Node*, uint32_t>;
  struct Hash {
    size_t operator()(const Key& key) const { return std::hash<const void*>()(key.first) + key.second; }
  };
  Program& program_;
  const Tape& tape_;
  std::unordered_map<Key, uint32_t, Hash> values_, constants_;
  uint32_t next_ = 0;
};

Placement placement_of(Device device) {
  if (device == default_device()) return Placement::caller;
  return device.type == DeviceType::cpu ? Placement::cpu : Placement::gpu;
}

StreamOrDevice stream_of(Placement placement) {
  const Device device{placement == Placement::gpu ? DeviceType::gpu : DeviceType::cpu, 0};
  if (placement == Placement::caller || !is_available(device)) return {};
  return device;
}

Call call_of(const Node& node, Recorder& recorder) {
  Call call;
  call.op = node.op;
  call.attrs = node.attrs;
  call.placement = placement_of(node.stream.device);
  for (const array& a : node.inputs) call.inputs.push_back(recorder.number(a));
  for (const View& result : node.results) call.outputs.push_back({result.shape, result.dtype});
  return call;
}

}  // namespace

Trace record(Program& program, std::vector<Input> inputs, const Function& fun) {
  std::vector<array> placeholders;
  for (const Input& input : inputs)
    placeholders.push_back(make_placeholder(input.example.shape, input.example.dtype));
  TraceScope scope;
  const std::vector<array> outputs = unfolded(placeholders, fun(placeholders));
  const Tape tape(placeholders, outputs);
  const size_t known = program.constants.size();
  Recorder recorder(program, tape);
  for (const array& a : placeholders) recorder.define(a);
  Trace trace{.inputs = std::move(inputs), .calls = {}, .outputs = {}};
  for (const Ref<Node>& node : tape.nodes()) {
    trace.calls.push_back(call_of(*node, recorder));
    for (uint32_t i = 0; i < node->results.size(); i++) recorder.define(array(node, i));
  }
  for (const array& a : outputs) trace.outputs.push_back(recorder.number(a));
  try {
    eval(std::span(program.constants).subspan(known));
  } catch (...) {
    program.constants.erase(program.constants.begin() + ptrdiff_t(known), program.constants.end());
    throw;
  }
  return trace;
}

namespace {

// The values of a run, as far as it got.
class Runner {
 public:
  Runner(const Program& program, std::span<const array> inputs)
      : constants_(program.constants), values_(inputs.begin(), inputs.end()) {}

  const array& value(uint32_t number) const {
    return number & kConstant ? constants_[number & ~kConstant] : values_[number];
  }
  // The results are appended to the values.
  std::span<const array> step(const Call& call) {
    Inputs in;
    for (uint32_t number : call.inputs) in.push_back(value(number));
    std::vector<array> results = make_all(*call.op, call.attrs, std::move(in), stream_of(call.placement));
    if (results.size() != call.outputs.size()) {
      fail(Code::value, call.op->name, "gives ", results.size(), " results, ", call.outputs.size(),
           " were exported");
    }
    values_.insert(values_.end(), results.begin(), results.end());
    return std::span(values_).last(results.size());
  }

 private:
  const std::vector<array>& constants_;
  std::vector<array> values_;
};

void require_same(const Call& call, std::span<const array> results) {
  for (uint32_t i = 0; i < results.size(); i++) {
    const Aval& wanted = call.outputs[i];
    if (results[i].dtype() == wanted.dtype && results[i].shape() == wanted.shape) continue;
    fail(Code::value, call.op->name, "gives ", results[i].dtype(), " of shape ", results[i].shape(), ", ",
         wanted.dtype, " of shape ", wanted.shape, " was exported");
  }
}

}  // namespace

std::vector<array> run(const Program& program, const Trace& trace, std::span<const array> inputs) {
  Runner runner(program, inputs);
  for (const Call& call : trace.calls) runner.step(call);
  std::vector<array> out;
  for (uint32_t number : trace.outputs) out.push_back(runner.value(number));
  return out;
}

void verify(const Program& program, const Trace& trace, const std::string& file) {
  std::vector<array> inputs;
  for (const Input& input : trace.inputs)
    inputs.push_back(make_placeholder(input.example.shape, input.example.dtype));
  Runner runner(program, inputs);
  for (const Call& call : trace.calls) {
    try {
      if (call.inputs.size() < call.op->least_inputs) {
        fail(Code::value, call.op->name, "needs ", call.op->least_inputs, " inputs, has ",
             call.inputs.size());
      }
      require_same(call, runner.step(call));
    } catch (const Error& error) {
      if (error.code() == Code::memory) throw;
      throw io::FileError(Code::value, "import_function", file, call.offset, "call", error.what());
    }
  }
}

}  // namespace melix::exporting
