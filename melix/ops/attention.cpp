// Rules of attention.
#include "melix/ops/attention.h"

#include <algorithm>

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/matmul.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

constexpr const char* kName = "scaled_dot_product_attention";

const AttentionAttrs& attrs_of(const Attrs* attrs) { return attrs_as<AttentionAttrs>(attrs); }

// The inputs of both operations by name; the derivative has three more.
struct Operands {
  Operands(const AttentionAttrs& at, std::span<const array> in) : q(in[0]), k(in[1]), v(in[2]) {
    size_t next = 3;
    if (at.mask) mask = &in[next++];
    if (at.sinks) sinks = &in[next++];
    if (next < in.size()) gradient = &in[next + 2];
  }
  const array &q, &k, &v;
  const array *mask = nullptr, *sinks = nullptr, *gradient = nullptr;
};

// ---- definition ----

// Weights of the keys, of shape (B, H, L, S), in the carrier type.
struct Weights {
  array keys, sink, log_sums;  // sink (B, H, L, 1): the weight of the sink; log_sums (B, H, L)
};

// (L, S): whether query i sees key j.
array causally_seen(int64_t l, int64_t s, int64_t window) {
  array query = reshape(arange(int64_t(s - l), s, 1, int64), {-1, 1}), key = arange(int64_t(0), s, 1, int64);
  array seen = key <= query;
  return window > 0 ? seen && key > query - window : seen;
}

// x (B, H, L, K) times y (B, Hkv, K, N), heads of x grouped over those of y.
array grouped(const array& x, const array& y) {
  const Shape& s = x.shape();
  array rows = reshape(x, {s[0], y.shape(1), y.shape(1) == 0 ? 0 : s[1] / y.shape(1) * s[2], s[3]});
  return reshape(matmul(rows, y), {s[0], s[1], s[2], y.shape(3)});
}

Weights weights(const AttentionAttrs& at, const Operands& o, Dtype wide) {
  const int64_t b = o.q.shape(0), h = o.q.shape(1), l = o.q.shape(2), s = o.k.shape(2);
  const array hidden(-std::numeric_limits<double>::infinity(), wide);
  array scores = grouped(astype(o.q, wide) * array(at.scale, wide), swapaxes(astype(o.k, wide), -1, -2));
  if (o.mask)
    scores = o.mask->dtype() == bool_ ? where(*o.mask, scores, hidden) : scores + astype(*o.mask, wide);
  if (at.causal) scores = where(causally_seen(l, s, at.window), scores, hidden);
  array sink = o.sinks ? broadcast_to(reshape(astype(*o.sinks, wide), {-1, h, 1, 1}), {b, h, l, 1})
                       : broadcast_to(hidden, {b, h, l, 1});
  array largest = s == 0 ? sink : maximum(max(scores, std::vector<int>{-1}, true), sink);
  array shift = stop_gradient(where(largest == hidden, array(0.0, wide), largest));
  array keys = exp(scores - shift), sink_weight = exp(sink - shift);
  array total = sum(keys, std::vector<int>{-1}, true) + sink_weight;
  array log_sums = stop_gradient(squeeze(shift + log(total), std::vector<int>{-1}));
  array divisor = where(total == array(0.0, wide), array(1.0, wide), total);
  return {keys / divisor, sink_weight / divisor, log_sums};
}

std::vector<array> decompose(const Attrs* attrs, std::span<const array> in) {
  Operands o(attrs_of(attrs), in);
  Dtype wide = carrier_of(o.q.dtype());
  Weights w = weights(attrs_of(attrs), o, wide);
  return {astype(grouped(w.keys, astype(o.v, wide)), o.q.dtype()), w.log_sums};
}

