// Rules of the gated delta rule.
#include "melix/ops/gated_delta.h"

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

constexpr const char* kName = "gated_delta_update";
constexpr size_t kInputs = 6;  // without the mask

// What the inputs are, in the order of the operation.
struct Arguments {
  explicit Arguments(std::span<const array> in)
      : state(in[0]), q(in[1]), k(in[2]), v(in[3]), gamma(in[4]), beta(in[5]) {
    if (in.size() > kInputs) mask = in[6];
  }
  int64_t batch() const { return v.shape(0); }
  int64_t steps() const { return v.shape(1); }
  int64_t heads() const { return v.shape(2); }
  int64_t group() const { return heads() / k.shape(2); }
  bool per_key() const { return gamma.ndim() == 4; }
  array state, q, k, v, gamma, beta;
  MaybeArray mask;
};

void expect(const char* what, const array& a, const Shape& shape) {
  if (a.shape() != shape) fail(Code::value, kName, what, " must have shape ", shape, ", got ", a.shape());
}

void check(const array& q, const array& k, const array& v, const array& gamma, const array& beta,
           const MaybeArray& state, const MaybeArray& mask) {
  if (k.ndim() != 4 || v.ndim() != 4) {
    fail(Code::value, kName, "k must have shape (B, T, Hk, Dk) and v (B, T, Hv, Dv), got ", k.shape(),
         " and ", v.shape());
  }
  const int64_t batch = k.shape(0), steps = k.shape(1), heads = v.shape(2), keys = k.shape(3);
  expect("q", q, k.shape());
  expect("v", v, {batch, steps, heads, v.shape(3)});
  if (k.shape(2) == 0 || heads % k.shape(2) != 0) {
    fail(Code::value, kName, "the number of heads of v must be a multiple of that of k, got shapes ",
         v.shape(), " and ", k.shape());
  }
  const Shape each{batch, steps, heads}, each_key{batch, steps, heads, keys};
  if (gamma.shape() != each && gamma.shape() != each_key)
    fail(Code::value, kName, "gamma must have shape ", each, " or ", each_key, ", got ", gamma.shape());
  expect("beta", beta, each);
  if (state) expect("initial_state", *state, {batch, heads, v.shape(3), keys});
  if (mask) expect("mask", *mask, {batch, steps});
}

void check_kernel(std::span<const array> in, size_t extra) {
  if (in.size() != kInputs + extra && in.size() != kInputs + extra + 1)
    fail(Code::value, kName, "got ", in.size(), " inputs");
  const bool masked = in.size() > kInputs + extra;
  for (size_t i = 0; i < in.size(); i++) {
    const bool is_mask = masked && i == kInputs;
    if (is_mask ? in[i].dtype() != bool_
                : in[i].dtype() != in[0].dtype() || in[i].dtype() != carrier_of(in[i].dtype()) ||
                      !is_floating(in[i].dtype())) {
      fail(Code::value, kName, "has no kernel for ", in[0].dtype(), " with ", in[i].dtype());
    }
  }
  const Arguments a(in.first(masked ? kInputs + 1 : kInputs));
  check(a.q, a.k, a.v, a.gamma, a.beta, a.state, a.mask);
}

void infer(const Attrs*, std::span<const array> in, Avals& out) {
  check_kernel(in, 0);
  out.push_back({in[0].shape(), in[0].dtype()});
  out.push_back({in[3].shape(), in[0].dtype()});
}

// ---- the definition, step by step ----

array column(const array& a) { return expand_dims(a, {-1}); }
array row(const array& a) { return expand_dims(a, {-2}); }
array last_sum(const array& a) { return sum(a, std::vector<int>{-1}); }

// Step t of an array (B, T, ...).
array at(const array& a, int64_t t) {
  Shape start(uint32_t(a.ndim()), 0), stop = a.shape(), step(uint32_t(a.ndim()), 1);
  start[1] = t, stop[1] = t + 1;
  return squeeze(slice(a, start, stop, step), std::vector<int>{1});
}

// (B, Hk, Dk) with each head as often as heads of v share it.
array shared(const array& a, int64_t group) { return repeat(a, int(group), 1); }

// One step's arguments: (B, Hv, Dk), (B, Hv, Dv), (B, Hv, 1, 1 or Dk), (B, Hv, 1), (B, 1, 1).
struct Step {
  Step(const Arguments& a, int64_t t)
      : q(shared(at(a.q, t), a.group())),
        k(shared(at(a.k, t), a.group())),
        v(at(a.v, t)),
        gamma(a.per_key() ? row(at(a.gamma, t)) : column(column(at(a.gamma, t)))),
        beta(column(at(a.beta, t))) {
    if (a.mask) mask = column(at(column(*a.mask), t));
  }
  // beta (v - S k) of the decayed state S
  array difference(const array& decayed) const { return beta * (v - last_sum(decayed * row(k))); }
  array kept(const array& next, const array& before) const {
    return mask ? where(column(*mask), next, before) : next;
  }
  array shown(const array& y) const { return mask ? where(*mask, y, zeros_like(y)) : y; }
  array q, k, v, gamma, beta;
  MaybeArray mask;
};

// The states before each step, and the last one; `y` gets the results.
std::vector<array> states_of(const Arguments& a, std::vector<array>* y) {
  std::vector<array> states{a.state};
  for (int64_t t = 0; t < a.steps(); t++) {
    const Step step(a, t);
    const array decayed = states.back() * step.gamma;
    array next = decayed + column(step.difference(decayed)) * row(step.k);
    if (y) y->push_back(step.shown(last_sum(next * row(step.q))));
    states.push_back(step.kept(next, states.back()));
  }
  return states;
}

