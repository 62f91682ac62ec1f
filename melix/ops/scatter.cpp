// Rules of scatter, and the functions made of it.
#include "melix/ops/scatter.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& w = attrs_as<WindowAttrs>(attrs);
  const array &a = in[0], &updates = in[1];
  Shape packed = packed_shape("scatter", w, a, in.subspan(2));
  if (updates.shape() != packed)
    fail(Code::value, "scatter", "updates of shape ", updates.shape(), ", expected ", packed);
  if (updates.dtype() != a.dtype())
    fail(Code::value, "scatter", "updates of ", updates.dtype(), " for an array of ", a.dtype());
  bool fits = w.mode == Scatter::none || !is_half(a.dtype());
  if (w.mode > Scatter::divide || !fits || (w.mode == Scatter::divide && !is_inexact(a.dtype()))) {
    fail(Code::value, "scatter", "mode ", int(w.mode), " is not defined for ", a.dtype());
  }
  out.push_back({a.shape(), a.dtype()});
}

// ---- derivatives ----

// One call, whose parts the rules write down again and again.
struct Rule {
  const array &a, &updates, &out;
  std::span<const array> indices;
  const WindowAttrs& w;

  array put(Scatter mode, const array& base, const array& values) const {
    WindowAttrs other = w;
    other.mode = mode;
    return scatter_windows(base, values, indices, other);
  }
  array get(const array& from) const { return gather_windows(from, indices, w); }
  array constant(int64_t value, const array& like) const {
    return broadcast_to(array(value, like.dtype()), like.shape());
  }
};

// How the result changes with the array and with the updates: d out = put(add, of_array * d a, of_updates * d updates).
struct Factors {
  array of_array, of_updates;
};

// The product of all others, which exists where one factor is zero too.
Factors product_factors(const Rule& r) {
  array no_a = equal(r.a, 0), no_u = equal(r.updates, 0);
  array one(int64_t(1), r.a.dtype()), nothing(int64_t(0), r.a.dtype());
  array a = where(no_a, one, r.a), u = where(no_u, one, r.updates);
  array zeros = r.put(Scatter::add, astype(no_a, int32), astype(no_u, int32));
  array product = r.put(Scatter::prod, a, u);
  array zeros_u = r.get(zeros), product_u = r.get(product);
  array others_a = where(zeros == astype(no_a, int32), product / a, nothing);
  array others_u = where(zeros_u == astype(no_u, int32), product_u / u, nothing);
  return {others_a, others_u};
}

// All that attain the maximum or minimum share evenly.
Factors choice_factors(const Rule& r) {
  Dtype dtype = r.a.dtype();
  array hit_a = astype(equal(r.a, r.out), dtype), hit_u = astype(equal(r.updates, r.get(r.out)), dtype);
  array ways = maximum(r.put(Scatter::add, hit_a, hit_u), array(int64_t(1), dtype));
  array ways_u = maximum(r.get(ways), array(int64_t(1), dtype));
  return {hit_a / ways, hit_u / ways_u};
}

Factors quotient_factors(const Rule& r) {
  array divisor = r.put(Scatter::prod, r.constant(1, r.a), r.updates);
  return {1 / divisor, -r.get(r.out) / r.updates};
}

// Which updates stayed: the last one of each place. Places are numbered by windows, or by elements where windows may
// overlap in part.
array last_updates(const Rule& r) {
  WindowAttrs w = r.w;
  Shape places = r.a.shape(), packed = r.updates.shape();
  bool overlap = false;
  for (int axis : w.axes) overlap |= w.sizes[size_t(axis)] > 1;
  int dims = int(index_space(r.indices).size());
  for (size_t d = 0, k = 0; d < places.size(); d++) {
    bool is_packed = w.is_packed(d);
    size_t at = k + (int(k) >= w.place ? size_t(dims) : 0);
    k += is_packed;
    if (overlap || w.is_indexed(d) || w.is_batch(d)) continue;
    places[d] = w.sizes[d] = 1;
    if (is_packed) packed[at] = 1;
  }
  int64_t n = elements(packed);
  std::vector<int64_t> numbers(size_t(n), 0);
  for (size_t i = 0; i < numbers.size(); i++) numbers[i] = int64_t(i) + 1;
  array number(numbers.data(), packed, int64);
  array last = scatter_windows(broadcast_to(array(int64_t(0), int64), places), number, r.indices, w);
  return equal(gather_windows(last, r.indices, w), number);
}

Factors factors(const Rule& r) {
  switch (r.w.mode) {
    case Scatter::prod:
      return product_factors(r);
    case Scatter::max:
    case Scatter::min:
      return choice_factors(r);
    case Scatter::divide:
      return quotient_factors(r);
    default:
      return {array(int64_t(1), r.a.dtype()), array(int64_t(1), r.a.dtype())};
  }
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  const array& g = c.cotangents[0];
  const auto& w = attrs_as<WindowAttrs>(c.attrs);
  Rule r{c.inputs[0], c.inputs[1], c.outputs[0], c.inputs.subspan(2), w};
  std::vector<MaybeArray> grads(c.inputs.size());
  if (!is_inexact(g.dtype())) return grads;
  bool plain = w.mode == Scatter::none, linear = plain || w.mode == Scatter::add;
  if (linear) {
    if (c.wanted[0]) grads[0] = plain ? r.put(Scatter::none, g, r.constant(0, r.updates)) : g;
    if (c.wanted[1]) grads[1] = r.get(g);
    bool single = elements(index_space(r.indices)) <= 1;
    if (c.wanted[1] && plain && !single)
      grads[1] = where(last_updates(r), *grads[1], array(int64_t(0), g.dtype()));
    return grads;
  }
  Factors f = factors(r);
  bool complex = is_complex(g.dtype());
  if (c.wanted[0]) grads[0] = g * (complex ? conj(f.of_array) : f.of_array);
  if (c.wanted[1]) grads[1] = r.get(g) * (complex ? conj(f.of_updates) : f.of_updates);
  return grads;
}

