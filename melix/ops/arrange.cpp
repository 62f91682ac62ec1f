// Rules of the operations that put arrays together, take them apart, extend and rearrange them.
#include "melix/ops/arrange.h"

#include <algorithm>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

// ---- parts of one axis ----

// The whole array, as a part of itself.
SliceAttrs whole(const Shape& shape) {
  SliceAttrs part;
  part.start.assign(shape.size(), 0);
  part.step.assign(shape.size(), 1);
  part.size = shape;
  return part;
}

// `size` elements along an axis, from `start` on.
array part_of(const array& a, int axis, int64_t start, int64_t size, int64_t step = 1) {
  SliceAttrs part = whole(a.shape());
  part.start[uint32_t(axis)] = size > 0 ? start : 0;
  part.step[uint32_t(axis)] = size > 1 ? step : 1;
  part.size[uint32_t(axis)] = size;
  return slice_part(a, part);
}

// ---- concatenate ----

void infer_concatenate(const Attrs* attrs, std::span<const array> in, Avals& out) {
  if (in.empty()) fail(Code::value, "concatenate", "needs at least one array");
  Shape shape = in[0].shape();
  const int along = attrs_as<ConcatenateAttrs>(attrs).axis;
  auto axis = uint32_t(normal_axis("concatenate", along, shape));
  if (along < 0) fail(Code::index, "concatenate", "axis ", along, " is not counted from the front");
  for (const array& a : in.subspan(1)) {
    bool fits = a.ndim() == shape.size();
    for (uint32_t d = 0; d < shape.size() && fits; d++) fits = d == axis || a.shape()[d] == shape[d];
    if (!fits) {
      fail(Code::value, "concatenate", "shapes ", in[0].shape(), " and ", a.shape(), " differ besides axis ",
           axis);
    }
    if (a.dtype() != in[0].dtype())
      fail(Code::value, "concatenate", "dtypes ", in[0].dtype(), " and ", a.dtype());
    if (__builtin_add_overflow(shape[axis], a.shape()[axis], &shape[axis])) {
      fail(Code::value, "concatenate", "the result is too large");
    }
  }
  elements("concatenate", shape);
  out.push_back({std::move(shape), in[0].dtype()});
}

std::vector<MaybeArray> concatenate_vjp(const VjpContext& c) {
  int axis = attrs_as<ConcatenateAttrs>(c.attrs).axis;
  std::vector<MaybeArray> grads(c.inputs.size());
  int64_t start = 0;
  for (size_t i = 0; i < grads.size(); i++) {
    int64_t size = c.inputs[i].shape()[uint32_t(axis)];
    if (c.wanted[i]) grads[i] = part_of(c.cotangents[0], axis, start, size);
    start += size;
  }
  return grads;
}

std::vector<MaybeArray> concatenate_jvp(const JvpContext& c) { return linear_jvp(op::concatenate, c); }

std::vector<array> concatenate_vmap(const VmapContext& c) {
  Inputs inputs;
  for (size_t i = 0; i < c.inputs.size(); i++) inputs.push_back(c.with_batch(i));
  return {make(op::concatenate, make_attrs<ConcatenateAttrs>(attrs_as<ConcatenateAttrs>(c.attrs).axis + 1),
               inputs)};
}

// Parts of one dtype along an axis counted from the front.
array join(const std::vector<array>& parts, int axis) {
  if (parts.size() == 1) return parts[0];
  Inputs inputs;
  inputs.insert(inputs.end(), parts.begin(), parts.end());
  return make(op::concatenate, make_attrs<ConcatenateAttrs>(axis), std::move(inputs));
}

// ---- pad ----

Shape padded(const PadAttrs& pad, const Shape& from) {
  if (pad.before.size() != from.size() || pad.after.size() != from.size()) {
    fail(Code::value, "pad", "widths ", pad.before, " and ", pad.after, " for shape ", from);
  }
  Shape shape = from;
  for (uint32_t d = 0; d < shape.size(); d++) {
    if (pad.before[d] < 0 || pad.after[d] < 0) {
      fail(Code::value, "pad", "widths of axis ", d, " are negative: (", pad.before[d], ", ", pad.after[d],
           ")");
    }
    if (__builtin_add_overflow(shape[d], pad.before[d], &shape[d]) ||
        __builtin_add_overflow(shape[d], pad.after[d], &shape[d])) {
      fail(Code::value, "pad", "the result is too large");
    }
  }
  elements("pad", shape);
  return shape;
}

