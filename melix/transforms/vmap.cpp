// See vmap.h. Within the replay a batch is always axis 0.
#include "melix/transforms/vmap.h"

#include <memory>
#include <unordered_map>

#include "melix/graph/tape.h"
#include "melix/ops/shape.h"

namespace melix {

array VmapContext::with_batch(size_t i) const {
  if (batched[i]) return inputs[i];
  Shape shape(1, batch);
  shape.insert(shape.end(), inputs[i].shape().begin(), inputs[i].shape().end());
  return broadcast_to(inputs[i], shape);
}

namespace {

struct Batched {
  array value;
  bool batched;
};

std::vector<Batched> replay(const Function& fun, const std::vector<Batched>& arguments, int64_t batch);

// Results of one operation, batched as axis 0: by its rule, or through its decomposition.
std::vector<array> call(const Node& node, const std::vector<Batched>& in, int64_t batch) {
  std::vector<array> inputs;
  auto flags = std::make_unique<bool[]>(in.size());
  for (size_t i = 0; i < in.size(); i++) {
    inputs.push_back(in[i].value);
    flags[i] = in[i].batched;
  }
  const Op& op = *node.op;
  StreamScope scope(node.stream);
  VmapContext context{node.attrs.get(), inputs, {flags.get(), in.size()}, batch};
  if (op.vmap) return op.vmap(context);
  if (!op.decompose) fail(Code::value, op.name, "cannot be vectorised by vmap");
  auto fun = [&](const std::vector<array>& examples) { return op.decompose(node.attrs.get(), examples); };
  std::vector<array> out;
  for (const Batched& result : replay(fun, in, batch)) {
    array values[] = {result.value};
    bool has[] = {result.batched};
    out.push_back(VmapContext{nullptr, values, has, batch}.with_batch(0));
  }
  return out;
}

std::vector<Batched> replay(const Function& fun, const std::vector<Batched>& arguments, int64_t batch) {
  std::vector<array> examples, placeholders, batches;
  for (const Batched& a : arguments) {
    if (!a.batched) {
      examples.push_back(a.value);
      continue;
    }
    Shape shape(a.value.shape().begin() + 1, a.value.shape().end());
    examples.push_back(make_placeholder(shape, a.value.dtype()));
    placeholders.push_back(examples.back());
    batches.push_back(a.value);
  }
  TraceScope scope;
  std::vector<array> outputs = fun(examples);
  Tape tape(placeholders, outputs);
  std::unordered_map<const Node*, std::vector<array>> values;
  for (size_t i = 0; i < placeholders.size(); i++) values[&placeholders[i].node()] = {batches[i]};
  auto value = [&](const array& a) -> Batched {
    auto found = values.find(&a.node());
    if (found == values.end()) return {a, false};
    return {found->second[a.index()], true};
  };
  for (const Ref<Node>& node : tape.nodes()) {
    std::vector<Batched> in;
    for (const array& a : node->inputs) in.push_back(value(a));
    values[node.get()] = call(*node, in, batch);
  }
  std::vector<Batched> out;
  for (const array& a : outputs) out.push_back(value(a));
  return out;
}

int64_t batch_size(const std::vector<array>& arguments, const MaybeAxesList& axes) {
  int64_t batch = -1;
  for (size_t i = 0; i < arguments.size(); i++) {
    if (!axes[i]) continue;
    if (arguments[i].ndim() == 0)
      fail(Code::value, "vmap", "argument ", i, " is a scalar and has no axis to map over");
    int64_t n = arguments[i].shape()[uint32_t(normal_axis("vmap", *axes[i], arguments[i].shape()))];
    if (batch >= 0 && n != batch)
      fail(Code::value, "vmap", "batch of ", n, " in argument ", i, " beside a batch of ", batch);
    batch = n;
  }
  if (batch < 0) fail(Code::value, "vmap", "at least one argument must have an axis to map over");
  return batch;
}

}  // namespace

std::vector<array> call_vmap(const Function& fun, const std::vector<array>& arguments,
                             const MaybeAxesList& in_axes,
                             const std::function<MaybeAxesList()>& out_axes_of) {
  if (in_axes.size() != arguments.size()) {
    fail(Code::value, "vmap", "got ", in_axes.size(), " in_axes for ", arguments.size(), " arguments");
  }
  int64_t batch = batch_size(arguments, in_axes);
  std::vector<Batched> in;
  for (size_t i = 0; i < arguments.size(); i++) {
    in.push_back(
        {in_axes[i] ? moveaxis(arguments[i], *in_axes[i], 0) : arguments[i], in_axes[i].has_value()});
  }
  std::vector<Batched> results = replay(fun, in, batch);
  MaybeAxesList out_axes = out_axes_of();
  if (out_axes.size() != results.size()) {
    fail(Code::value, "vmap", "got ", out_axes.size(), " out_axes for ", results.size(), " results");
  }
  std::vector<array> out;
  for (size_t i = 0; i < results.size(); i++) {
    if (!out_axes[i]) {
      if (results[i].batched)
        fail(Code::value, "vmap", "result ", i, " depends on the batch, so its out_axes cannot be None");
      out.push_back(results[i].value);
      continue;
    }
    array values[] = {results[i].value};
    bool has[] = {results[i].batched};
    out.push_back(moveaxis(VmapContext{nullptr, values, has, batch}.with_batch(0), 0, *out_axes[i]));
  }
  return out;
}

Function vmap(const Function& fun, const MaybeAxesList& in_axes, const MaybeAxesList& out_axes) {
  return [=](const std::vector<array>& arguments) {
    return call_vmap(fun, arguments, in_axes, [&] { return out_axes; });
  };
}

}  // namespace melix