std::vector<array> decompose(const Attrs*, std::span<const array> in) {
  const Arguments a(in);
  std::vector<array> y;
  const std::vector<array> states = states_of(a, &y);
  return {states.back(), y.empty() ? zeros_like(a.v) : stack(y, 1)};
}

// ---- transforms ----

// From the last step to the first; the kernel's comment derives it.
std::vector<array> decompose_grad(const Attrs*, std::span<const array> in) {
  const Arguments a(in.first(in.size() - 2));
  const std::vector<array> states = states_of(a, nullptr);
  array slope = in[in.size() - 2];
  const array dys = in[in.size() - 1];
  std::vector<array> grads[5];  // of q, k, v, gamma, beta, last step first
  for (int64_t t = a.steps(); t-- > 0;) {
    const Step step(a, t);
    const array dy = step.shown(at(dys, t)), before = states[size_t(t)], decayed = before * step.gamma;
    const array error = step.v - last_sum(decayed * row(step.k)), difference = step.beta * error;
    const array next = decayed + column(difference) * row(step.k);
    const array inside = slope + column(dy) * row(step.q);
    const array dd = last_sum(inside * row(step.k)), dv = step.beta * dd;
    const array inner = inside - column(dv) * row(step.k);
    auto over_rows = [](const array& x) { return sum(x, std::vector<int>{-2}); };
    const array dgamma = over_rows(inner * before);
    const array parts[5] = {over_rows(column(dy) * next),
                            over_rows(column(difference) * inside - column(dv) * decayed), dv,
                            a.per_key() ? dgamma : last_sum(dgamma), last_sum(dd * error)};
    for (int i = 0; i < 5; i++) {
      array part = parts[i];
      if (step.mask) {
        const array m = part.ndim() == 2 ? squeeze(*step.mask, std::vector<int>{-1}) : *step.mask;
        part = where(m, part, zeros_like(part));
      }
      grads[i].push_back(part);
    }
    slope = step.kept(inner * step.gamma, slope);
  }
  std::vector<array> out{slope};
  const array none[5] = {in[1], in[2], in[3], in[4], in[5]};
  for (int i = 0; i < 5; i++) {
    std::reverse(grads[i].begin(), grads[i].end());
    if (!grads[i].empty()) {
      out.push_back(stack(grads[i], 1));
    } else {
      out.push_back(i < 2 ? zeros({a.batch(), 0, a.heads(), a.k.shape(3)}, none[i].dtype())
                          : zeros_like(none[i]));
    }
  }
  return out;
}

void infer_grad(const Attrs*, std::span<const array> in, Avals& out) {
  check_kernel(in, 2);
  const array &state = in[in.size() - 2], &y = in[in.size() - 1];
  expect("the cotangent of the state", state, in[0].shape());
  expect("the cotangent of the result", y, in[3].shape());
  const Shape shared_keys{in[3].shape(0), in[3].shape(1), in[3].shape(2), in[2].shape(3)};
  for (size_t i = 0; i < kInputs; i++)
    out.push_back({i == 1 || i == 2 ? shared_keys : in[i].shape(), in[0].dtype()});
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  Inputs in(c.inputs.begin(), c.inputs.end());
  for (const array& g : c.cotangents) in.push_back(g);
  std::vector<array> grads = make_all(op::gated_delta_grad, {}, in);
  const Shape& k = c.inputs[2].shape();
  const int64_t group = c.inputs[3].shape(2) / k[2];
  std::vector<MaybeArray> out(c.inputs.size());
  for (size_t i = 0; i < kInputs; i++) {
    const bool per_head = (i == 1 || i == 2) && group > 1;
    out[i] =
        per_head ? sum(reshape(grads[i], {k[0], k[1], k[2], group, k[3]}), std::vector<int>{3}) : grads[i];
  }
  return out;
}

// The batch joins the first axis of everything.
template <const Op& op>
std::vector<array> vmap(const VmapContext& c) {
  Inputs in;
  for (size_t i = 0; i < c.inputs.size(); i++) in.push_back(flatten(c.with_batch(i), 0, 1));
  std::vector<array> out = make_all(op, {}, in);
  for (array& a : out) a = unflatten(a, 0, {c.batch, a.shape(0) / c.batch});
  return out;
}

}  // namespace

namespace op {
const Op gated_delta{.name = "gated_delta",
                     .infer = infer,
                     .vjp = vjp,
                     .vmap = vmap<gated_delta>,
                     .decompose = decompose,
                     .updates_input = true};
const Op gated_delta_grad{.name = "gated_delta_grad",
                          .infer = infer_grad,
                          .vmap = vmap<gated_delta_grad>,
                          .decompose = decompose_grad};
}  // namespace op

std::vector<array> fast::gated_delta_update(const array& q, const array& k, const array& v,
                                            const array& gamma, const array& beta,
                                            const MaybeArray& initial_state, const MaybeArray& mask,
                                            StreamOrDevice s) {
  StreamScope scope(s);
  check(q, k, v, gamma, beta, initial_state, mask);
  const Dtype result = inexact_of(promote(promote(q.dtype(), k.dtype()), v.dtype()));
  Dtype wide = promote(promote(result, gamma.dtype()), beta.dtype());
  if (initial_state) wide = promote(wide, initial_state->dtype());
  if (is_complex(wide)) fail(Code::value, kName, "is not defined for ", wide);
  wide = carrier_of(wide);
  const Shape shape{v.shape(0), v.shape(2), v.shape(3), k.shape(3)};
  Inputs in{initial_state ? *initial_state : zeros(shape, wide), q, k, v, gamma, beta};
  for (array& a : in) a = astype(a, wide);
  if (mask) in.push_back(astype(*mask, bool_));
  std::vector<array> out = make_all(op::gated_delta, {}, in);
  return {astype(out[1], result), out[0]};
}

}  // namespace melix
