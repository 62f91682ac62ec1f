// Graphs as data: exported_graph for those who translate a trace, export_to_dot for those who look at one.
#include <mutex>
#include <ostream>
#include <unordered_map>

#include "melix/transforms/export/program.h"
#include "melix/transforms/worker.h"

namespace melix {

using namespace exporting;

namespace {

// A, B, ..., Z, AA, AB, ...
std::string letters(uint64_t number) {
  std::string out;
  for (number++; number > 0; number = (number - 1) / 26)
    out.insert(out.begin(), char('A' + (number - 1) % 26));
  return out;
}

// ---- dot ----

using Value = std::pair<const Node*, uint32_t>;
struct ValueHash {
  size_t operator()(const Value& value) const { return std::hash<const void*>()(value.first) + value.second; }
};

// The nodes behind the outputs that have an operation still, producers first. Without recursion: graphs may be deep.
std::vector<const Node*> open_nodes(const std::vector<array>& outputs) {
  struct Open {
    const Node* node;
    uint32_t next;
  };
  std::vector<const Node*> out;
  std::unordered_map<const Node*, bool> seen;
  std::vector<Open> stack;
  auto open = [&](const array& a) {
    if (seen.emplace(&a.node(), true).second) stack.push_back({&a.node(), 0});
  };
  for (const array& a : outputs) {
    open(a);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (!node->ready() && next < node->inputs.size()) {
        open(node->inputs[next++]);
        continue;
      }
      if (!node->ready() && node->op) out.push_back(node);
      stack.pop_back();
    }
  }
  return out;
}

class Drawing {
 public:
  Drawing(std::ostream& out, const std::vector<std::pair<std::string, array>>& names) : out_(out) {
    for (const auto& [name, a] : names) names_.emplace(Value{&a.node(), a.index()}, quoted(name));
  }

  void draw(const std::vector<array>& outputs) {
    const std::vector<const Node*> nodes = open_nodes(outputs);
    std::unordered_map<Value, bool, ValueHash> made;  // and whether it is read
    for (const Node* node : nodes) {
      for (uint32_t i = 0; i < node->results.size(); i++) made.emplace(Value{node, i}, false);
    }
    out_ << "digraph {\n";
    std::unordered_map<Value, bool, ValueHash> sources;
    auto source = [&](const Value& value) {
      if (made.contains(value)) {
        made[value] = true;
      } else if (sources.emplace(value, true).second) {
        out_ << "{ rank=source; " << name(value) << "; }\n";
      }
    };
    for (const Node* node : nodes) {
      for (const array& a : node->inputs) source({&a.node(), a.index()});
    }
    for (size_t k = 0; k < nodes.size(); k++) draw_call(*nodes[k], k, made);
    out_ << "}\n";
  }

 private:
  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  }
  const std::string& name(const Value& value) {
    auto [at, is_new] = names_.try_emplace(value);
    if (is_new) at->second = quoted(letters(next_++));
    return at->second;
  }

  void draw_call(const Node& node, size_t number, std::unordered_map<Value, bool, ValueHash>& made) {
    out_ << "{ " << number << " [label=" << quoted(node.op->name) << ", shape=rectangle]; }\n";
    for (const array& a : node.inputs) out_ << name({&a.node(), a.index()}) << " -> " << number << "\n";
    for (uint32_t i = 0; i < node.results.size(); i++) {
      const Value value{&node, i};
      out_ << "{ " << (made[value] ? "" : "rank=sink; ") << name(value) << "; }\n";
      out_ << number << " -> " << name(value) << "\n";
    }
  }

  std::ostream& out_;
  std::unordered_map<Value, std::string, ValueHash> names_;
  uint64_t next_ = 0;
};

}  // namespace

void export_to_dot(std::ostream& out, const std::vector<array>& outputs,
                   const std::vector<std::pair<std::string, array>>& names) {
  std::lock_guard guard(planning());  // nodes that are evaluated drop their inputs
  Drawing(out, names).draw(outputs);
}

ExportedGraph exported_graph(const KeywordFunction& fun, const std::vector<array>& args,
                             const KeywordArrays& kwargs) {
  Program program;
  const Trace trace = record_call(program, fun, args, kwargs);
  ExportedGraph out;
  uint64_t next = 0;
  std::vector<ExportedArray> values, constants;
  auto define = [&](const Shape& shape, Dtype dtype) { return ExportedArray{letters(next++), shape, dtype}; };
  for (const Input& input : trace.inputs) {
    values.push_back(define(input.example.shape, input.example.dtype));
    if (!input.keyword.empty()) out.keywords.emplace_back(input.keyword, values.back().name);
  }
  out.inputs = values;
  for (const array& a : program.constants) {
    constants.push_back(define(a.shape(), a.dtype()));
    out.constants.emplace_back(constants.back().name, a);
  }
  auto value = [&](uint32_t number) {
    return number & kConstant ? constants[number & ~kConstant] : values[number];
  };
  for (const Call& call : trace.calls) {
    ExportedCall& made = out.calls.emplace_back();
    made.name = call.op->name;
    if (call.attrs) made.attributes = call.attrs->list();
    for (uint32_t number : call.inputs) made.inputs.push_back(value(number));
    for (const Aval& output : call.outputs) {
      values.push_back(define(output.shape, output.dtype));
      made.outputs.push_back(values.back());
    }
  }
  for (uint32_t number : trace.outputs) out.outputs.push_back(value(number));
  return out;
}

}  // namespace melix