// x^T (B, Hkv, K, ...) times y, both (B, H, L, ...): sums over the heads of a group and their queries.
array group_sums(const array& x, const array& y, int64_t heads) {
  auto rows = [heads](const array& a) {
    const Shape& s = a.shape();
    return reshape(a, {s[0], heads, heads == 0 ? 0 : s[1] / heads * s[2], s[3]});
  };
  return matmul(swapaxes(rows(x), -1, -2), rows(y));
}

std::vector<array> decompose_vjp(const Attrs* attrs, std::span<const array> in) {
  const AttentionAttrs& at = attrs_of(attrs);
  Operands o(at, in);
  const Dtype wide = carrier_of(o.q.dtype()), dtype = o.q.dtype();
  const int64_t heads = o.k.shape(1);
  const array scale(at.scale, wide);
  Weights w = weights(at, o, wide);
  array g = astype(*o.gradient, wide);
  array by_weight = grouped(g, swapaxes(astype(o.v, wide), -1, -2));
  array mean = sum(w.keys * by_weight, std::vector<int>{-1}, true);
  array scores = w.keys * (by_weight - mean);
  std::vector<array> out{astype(grouped(scores, astype(o.k, wide)) * scale, dtype),
                         astype(group_sums(scores, astype(o.q, wide), heads) * scale, dtype),
                         astype(group_sums(w.keys, g, heads), dtype)};
  if (o.sinks) out.push_back(astype(-sum(w.sink * mean, std::vector<int>{-2, -1}), dtype));
  if (at.mask_grad) out.push_back(astype(scores, dtype));
  return out;
}

// ---- rules ----

void infer(const Attrs*, std::span<const array> in, Avals& out) {
  const Shape &q = in[0].shape(), &v = in[2].shape();
  out.push_back({{q[0], q[1], q[2], v[3]}, in[0].dtype()});
  out.push_back({{q[0], q[1], q[2]}, carrier_of(in[0].dtype())});
}

void infer_vjp(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const Shape &q = in[0].shape(), &k = in[1].shape();
  const Dtype dtype = in[0].dtype();
  for (size_t i = 0; i < 3; i++) out.push_back({in[i].shape(), dtype});
  if (attrs_of(attrs).sinks) out.push_back({{q[0], q[1]}, dtype});
  if (attrs_of(attrs).mask_grad) out.push_back({{q[0], q[1], q[2], k[2]}, dtype});
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  AttentionAttrs at = attrs_of(c.attrs);
  const size_t mask = at.mask ? 3 : 0, sinks = at.sinks ? 3 + at.mask : 0;
  at.mask_grad = at.mask && c.wanted[mask] && c.inputs[mask].dtype() != bool_;
  Inputs inputs(c.inputs.begin(), c.inputs.end());
  inputs.insert(inputs.end(), {c.outputs[0], c.outputs[1], c.cotangents[0]});
  std::vector<array> back = make_all(
      op::attention_vjp,
      make_attrs<AttentionAttrs>(at.scale, at.causal, at.window, at.mask, at.sinks, at.mask_grad), inputs);
  std::vector<MaybeArray> grads(c.inputs.size());
  for (size_t i = 0; i < 3; i++) grads[i] = back[i];
  if (sinks) grads[sinks] = sum_to(back[3], c.inputs[sinks].shape());
  if (at.mask_grad) grads[mask] = sum_to(back[at.sinks ? 4 : 3], c.inputs[mask].shape());
  return grads;
}