void infer_pad(const Attrs* attrs, std::span<const array> in, Avals& out) {
  if (in[1].size() != 1)
    fail(Code::value, "pad", "constant_values must be one number, got shape ", in[1].shape());
  if (in[1].dtype() != in[0].dtype())
    fail(Code::value, "pad", "dtypes ", in[0].dtype(), " and ", in[1].dtype());
  out.push_back({padded(attrs_as<PadAttrs>(attrs), in[0].shape()), in[0].dtype()});
}

std::vector<array> decompose_pad(const Attrs* attrs, std::span<const array> in) {
  const auto& pad = attrs_as<PadAttrs>(attrs);
  SliceAttrs part = whole(in[0].shape());
  for (uint32_t d = 0; d < part.start.size(); d++) part.start[d] = part.size[d] > 0 ? pad.before[d] : 0;
  return {slice_part_update(broadcast_to(reshape(in[1], {}), padded(pad, in[0].shape())), in[0], part)};
}

// Widths for every axis from the forms in which they are given.
PadAttrs widths_of(const PadWidth& given, const Shape& shape) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&given)) {
    if (numbers->empty() || numbers->size() > 2) {
      fail(Code::value, "pad", "pad_width has ", numbers->size(),
           " numbers, not 1, 2 or a pair for each axis");
    }
    pairs.emplace_back(numbers->front(), numbers->back());
  } else {
    pairs = std::get<1>(given);
  }
  if (pairs.size() == 1) pairs.assign(shape.size(), std::pair(pairs[0]));
  if (pairs.size() != shape.size()) {
    fail(Code::value, "pad", "pad_width has ", pairs.size(), " pairs for the ", shape.size(),
         " axes of shape ", shape);
  }
  PadAttrs out;
  for (auto [before, after] : pairs) {
    out.before.push_back(before);
    out.after.push_back(after);
  }
  return out;
}

enum class Mirror : bool { reflect, symmetric };

// Elements [-before, n + after) of an axis continued by mirroring it, as alternating runs forwards and backwards:
//
//   symmetric, n = 3    ... 2 1 0 | 0 1 2 | 2 1 0 ...   runs of n
//   reflect,   n = 3    ... 2 1   | 0 1   | 2 1 ...     runs of n - 1, each without the element that begins the next
array mirrored(const array& a, int axis, int64_t before, int64_t after, Mirror mirror) {
  int64_t n = a.shape()[uint32_t(axis)];
  bool once = mirror == Mirror::symmetric || n == 1;
  int64_t run = once ? n : n - 1;
  std::vector<array> parts;
  int64_t first = -before, last = n + after;
  for (int64_t at = first; at < last;) {
    int64_t number = at >= 0 ? at / run : -((run - 1 - at) / run), begin = at - number * run;
    int64_t count = std::min(last - at, run - begin);
    bool backwards = number % 2 != 0;
    int64_t start = !backwards ? begin : once ? n - 1 - begin : run - begin;
    parts.push_back(part_of(a, axis, start, count, backwards ? -1 : 1));
    at += count;
  }
  return join(parts, axis);
}

array extended(const array& a, int axis, int64_t before, int64_t after) {
  int64_t n = a.shape()[uint32_t(axis)];
  auto copies = [&](int64_t from, int64_t count) {
    Shape shape = a.shape();
    shape[uint32_t(axis)] = count;
    return broadcast_to(part_of(a, axis, from, 1), shape);
  };
  std::vector<array> parts;
  if (before > 0) parts.push_back(copies(0, before));
  parts.push_back(a);
  if (after > 0) parts.push_back(copies(n - 1, after));
  return join(parts, axis);
}

// ---- roll ----

array rolled(const array& a, int axis, int64_t shift) {
  int64_t n = a.shape()[uint32_t(axis)];
  if (n == 0 || shift % n == 0) return a;
  int64_t head = (shift % n + n) % n;
  return join({part_of(a, axis, n - head, head), part_of(a, axis, 0, n - head)}, axis);
}

}  // namespace

namespace op {
const Op concatenate{.name = "concatenate",
                     .infer = infer_concatenate,
                     .vjp = concatenate_vjp,
                     .jvp = concatenate_jvp,
                     .vmap = concatenate_vmap,
                     .read_attrs = ConcatenateAttrs::read,
                     .layout = InputLayout::any};
const Op pad{.name = "pad",
             .infer = infer_pad,
             .decompose = decompose_pad,
             .read_attrs = PadAttrs::read,
             .least_inputs = 2,
             .layout = InputLayout::any};
}  // namespace op