std::vector<MaybeArray> jvp(const JvpContext& c) {
  if (!c.tangents[0] && !c.tangents[1]) return {std::nullopt};
  const auto& w = attrs_as<WindowAttrs>(c.attrs);
  Rule r{c.inputs[0], c.inputs[1], c.outputs[0], c.inputs.subspan(2), w};
  array ta = c.tangents[0] ? *c.tangents[0] : r.constant(0, r.a);
  array tu = c.tangents[1] ? *c.tangents[1] : r.constant(0, r.updates);
  if (w.mode == Scatter::none || w.mode == Scatter::add) return {r.put(w.mode, ta, tu)};
  Factors f = factors(r);
  return {r.put(Scatter::add, ta * f.of_array, tu * f.of_updates)};
}

std::vector<array> vmap(const VmapContext& c) {
  BatchedWindows batched = batched_windows(c, 2, true);
  array updates = c.with_batch(1);
  if (batched.packed_axis != 0) updates = moveaxis(updates, 0, batched.packed_axis);
  return {scatter_windows(c.with_batch(0), updates, batched.indices, batched.attrs)};
}

}  // namespace

namespace op {
const Op scatter{.name = "scatter",
                 .infer = infer,
                 .vjp = vjp,
                 .jvp = jvp,
                 .vmap = vmap,
                 .read_attrs = WindowAttrs::read,
                 .least_inputs = 2,
                 .layout = InputLayout::any,
                 .updates_input = true};
}  // namespace op

array scatter_windows(const array& a, const array& updates, std::span<const array> indices,
                      const WindowAttrs& w) {
  // Combining rounds once, at the end; integers are divided as floats.
  Dtype dtype = a.dtype();
  if (w.mode != Scatter::none) dtype = carrier_of(dtype);
  if (w.mode == Scatter::divide) dtype = inexact_of(dtype);
  Inputs inputs{astype(a, dtype), astype(updates, dtype)};
  for (const array& index : indices) inputs.push_back(index);
  return astype(make(op::scatter, make_ref<WindowAttrs>(w), std::move(inputs)), a.dtype());
}

array scatter(const array& a, const std::vector<array>& indices, const array& updates,
              const std::vector<int>& axes, Scatter mode, StreamOrDevice s) {
  StreamScope scope(s);
  std::vector<array> index = index_arrays("scatter", indices);
  size_t dims = index_space(index).size();
  if (updates.ndim() != dims + a.ndim()) {
    fail(Code::value, "scatter", "updates of shape ", updates.shape(), " for index arrays of ", dims,
         " and an array of ", a.ndim(), " dimensions");
  }
  WindowAttrs w;
  for (int axis : axes) w.axes.push_back(normal_axis("scatter", axis, a.shape()));
  w.sizes.assign(updates.shape().begin() + dims, updates.shape().end());
  w.squeeze = false;
  w.bounds = Bounds::drop;
  w.mode = mode;
  return scatter_windows(a, astype(updates, a.dtype()), index, w);
}

array scatter_along_axis(const array& a, const array& indices, const array& values, int axis, Scatter mode,
                         StreamOrDevice s) {
  StreamScope scope(s);
  int at = normal_axis("put_along_axis", axis, a.shape());
  if (indices.ndim() != a.ndim()) {
    fail(Code::value, "put_along_axis", "indices of shape ", indices.shape(), " for an array of shape ",
         a.shape());
  }
  Shape space = a.shape();
  space[size_t(at)] = indices.shape()[size_t(at)];
  array index = index_arrays("put_along_axis", {indices})[0];
  if (index.shape() != space) index = broadcast_to(index, space);
  array updates = astype(values, a.dtype());
  if (updates.shape() != space) updates = broadcast_to(updates, space);
  WindowAttrs w = windows_in_rows(a.shape(), at);
  w.bounds = Bounds::drop;
  w.mode = mode;
  return scatter_windows(a, updates, std::span(&index, 1), w);
}

array put_along_axis(const array& a, const array& indices, const array& values, std::optional<int> axis,
                     StreamOrDevice s) {
  StreamScope scope(s);
  if (axis) return scatter_along_axis(a, indices, values, *axis, Scatter::none);
  array index = reshape(indices, {-1});
  array flat =
      reshape(broadcast_to(values, broadcast("put_along_axis", values.shape(), indices.shape())), {-1});
  return reshape(scatter_along_axis(reshape(a, {-1}), index, flat, 0, Scatter::none), a.shape());
}

array scatter_add_flat(const array& a, const array& indices, const array& updates, StreamOrDevice s) {
  return scatter_along_axis(a, indices, updates, 0, Scatter::add, s);
}

}  // namespace melix