// The batch becomes part of the axis B of all inputs. Masks and sinks that have no B and no batch stay as they are.
std::vector<array> batched_call(const Op& op, const VmapContext& c) {
  const AttentionAttrs& at = attrs_of(c.attrs);
  const int64_t b = c.inputs[0].shape(c.batched[0] ? 1 : 0);
  Inputs inputs;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    const bool broadcasts = i >= 3 && i < size_t(3 + at.mask + at.sinks);
    if (broadcasts && !c.batched[i] && c.inputs[i].shape(0) == 1) {
      inputs.push_back(c.inputs[i]);
      continue;
    }
    array x = c.with_batch(i);
    Shape shape = x.shape();
    shape[1] = b;
    x = broadcast_to(x, shape);
    shape.erase(shape.begin());
    shape[0] = c.batch * b;
    inputs.push_back(reshape(x, shape));
  }
  std::vector<array> out = make_all(op, Ref<const Attrs>(c.attrs), inputs);
  for (array& x : out) {
    Shape shape = x.shape();
    shape[0] = b;
    shape.insert(shape.begin(), c.batch);
    x = reshape(x, shape);
  }
  return out;
}
std::vector<array> vmap(const VmapContext& c) { return batched_call(op::attention, c); }
std::vector<array> vmap_vjp(const VmapContext& c) { return batched_call(op::attention_vjp, c); }

// ---- pages ----

void infer_paged(const Attrs*, std::span<const array> in, Avals& out) {
  Shape shape = in[0].shape();
  shape[3] = in[2].shape(3);
  out.push_back({shape, in[0].dtype()});
}

// The pages of each sequence one after the other, as (B, Hkv, S, D).
array gathered(const array& pages, const array& table) {
  const int64_t b = table.shape(0), size = pages.shape(1);
  array rows = take(pages, table, 0);
  return swapaxes(reshape(rows, {b, table.shape(1) * size, pages.shape(2), pages.shape(3)}), 1, 2);
}

std::vector<array> decompose_paged(const Attrs* attrs, std::span<const array> in) {
  const auto& at = attrs_as<PagedAttentionAttrs>(attrs);
  const int64_t b = in[0].shape(0), l = in[0].shape(2), s = in[3].shape(1) * in[1].shape(1);
  array length = clip(reshape(in[4], {b, 1, 1, 1}), array(0), array(s, int32));
  array query = reshape(arange(int64_t(0), l, 1, int32), {l, 1}) + (length - int32_t(l));
  array key = arange(int64_t(0), s, 1, int32);
  array seen = key <= query;
  if (at.window > 0) seen = seen && key > query - at.window;
  Inputs inputs{in[0], gathered(in[1], in[3]), gathered(in[2], in[3]), seen};
  if (at.sinks) inputs.push_back(in[5]);
  Ref<const Attrs> dense = make_attrs<AttentionAttrs>(at.scale, false, int64_t(0), true, at.sinks, false);
  return {make_all(op::attention, dense, inputs)[0]};
}

// The batch becomes part of B. Pages with a batch follow each other, and their numbers count on.
std::vector<array> vmap_paged(const VmapContext& c) {
  const int64_t b = c.inputs[0].shape(c.batched[0] ? 1 : 0);
  auto flat = [&](size_t i) {
    array x = c.with_batch(i);
    Shape shape(x.shape().begin() + 1, x.shape().end());
    shape[0] = x.shape(0) * x.shape(1);
    return reshape(x, shape);
  };
  const bool pages = c.batched[1] || c.batched[2];
  Inputs inputs{flat(0), pages ? flat(1) : c.inputs[1], pages ? flat(2) : c.inputs[2], flat(3), flat(4)};
  if (pages) {
    const int count = int(c.inputs[1].shape(c.batched[1] ? 1 : 0));
    array id = c.with_batch(3);
    id = clip(where(id < 0, id + count, id), array(0), array(std::max(count - 1, 0)));
    array first = reshape(arange(int64_t(0), c.batch, int64_t(1), int32), {c.batch, 1, 1}) * count;
    inputs[3] = reshape(id + first, inputs[3].shape());
  }
  if (attrs_as<PagedAttentionAttrs>(c.attrs).sinks) {
    array sinks = c.batched[5] ? broadcast_to(c.inputs[5], {c.batch, b, c.inputs[5].shape(2)}) : c.inputs[5];
    inputs.push_back(c.batched[5] ? reshape(sinks, {c.batch * b, sinks.shape(2)}) : sinks);
  }
  array out = make(op::paged_attention, Ref<const Attrs>(c.attrs), inputs);
  return {reshape(out, {c.batch, b, out.shape(1), out.shape(2), out.shape(3)})};
}