array concatenate(const std::vector<array>& arrays, std::optional<int> axis, StreamOrDevice s) {
  if (arrays.empty()) fail(Code::value, "concatenate", "needs at least one array");
  StreamScope scope(s);
  Dtype dtype = arrays[0].dtype();
  for (const array& a : arrays) dtype = promote(dtype, a.dtype());
  std::vector<array> parts;
  for (const array& a : arrays) parts.push_back(astype(axis ? a : reshape(a, {-1}), dtype));
  return join(parts, normal_axis("concatenate", axis.value_or(0), parts[0].shape()));
}

array stack(const std::vector<array>& arrays, std::optional<int> axis, StreamOrDevice s) {
  if (arrays.empty()) fail(Code::value, "stack", "needs at least one array");
  StreamScope scope(s);
  Shape result(uint32_t(arrays[0].ndim() + 1), 1);
  int at = normal_axis("stack", axis.value_or(0), result);
  std::vector<array> parts;
  for (const array& a : arrays) {
    if (a.shape() != arrays[0].shape())
      fail(Code::value, "stack", "shapes ", arrays[0].shape(), " and ", a.shape(), " differ");
    parts.push_back(expand_dims(a, {at}));
  }
  return concatenate(parts, at);
}

std::vector<array> split(const array& a, const std::variant<int64_t, std::vector<int64_t>>& where, int axis,
                         StreamOrDevice s) {
  StreamScope scope(s);
  int at = normal_axis("split", axis, a.shape());
  int64_t n = a.shape()[uint32_t(at)];
  std::vector<array> out;
  if (const int64_t* sections = std::get_if<int64_t>(&where)) {
    if (*sections <= 0) fail(Code::value, "split", "cannot split into ", *sections, " sections");
    if (n % *sections != 0) {
      fail(Code::value, "split", "axis ", at, " of shape ", a.shape(), " cannot be split into ", *sections,
           " equal sections");
    }
    for (int64_t i = 0; i < *sections; i++) out.push_back(part_of(a, at, i * (n / *sections), n / *sections));
    return out;
  }
  std::vector<int64_t> cuts = std::get<1>(where);
  cuts.push_back(n);
  int64_t start = 0;
  for (int64_t cut : cuts) {
    int64_t stop = std::clamp<int64_t>(cut < 0 ? cut + n : cut, 0, n);
    out.push_back(part_of(a, at, start, std::max<int64_t>(stop - start, 0)));
    start = stop;
  }
  return out;
}

std::vector<array> unstack(const array& x, int axis, StreamOrDevice s) {
  auto at = uint32_t(normal_axis("unstack", axis, x.shape()));
  std::vector<array> out;
  for (int64_t i = 0; i < x.shape()[at]; i++) {
    SliceAttrs part = whole(x.shape());
    part.start[at] = i;
    part.size[at] = 1;
    part.drop.push_back(int(at));
    out.push_back(slice_part(x, part, s));
  }
  return out;
}

array pad(const array& a, const PadWidth& pad_width, const std::string& mode, const array& constant_values,
          StreamOrDevice s) {
  StreamScope scope(s);
  PadAttrs widths = widths_of(pad_width, a.shape());
  padded(widths, a.shape());
  auto is_zero = [](int64_t n) { return n == 0; };
  bool nothing = std::all_of(widths.before.begin(), widths.before.end(), is_zero) &&
                 std::all_of(widths.after.begin(), widths.after.end(), is_zero);
  if (mode == "constant") {
    if (nothing && constant_values.size() == 1) return a;
    return make(op::pad, make_attrs<PadAttrs>(widths.before, widths.after),
                {a, astype(constant_values, a.dtype())});
  }
  if (mode != "edge" && mode != "reflect" && mode != "symmetric") {
    fail(Code::value, "pad", "mode must be constant, edge, reflect or symmetric, not ", mode);
  }
  array out = a;
  for (uint32_t d = 0; d < a.ndim(); d++) {
    int64_t before = widths.before[d], after = widths.after[d];
    if (before == 0 && after == 0) continue;
    if (a.shape()[d] == 0)
      fail(Code::value, "pad", "mode ", mode, " has nothing to continue along axis ", d, " of shape ",
           a.shape());
    if (mode == "edge") {
      out = extended(out, int(d), before, after);
    } else {
      out = mirrored(out, int(d), before, after, mode == "reflect" ? Mirror::reflect : Mirror::symmetric);
    }
  }
  return out;
}

