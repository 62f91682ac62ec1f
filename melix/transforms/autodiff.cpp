// See autodiff.h.
#include "melix/transforms/autodiff.h"

#include <memory>
#include <unordered_map>

#include "melix/graph/tape.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

array zeros_of(const array& like) { return broadcast_to(array(int64_t(0), like.dtype()), like.shape()); }

// Gradients or tangents of arrays, by node and index of the result.
class Derivatives {
 public:
  MaybeArray get(const array& of) const {
    auto found = by_node_.find(&of.node());
    return found == by_node_.end() ? std::nullopt : found->second[of.index()];
  }
  void set(const array& of, MaybeArray value) { slot(of) = std::move(value); }
  void accumulate(const array& of, const array& value) {
    MaybeArray& sum = slot(of);
    sum = sum ? *sum + value : value;
  }

 private:
  MaybeArray& slot(const array& of) {
    auto& slots = by_node_[&of.node()];
    slots.resize(of.node().results.size());
    return slots[of.index()];
  }
  std::unordered_map<const Node*, std::vector<MaybeArray>> by_node_;
};

std::vector<array> outputs_of(const Ref<Node>& node) {
  std::vector<array> out;
  for (uint32_t i = 0; i < node->results.size(); i++) out.emplace_back(node, i);
  return out;
}

// Gradients by the operation's rule, or by differentiating its decomposition.
std::vector<MaybeArray> vjp_rule(const Op& op, const VjpContext& c) {
  if (op.vjp) return op.vjp(c);
  if (!op.decompose) fail(Code::value, op.name, "has no derivative");
  // The others, and those of whole numbers, are constants.
  std::vector<size_t> varied;
  std::vector<array> inputs(c.inputs.begin(), c.inputs.end()), primals,
      cotangents(c.cotangents.begin(), c.cotangents.end());
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!c.wanted[i] || !is_inexact(inputs[i].dtype())) continue;
    varied.push_back(i);
    primals.push_back(inputs[i]);
  }
  auto fun = [&](const std::vector<array>& in) {
    for (size_t k = 0; k < varied.size(); k++) inputs[varied[k]] = in[k];
    return op.decompose(c.attrs, inputs);
  };
  const std::vector<array> grads = vjp(fun, primals, cotangents).second;
  std::vector<MaybeArray> out(c.inputs.size());
  for (size_t k = 0; k < varied.size(); k++) out[varied[k]] = grads[k];
  return out;
}

void pull_back(const Ref<Node>& node, const Tape& tape, Derivatives& grads) {
  std::vector<array> outputs = outputs_of(node), cotangents;
  bool any = false;
  for (const array& out : outputs) {
    MaybeArray g = grads.get(out);
    any |= g.has_value();
    cotangents.push_back(g ? *g : zeros_of(out));
  }
  if (!any) return;
  auto wanted = std::make_unique<bool[]>(node->inputs.size());
  for (uint32_t i = 0; i < node->inputs.size(); i++) wanted[i] = tape.depends(node->inputs[i]);
  StreamScope scope(node->stream);
  VjpContext context{
      node->attrs.get(), node->inputs, outputs, cotangents, {wanted.get(), node->inputs.size()}};
  std::vector<MaybeArray> back = vjp_rule(*node->op, context);
  for (uint32_t i = 0; i < node->inputs.size(); i++) {
    if (wanted[i] && back[i]) grads.accumulate(node->inputs[i], *back[i]);
  }
}

// Tangents by the operation's rule. Without one: gradients are linear in the cotangent u, and the gradient of
// <tangent, gradient(u)> with respect to u is the tangent of the outputs.
std::vector<MaybeArray> jvp_rule(const Op& op, const JvpContext& c) {
  if (op.jvp) return op.jvp(c);
  auto wanted = std::make_unique<bool[]>(c.inputs.size());
  std::vector<array> tangents, inputs(c.inputs.begin(), c.inputs.end()),
      outputs(c.outputs.begin(), c.outputs.end()), start;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    wanted[i] = c.tangents[i].has_value();
    if (wanted[i]) tangents.push_back(*c.tangents[i]);
  }
  // Results that are no numbers (indices) have no tangent; their cotangents stay zero.
  for (const array& out : outputs) {
    if (is_inexact(out.dtype())) start.push_back(zeros_of(out));
  }
  auto gradient = [&](const std::vector<array>& u) {
    std::vector<array> cotangents;
    size_t next = 0;
    for (const array& out : outputs)
      cotangents.push_back(is_inexact(out.dtype()) ? u[next++] : zeros_of(out));
    std::vector<MaybeArray> grads =
        vjp_rule(op, {c.attrs, inputs, outputs, cotangents, {wanted.get(), inputs.size()}});
    std::vector<array> out;
    for (size_t i = 0; i < grads.size(); i++) {
      if (wanted[i]) out.push_back(grads[i] ? *grads[i] : zeros_of(inputs[i]));
    }
    return out;
  };
  std::vector<array> found = vjp(gradient, start, tangents).second;
  std::vector<MaybeArray> out;
  size_t next = 0;
  for (const array& result : outputs) {
    out.push_back(is_inexact(result.dtype()) ? MaybeArray(found[next++]) : std::nullopt);
  }
  return out;
}