// ---- arguments ----

void check_rank(const char* name, const char* what, const array& a, size_t rank) {
  if (a.ndim() != rank) fail(Code::value, name, what, " of shape ", a.shape(), " has not ", rank, " axes");
}

Dtype common_type(const char* name, std::initializer_list<const array*> arrays) {
  Dtype dtype = (*arrays.begin())->dtype();
  for (const array* a : arrays) dtype = promote(dtype, a->dtype());
  if (!is_floating(dtype)) fail(Code::value, name, "takes floating types, got ", dtype);
  return dtype;
}

void check_heads(const char* name, const array& q, int64_t key_heads, int64_t value_heads) {
  if (key_heads != value_heads) {
    fail(Code::value, name, "keys have ", key_heads, " heads, and values ", value_heads);
  }
  if (key_heads == 0 ? q.shape(1) != 0 : q.shape(1) % key_heads != 0) {
    fail(Code::value, name, "the ", q.shape(1), " heads of q are no multiple of the ", key_heads,
         " of the keys");
  }
}

void check_depth(const char* name, const array& q, const array& k) {
  if (q.shape(-1) != k.shape(-1)) {
    fail(Code::value, name, "the last axes of q, ", q.shape(), ", and of the keys, ", k.shape(), ", differ");
  }
}

// Broadcasts against (B, H, L, S): as an array of four axes.
array mask_of(const array& mask, const Shape& scores, Dtype dtype) {
  if (mask.ndim() > 4 || broadcast(kName, mask.shape(), scores) != scores) {
    fail(Code::value, kName, "a mask of shape ", mask.shape(), " cannot be broadcast to the scores' ",
         scores);
  }
  if (mask.dtype() != bool_ && promote(mask.dtype(), dtype) != dtype) {
    fail(Code::value, kName, "a mask of type ", mask.dtype(), " cannot be added to scores of ", dtype);
  }
  Shape shape(4 - mask.ndim(), 1);
  shape.insert(shape.end(), mask.shape().begin(), mask.shape().end());
  return reshape(mask.dtype() == bool_ ? mask : astype(mask, dtype), shape);
}

array sinks_of(const char* name, const array& sinks, const array& q, Dtype dtype) {
  if (sinks.ndim() != 1 || sinks.shape(0) != q.shape(1)) {
    fail(Code::value, name, "sinks of shape ", sinks.shape(), " are not one for each of ", q.shape(1),
         " heads");
  }
  if (promote(sinks.dtype(), dtype) != dtype) {
    fail(Code::value, name, "sinks of type ", sinks.dtype(), " do not go with results of ", dtype);
  }
  return reshape(astype(sinks, dtype), {1, q.shape(1)});
}

int64_t window_of(const char* name, const std::optional<int64_t>& window) {
  if (window && *window < 1) fail(Code::value, name, "a window of ", *window, " keys has none");
  return window.value_or(0);
}

}  // namespace

namespace op {
const Op attention{.name = "attention",
                   .infer = infer,
                   .vjp = melix::vjp,
                   .vmap = melix::vmap,
                   .decompose = decompose,
                   .read_attrs = AttentionAttrs::read,
                   .layout = InputLayout::any};
const Op attention_vjp{.name = "attention_vjp",
                       .infer = infer_vjp,
                       .vmap = vmap_vjp,
                       .decompose = decompose_vjp,
                       .read_attrs = AttentionAttrs::read,
                       .layout = InputLayout::any};
const Op paged_attention{.name = "paged_attention",
                         .infer = infer_paged,
                         .vmap = vmap_paged,
                         .decompose = decompose_paged,
                         .read_attrs = PagedAttentionAttrs::read,
                         .layout = InputLayout::any};
}  // namespace op