// Every axis beside one of its repetitions, which are broadcast and then joined.
array tile(const array& a, const Shape& reps, StreamOrDevice s) {
  size_t ndim = std::max(a.ndim(), reps.size());
  Shape apart, repeated, joined;
  for (size_t d = 0; d < ndim; d++) {
    int64_t n = d + a.ndim() >= ndim ? a.shape()[d + a.ndim() - ndim] : 1;
    int64_t times = d + reps.size() >= ndim ? reps[d + reps.size() - ndim] : 1;
    if (times < 0) fail(Code::value, "tile", "cannot repeat ", times, " times: ", reps);
    apart.push_back(1);
    apart.push_back(n);
    repeated.push_back(times);
    repeated.push_back(n);
  }
  elements("tile", repeated);
  for (size_t d = 0; d < ndim; d++) joined.push_back(repeated[2 * d] * repeated[2 * d + 1]);
  return reshape(broadcast_to(reshape(a, apart, s), repeated, s), joined, s);
}

array repeat(const array& a, int64_t repeats, std::optional<int> axis, StreamOrDevice s) {
  if (repeats < 0) fail(Code::value, "repeat", "cannot repeat ", repeats, " times");
  array from = axis ? a : reshape(a, {-1}, s);
  auto at = uint32_t(normal_axis("repeat", axis.value_or(0), from.shape()));
  Shape repeated = from.shape(), joined = from.shape();
  repeated.insert(repeated.begin() + at + 1, repeats);
  elements("repeat", repeated);
  joined[at] *= repeats;
  return reshape(broadcast_to(expand_dims(from, {int(at) + 1}, s), repeated, s), joined, s);
}

array flip(const array& a, const std::optional<std::vector<int>>& axis, StreamOrDevice s) {
  SliceAttrs part = whole(a.shape());
  for (int d : axis ? normal_axes("flip", *axis, a.shape()) : all_axes(a.ndim())) {
    int64_t n = a.shape()[uint32_t(d)];
    if (n < 2) continue;
    part.start[uint32_t(d)] = n - 1;
    part.step[uint32_t(d)] = -1;
  }
  return slice_part(a, part, s);
}

array roll(const array& a, const std::vector<int64_t>& shift, const std::optional<std::vector<int>>& axis,
           StreamOrDevice s) {
  StreamScope scope(s);
  if (!axis) {
    array flat = reshape(a, {-1});
    int64_t total = 0, n = std::max<int64_t>(flat.size(), 1);
    for (int64_t by : shift) total = (total + by % n) % n;
    return reshape(rolled(flat, 0, total), a.shape());
  }
  size_t times = shift.size() == 1 || axis->size() == 1 ? std::max(shift.size(), axis->size()) : axis->size();
  if (times > 1 && shift.size() != times && shift.size() != 1) {
    fail(Code::value, "roll", shift.size(), " shifts for ", axis->size(), " axes");
  }
  array out = a;
  for (size_t i = 0; i < times && !shift.empty() && !axis->empty(); i++) {
    int at = normal_axis("roll", (*axis)[axis->size() == 1 ? 0 : i], a.shape());
    out = rolled(out, at, shift[shift.size() == 1 ? 0 : i]);
  }
  return out;
}

array permute_dims(const array& a, const std::optional<std::vector<int>>& axes, StreamOrDevice s) {
  return transpose(a, axes, s);
}

array matrix_transpose(const array& a, StreamOrDevice s) {
  if (a.ndim() < 2)
    fail(Code::value, "matrix_transpose", "needs at least two dimensions, got shape ", a.shape());
  return swapaxes(a, -2, -1, s);
}

array diff(const array& a, int64_t n, int axis, StreamOrDevice s) {
  if (n < 0) fail(Code::value, "diff", "cannot take differences ", n, " times");
  StreamScope scope(s);
  int at = normal_axis("diff", axis, a.shape());
  array out = a;
  for (int64_t length = a.shape()[uint32_t(at)]; n > 0 && length > 0; n--, length--) {
    array later = part_of(out, at, 1, length - 1), before = part_of(out, at, 0, length - 1);
    out = a.dtype() == bool_ ? not_equal(later, before) : subtract(later, before);
  }
  return out;
}

}  // namespace melix