void push_forward(const Ref<Node>& node, Derivatives& tangents) {
  std::vector<MaybeArray> in;
  bool any = false;
  for (const array& input : node->inputs) {
    in.push_back(tangents.get(input));
    any |= in.back().has_value();
  }
  if (!any) return;
  std::vector<array> outputs = outputs_of(node);
  StreamScope scope(node->stream);
  std::vector<MaybeArray> out = jvp_rule(*node->op, {node->attrs.get(), node->inputs, outputs, in});
  for (size_t i = 0; i < outputs.size(); i++) tangents.set(outputs[i], out[i]);
}

void require_inexact(const char* op, const std::vector<array>& primals) {
  for (const array& a : primals) {
    if (!is_inexact(a.dtype()))
      fail(Code::value, op, "derivatives need floating or complex arguments, got ", a.dtype());
  }
}

void require_match(const char* op, const char* what, const std::vector<array>& values,
                   const std::vector<array>& given) {
  if (values.size() != given.size())
    fail(Code::value, op, "got ", given.size(), " ", what, "s for ", values.size(), " arrays");
  for (size_t i = 0; i < values.size(); i++) {
    if (values[i].shape() != given[i].shape()) {
      fail(Code::value, op, what, " of shape ", given[i].shape(), " for an array of shape ",
           values[i].shape());
    }
  }
}

std::vector<array> make_tracers(const std::vector<array>& primals) {
  std::vector<array> out;
  for (const array& a : primals) out.push_back(tracer(a));
  return out;
}

}  // namespace

std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const Function& cotangents_of) {
  require_inexact("vjp", primals);
  std::vector<array> tracers = make_tracers(primals), outputs, grads;
  std::unique_ptr<Tape> tape;
  {
    TraceScope scope;
    outputs = fun(tracers);
    std::vector<array> cotangents = cotangents_of(outputs);
    require_match("vjp", "cotangent", outputs, cotangents);
    tape = std::make_unique<Tape>(tracers, outputs);
    Derivatives derivatives;
    for (size_t i = 0; i < outputs.size(); i++) {
      if (tape->depends(outputs[i]))
        derivatives.accumulate(outputs[i], astype(cotangents[i], outputs[i].dtype()));
    }
    for (size_t i = tape->nodes().size(); i-- > 0;) pull_back(tape->nodes()[i], *tape, derivatives);
    for (const array& tracer : tracers) {
      MaybeArray g = derivatives.get(tracer);
      grads.push_back(g ? *g : zeros_of(tracer));
    }
  }
  return {std::move(outputs), std::move(grads)};
}

std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& cotangents) {
  return vjp(fun, primals, [&](const std::vector<array>&) { return cotangents; });
}

std::pair<std::vector<array>, std::vector<array>> jvp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& tangents) {
  require_inexact("jvp", primals);
  require_match("jvp", "tangent", primals, tangents);
  std::vector<array> tracers = make_tracers(primals), outputs, out;
  std::unique_ptr<Tape> tape;
  {
    TraceScope scope;
    outputs = fun(tracers);
    tape = std::make_unique<Tape>(tracers, outputs);
    Derivatives derivatives;
    for (size_t i = 0; i < tracers.size(); i++)
      derivatives.set(tracers[i], astype(tangents[i], primals[i].dtype()));
    for (const Ref<Node>& node : tape->nodes()) push_forward(node, derivatives);
    for (const array& output : outputs) {
      MaybeArray t = derivatives.get(output);
      out.push_back(t ? *t : zeros_of(output));
    }
  }
  return {std::move(outputs), std::move(out)};
}

std::function<std::pair<std::vector<array>, std::vector<array>>(const std::vector<array>&)> value_and_grad(
    const Function& fun, const std::vector<int>& argnums) {
  return [fun, argnums](const std::vector<array>& arguments) {
    std::vector<array> primals;
    for (int i : argnums) {
      int at = i < 0 ? i + int(arguments.size()) : i;
      if (at < 0 || at >= int(arguments.size())) {
        fail(Code::value, "grad", "argument number ", i, " is out of range for ", arguments.size(),
             " arguments");
      }
      primals.push_back(arguments[size_t(at)]);
    }
    auto partial = [&](const std::vector<array>& at) {
      std::vector<array> all = arguments;
      for (size_t k = 0; k < argnums.size(); k++) {
        all[size_t(argnums[k] < 0 ? argnums[k] + int(all.size()) : argnums[k])] = at[k];
      }
      return fun(all);
    };
    auto ones = [](const std::vector<array>& outputs) {
      if (outputs.empty() || outputs[0].ndim() != 0) {
        fail(Code::value, "grad", "the function must return a scalar first",
             outputs.empty() ? std::string() : concat(", got an array of shape ", outputs[0].shape()));
      }
      std::vector<array> cotangents{array(int64_t(1), outputs[0].dtype())};
      for (size_t i = 1; i < outputs.size(); i++) cotangents.push_back(zeros_of(outputs[i]));
      return cotangents;
    };
    return vjp(partial, primals, Function(ones));
  };
}

std::function<array(const array&)> grad(const std::function<array(const array&)>& fun) {
  auto both = value_and_grad([fun](const std::vector<array>& in) { return std::vector<array>{fun(in[0])}; });
  return [both](const array& x) { return both({x}).second[0]; };
}

}  // namespace melix
