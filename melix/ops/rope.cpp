// Rules of rope.
#include "melix/ops/rope.h"

#include <cmath>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

const RopeAttrs& rope_attrs(const Attrs* attrs) { return attrs_as<RopeAttrs>(attrs); }

void check_dims(const Shape& shape, int64_t dims) {
  if (shape.size() < 3)
    fail(Code::value, "rope", "the input must have at least 3 dimensions (B, ..., T, D), got shape ", shape);
  if (dims <= 0 || dims % 2 != 0) fail(Code::value, "rope", "dims must be positive and even, got ", dims);
  if (dims > shape.back())
    fail(Code::value, "rope", "dims ", dims, " is more than the last dimension of shape ", shape);
}

void check_freqs(const array& freqs, int64_t dims) {
  if (freqs.shape() != Shape{dims / 2})
    fail(Code::value, "rope", "freqs must have shape (", dims / 2, ",), got ", freqs.shape());
}

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const RopeAttrs& a = rope_attrs(attrs);
  const bool given = a.base == 0;
  if (in.size() != size_t(2 + given)) fail(Code::value, "rope", "got ", in.size(), " inputs for ", 2 + given);
  check_dims(in[0].shape(), a.dims);
  if (!is_floating(in[0].dtype())) fail(Code::value, "rope", "has no kernel for ", in[0].dtype());
  const int64_t batch = in[0].shape()[0];
  if (!is_integer(in[1].dtype()) || (in[1].shape() != Shape{1} && in[1].shape() != Shape{batch}))
    fail(Code::value, "rope", "offsets must be integers of shape (1,) or (", batch, ",), got ", in[1].dtype(),
         " ", in[1].shape());
  if (given) {
    check_freqs(in[2], a.dims);
    if (in[2].dtype() != float32 && in[2].dtype() != float64)
      fail(Code::value, "rope", "has no kernel for freqs of ", in[2].dtype());
  }
  out.push_back({in[0].shape(), in[0].dtype()});
}

// ---- the definition ----

array column(const array& a) { return expand_dims(a, {-1}); }

// The pairs' turns per position, in float64: (half), or the shape of the wavelengths.
array turns_of(const RopeAttrs& a, std::span<const array> in) {
  if (in.size() == 3) return array(1.0, float64) / astype(in[2], float64);
  return exp(arange(0, double(a.dims / 2), 1, float64) * (-2 * std::log(a.base) / double(a.dims)));
}

// (offset + t) * scale in float64: (offsets..., T)
array positions_of(const RopeAttrs& a, const array& offset, int64_t rows) {
  return (column(astype(offset, float64)) + arange(0, double(rows), 1, float64)) * a.scale;
}

// First and second elements of the pairs.
std::pair<array, array> pairs_of(const RopeAttrs& a, const array& x) {
  const int64_t half = a.dims / 2, n = x.shape(-1);
  Shape start(uint32_t(x.ndim()), 0), stop = x.shape(), step(uint32_t(x.ndim()), 1);
  auto part = [&](int64_t from, int64_t to, int64_t by) {
    start.back() = from, stop.back() = std::min(to, n), step.back() = by;
    return slice(x, start, stop, step);
  };
  if (a.traditional) return {part(0, a.dims, 2), part(1, a.dims, 2)};
  return {part(0, half, 1), part(half, a.dims, 1)};
}

// The pairs together again, and the features behind them that `x` has.
array joined(const RopeAttrs& a, const array& first, const array& second, const array& x) {
  array turned = concatenate({first, second}, -1);
  if (a.traditional) turned = flatten(stack({first, second}, -1), -2, -1);
  if (a.dims == x.shape(-1)) return turned;
  Shape start(uint32_t(x.ndim()), 0);
  start.back() = a.dims;
  return concatenate({turned, slice(x, start, x.shape(), Shape(uint32_t(x.ndim()), 1))}, -1);
}

// x turned by angles that broadcast to (..., T, half).
array turned(const RopeAttrs& a, const array& input, const array& angles) {
  array x = astype(input, carrier_of(input.dtype()));
  array c = astype(cos(angles), x.dtype()), s = astype(sin(angles), x.dtype());
  if (a.inverse) s = -s;
  auto [first, second] = pairs_of(a, x);
  return astype(joined(a, first * c - second * s, first * s + second * c, x), input.dtype());
}

// Axes of length 1 between the first `front` ones and the rest, up to `ndim`.
array aligned(const array& angles, size_t front, size_t ndim) {
  Shape shape(angles.shape().begin(), angles.shape().begin() + front);
  for (size_t i = angles.ndim(); i < ndim; i++) shape.push_back(1);
  for (size_t i = front; i < angles.ndim(); i++) shape.push_back(angles.shape()[uint32_t(i)]);
  return reshape(angles, shape);
}