namespace fast {

array scaled_dot_product_attention(const array& q, const array& k, const array& v, double scale,
                                   const std::optional<std::variant<std::string, array>>& mask,
                                   const std::optional<array>& sinks, bool,
                                   const std::optional<int64_t>& window, StreamOrDevice s) {
  StreamScope scope(s);
  check_rank(kName, "q", q, 4);
  check_rank(kName, "k", k, 4);
  check_rank(kName, "v", v, 4);
  if (k.shape(0) != q.shape(0) || v.shape(0) != q.shape(0) || v.shape(2) != k.shape(2)) {
    fail(Code::value, kName, "q ", q.shape(), ", k ", k.shape(), " and v ", v.shape(),
         " are not of one batch, or k and v not of one length");
  }
  check_heads(kName, q, k.shape(1), v.shape(1));
  check_depth(kName, q, k);
  Dtype dtype = common_type(kName, {&q, &k, &v});
  Inputs inputs{astype(q, dtype), astype(k, dtype), astype(v, dtype)};
  bool causal = window.has_value(), masked = false;
  if (mask && mask->index() == 0) {
    if (std::get<0>(*mask) != "causal")
      fail(Code::value, kName, "mask '", std::get<0>(*mask), "' is not 'causal'");
    causal = true;
  } else if (mask) {
    inputs.push_back(mask_of(std::get<1>(*mask), {q.shape(0), q.shape(1), q.shape(2), k.shape(2)}, dtype));
    masked = true;
  }
  if (sinks) inputs.push_back(sinks_of(kName, *sinks, q, dtype));
  return make_all(
      op::attention,
      make_attrs<AttentionAttrs>(scale, causal, window_of(kName, window), masked, sinks.has_value(), false),
      inputs)[0];
}

array paged_attention(const array& q, const array& key_pages, const array& value_pages,
                      const array& page_table, const array& lengths, double scale,
                      const std::optional<array>& sinks, const std::optional<int64_t>& window,
                      StreamOrDevice s) {
  StreamScope scope(s);
  const char* name = "paged_attention";
  check_rank(name, "q", q, 4);
  check_rank(name, "key_pages", key_pages, 4);
  check_rank(name, "value_pages", value_pages, 4);
  check_rank(name, "page_table", page_table, 2);
  check_rank(name, "lengths", lengths, 1);
  const Shape &k = key_pages.shape(), &v = value_pages.shape();
  if (k[0] != v[0] || k[1] != v[1]) {
    fail(Code::value, name, "key_pages ", k, " and value_pages ", v, " are not as many pages of one size");
  }
  if (page_table.shape(0) != q.shape(0) || lengths.shape(0) != q.shape(0)) {
    fail(Code::value, name, "q ", q.shape(), ", page_table ", page_table.shape(), " and lengths ",
         lengths.shape(), " are not of one batch");
  }
  if (k[0] * k[1] == 0 && page_table.shape(1) > 0) fail(Code::value, name, "key_pages ", k, " has no page");
  check_heads(name, q, k[2], v[2]);
  check_depth(name, q, key_pages);
  for (const array* a : {&page_table, &lengths}) {
    if (!is_integer(a->dtype())) fail(Code::value, name, "pages and lengths are integers, got ", a->dtype());
  }
  Dtype dtype = common_type(name, {&q, &key_pages, &value_pages});
  Inputs inputs{astype(q, dtype), astype(key_pages, dtype), astype(value_pages, dtype),
                contiguous(astype(page_table, int32)), contiguous(astype(lengths, int32))};
  if (sinks) inputs.push_back(sinks_of(name, *sinks, q, dtype));
  return make(op::paged_attention,
              make_attrs<PagedAttentionAttrs>(scale, window_of(name, window), sinks.has_value()), inputs);
}

}  // namespace fast
}  // namespace melix
