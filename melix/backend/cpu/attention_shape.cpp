// See attention_shape.h.
#include "melix/backend/cpu/attention_shape.h"

#include <algorithm>
#include <limits>

#include "melix/core/element.h"

namespace melix::cpu {
namespace {

// Numbers to be added to scores: 0 where a boolean mask is true, -inf where it is false.
template <class T>
void bias_of(const uint8_t* from, int64_t stride, int64_t n, T* to) {
  for (int64_t i = 0; i < n; i++) to[i] = from[i * stride] ? T(0) : -std::numeric_limits<T>::infinity();
}

void copy_lanes(Dtype carrier, const void* rows, int64_t count, int64_t lanes, void* panel) {
  simd().transpose(int(size_of(carrier)), rows, count, panel, lanes, lanes, count);
}

}  // namespace

const void* HeadRows::rows(int64_t begin, int64_t n, void* scratch, int64_t* distance) const {
  if (!table && column == 1 && !is_half(dtype)) {
    *distance = row;
    return at(begin * row);
  }
  *distance = width;
  const int64_t to_bytes = int64_t(size_of(carrier_of(dtype))), from_bytes = int64_t(size_of(dtype));
  runs(begin, n, [&](const char* from, int64_t count, int64_t done) {
    char* to = static_cast<char*>(scratch) + done * width * to_bytes;
    if (column == 1 && row == width) return simd().to_sums(dtype, from, 1, to, count * width);
    for (int64_t i = 0; i < count; i++)
      simd().to_sums(dtype, from + i * row * from_bytes, column, to + i * width * to_bytes, width);
  });
  return scratch;
}

AttentionShape::AttentionShape(const Call& call, const AttentionAttrs& attrs)
    : q(&call.inputs[0]), k(&call.inputs[1]), v(&call.inputs[2]) {
  size_t next = 3;
  if (attrs.mask) mask = &call.inputs[next++];
  if (attrs.sinks) sinks = &call.inputs[next++];
  scale = attrs.scale;
  causal = attrs.causal;
  window = attrs.window;
  groups = k->shape[1] == 0 ? 1 : q->shape[1] / k->shape[1];
  s = k->shape[2];
  set_sizes();
}

AttentionShape::AttentionShape(const Call& call, const PagedAttentionAttrs& attrs)
    : q(&call.inputs[0]),
      k(&call.inputs[1]),
      v(&call.inputs[2]),
      table(&call.inputs[3]),
      lengths(&call.inputs[4]) {
  if (attrs.sinks) sinks = &call.inputs[5];
  scale = attrs.scale;
  causal = true;
  window = attrs.window;
  groups = k->shape[2] == 0 ? 1 : q->shape[1] / k->shape[2];
  s = table->shape[1] * k->shape[1];
  set_sizes();
}

void AttentionShape::set_sizes() {
  dtype = q->dtype;
  carrier = carrier_of(dtype);
  width = simd().panel_width(carrier);
  b = q->shape[0];
  h = q->shape[1];
  l = q->shape[2];
  d = q->shape[3];
  dv = v->shape[3];
  if (mask) mask_steps = broadcast_strides(mask->shape, mask->strides, Shape{b, h, l, s});
}

int64_t AttentionShape::keys(int64_t batch) const {
  if (!lengths) return s;
  return std::clamp<int64_t>(lengths->as<int32_t>()[batch * lengths->strides[0]], 0, s);
}

KeyRange AttentionShape::seen(int64_t batch, int64_t query) const {
  int64_t all = keys(batch);
  if (!causal) return {0, all};
  int64_t end = std::max<int64_t>(0, query + 1 + all - l);
  return {window > 0 ? std::max<int64_t>(0, end - window) : 0, end};
}

char* AttentionShape::row_of(const View& view, int64_t batch, int64_t head, int64_t r) const {
  int64_t at = batch * view.strides[0] + (head * groups + r / l) * view.strides[1] + r % l * view.strides[2];
  return static_cast<char*>(view.data()) + at * int64_t(size_of(view.dtype));
}

HeadRows AttentionShape::head_of(const View& view, int64_t batch, int64_t head) const {
  HeadRows out;
  out.dtype = view.dtype;
  out.width = view.shape[3];
  out.column = view.strides[3];
  const char* data = static_cast<const char*>(view.data());
  const int64_t size = int64_t(size_of(view.dtype));
  if (!table) {
    out.row = view.strides[2];
    out.base = data + (batch * view.strides[0] + head * view.strides[1]) * size;
    return out;
  }
  out.row = view.strides[1];
  out.base = data + head * view.strides[2] * size;
  out.table = table->as<int32_t>() + batch * table->shape[1];
  out.page = view.strides[0];
  out.page_size = view.shape[1];
  out.pages = view.shape[0];
  return out;
}

double AttentionShape::sink(int64_t batch, int64_t head) const {
  int64_t at = (sinks->shape[0] == 1 ? 0 : batch * sinks->strides[0]) + head * sinks->strides[1];
  return with_type(sinks->dtype, [&](auto zero) -> double {
    return convert_element<double>(sinks->as<decltype(zero)>()[at]);
  });
}

void AttentionShape::bias(int64_t batch, int64_t head, int64_t r, int64_t begin, int64_t n, void* to) const {
  const Strides& step = mask_steps;
  int64_t at = batch * step[0] + head_of_row(head, r) * step[1] + r % l * step[2] + begin * step[3];
  const char* from = static_cast<const char*>(mask->data()) + at * int64_t(size_of(mask->dtype));
  if (mask->dtype != bool_) return simd().to_sums(mask->dtype, from, step[3], to, n);
  const uint8_t* seen = reinterpret_cast<const uint8_t*>(from);
  carrier == float64 ? bias_of(seen, step[3], n, static_cast<double*>(to))
                     : bias_of(seen, step[3], n, static_cast<float*>(to));
}

void AttentionShape::pack_rows(const View& view, int64_t batch, int64_t head, int64_t first, int64_t n,
                               double factor, void* rows) const {
  const int64_t count = view.shape[3];
  char* to = static_cast<char*>(rows);
  for (int64_t r = 0; r < n; r++) {
    simd().to_sums(dtype, row_of(view, batch, head, first + r), view.strides[3],
                   to + r * count * int64_t(size_of(carrier)), count);
  }
  if (factor != 1) simd().softmax_scale(carrier, rows, n * count, factor);
}

void AttentionShape::pack(const View& view, int64_t batch, int64_t head, int64_t first, int64_t n,
                          double factor, void* scratch, void* panel) const {
  const int64_t count = view.shape[3], row = count * int64_t(size_of(carrier));
  pack_rows(view, batch, head, first, n, factor, scratch);
  std::fill_n(static_cast<char*>(scratch) + n * row, (width - n) * row, char(0));
  copy_lanes(carrier, scratch, count, width, panel);
}

void AttentionShape::pack_bias(int64_t batch, int64_t head, int64_t first, int64_t n, int64_t begin,
                               int64_t count, void* scratch, void* panel) const {
  const int64_t row = count * int64_t(size_of(carrier));
  char* to = static_cast<char*>(scratch);
  const bool same = mask_steps[1] == 0 && mask_steps[2] == 0;
  for (int64_t r = 0; r < (same ? 1 : n); r++) bias(batch, head, first + r, begin, count, to + r * row);
  for (int64_t r = same ? 1 : n; r < width; r++) std::copy_n(to, row, to + r * row);  // any numbers do
  copy_lanes(carrier, scratch, count, width, panel);
}

}  // namespace melix::cpu