std::vector<array> decompose(const Attrs* attrs, std::span<const array> in) {
  const RopeAttrs& a = rope_attrs(attrs);
  array angles = column(positions_of(a, in[1], in[0].shape(-2))) * turns_of(a, in);  // (1 or B, T, half)
  return {turned(a, in[0], aligned(angles, 1, in[0].ndim()))};
}

// ---- transforms ----

// A change of the angle moves a pair (y, z) along (-z, y); angles are positions / wavelengths.
array wavelength_gradient(const VjpContext& c) {
  const RopeAttrs& a = rope_attrs(c.attrs);
  const Dtype wide = float64;
  auto [y, z] = pairs_of(a, astype(c.outputs[0], wide));
  auto [gy, gz] = pairs_of(a, astype(c.cotangents[0], wide));
  const array turns = turns_of(a, c.inputs);
  array positions = aligned(positions_of(a, c.inputs[1], c.inputs[0].shape(-2)), 1, c.inputs[0].ndim() - 1);
  array along = sum_to((gz * y - gy * z) * column(positions), turns.shape());
  if (a.inverse) along = -along;
  return astype(-along * square(turns), c.inputs[2].dtype());
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  RopeAttrs a = rope_attrs(c.attrs);
  Inputs in(c.inputs.begin(), c.inputs.end());
  in[0] = c.cotangents[0];
  std::vector<MaybeArray> out(c.inputs.size());
  out[0] = make(op::rope, make_attrs<RopeAttrs>(a.dims, a.traditional, a.base, a.scale, !a.inverse), in);
  if (out.size() == 3 && c.wanted[2]) out[2] = wavelength_gradient(c);
  return out;
}

// The batch joins the first axis, and each example has offsets of its own. Wavelengths of its own are beyond the
// kernel.
std::vector<array> vmap(const VmapContext& c) {
  const RopeAttrs& a = rope_attrs(c.attrs);
  array x = c.with_batch(0), offset = c.inputs[1];
  const int64_t examples = x.shape(1);
  if (c.inputs.size() == 3 && c.batched[2]) {
    std::vector<array> in(c.inputs.begin(), c.inputs.end());
    in[2] = reshape(in[2], {c.batch, 1, 1, a.dims / 2});
    array angles =
        column(positions_of(a, offset, x.shape(-2))) * turns_of(a, in);  // (batch, 1 or B, T, half)
    return {turned(a, x, aligned(angles, 2, x.ndim()))};
  }
  if (c.batched[1] || offset.size() > 1) {
    offset = reshape(broadcast_to(offset, {c.batch, examples}), {c.batch * examples});
  }
  Inputs in{flatten(x, 0, 1), offset};
  if (c.inputs.size() == 3) in.push_back(c.inputs[2]);
  return {reshape(make(op::rope, Ref<const Attrs>(c.attrs), in), x.shape())};
}

}  // namespace

namespace op {
const Op rope{.name = "rope",
              .infer = infer,
              .vjp = vjp,
              .vmap = vmap,
              .decompose = decompose,
              .read_attrs = RopeAttrs::read,
              .layout = InputLayout::any};
}  // namespace op

array fast::rope(const array& a, int dims, bool traditional, std::optional<double> base, double scale,
                 const array& offset, const std::optional<array>& freqs, StreamOrDevice s) {
  StreamScope scope(s);
  check_dims(a.shape(), dims);
  if (!is_floating(a.dtype()))
    fail(Code::value, "rope", "the input must be of a floating dtype, got ", a.dtype());
  if (base.has_value() == freqs.has_value())
    fail(Code::value, "rope", base ? "got both base and freqs" : "needs either base or freqs");
  if (base && !(*base > 0)) fail(Code::value, "rope", "base must be positive, got ", *base);
  if (!is_integer(offset.dtype()))
    fail(Code::value, "rope", "offset must be an integer or an array of integers, got ", offset.dtype());
  const int64_t batch = a.shape()[0];
  if (offset.ndim() > 1 || (offset.ndim() == 1 && offset.size() != 1 && offset.size() != batch)) {
    fail(Code::value, "rope", "offset must be one number or ", batch, ", one for each example, got shape ",
         offset.shape());
  }
  Inputs in{a, reshape(offset, {-1})};
  if (freqs) {
    check_freqs(*freqs, dims);
    if (is_complex(freqs->dtype())) fail(Code::value, "rope", "freqs must be real, got ", freqs->dtype());
    in.push_back(freqs->dtype() == float64 ? *freqs : astype(*freqs, float32));
  }
  return make(op::rope, make_attrs<RopeAttrs>(dims, traditional, base.value_or(0), scale, false), in);
}

}  // namespace melix
