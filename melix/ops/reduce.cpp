// Rules of the reductions.
#include "melix/ops/reduce.h"

#include <cmath>
#include <limits>

#include "melix/ops/elementwise.h"
#include "melix/ops/scan.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// The dtype in which sums and products of this one are kept.
Dtype accumulated(Dtype dtype) {
  switch (kind_of(dtype)) {
    case Kind::boolean:
      return int32;
    case Kind::unsigned_integer:
      return size_of(dtype) < 4 ? uint32 : dtype;
    case Kind::signed_integer:
      return size_of(dtype) < 4 ? int32 : dtype;
    default:
      return dtype;
  }
}

Shape reduced(const Shape& shape, const ReduceAttrs& attrs) {
  Shape out;
  uint32_t k = 0;
  for (uint32_t i = 0; i < shape.size(); i++) {
    bool gone = k < attrs.axes.size() && attrs.axes[k] == int(i);
    k += gone;
    if (!gone) out.push_back(shape[i]);
    if (gone && attrs.keepdims) out.push_back(1);
  }
  return out;
}

// The result with its reduced axes back as length 1, so that it broadcasts against the argument.
array keep(const array& result, const ReduceAttrs& attrs) {
  if (attrs.keepdims || attrs.axes.empty()) return result;
  return expand_dims(result, std::vector<int>(attrs.axes.begin(), attrs.axes.end()));
}

template <const Op& kOp>
void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<ReduceAttrs>(attrs);
  for (uint32_t i = 0; i < a.axes.size(); i++) {
    if (a.axes[i] > (i == 0 ? -1 : a.axes[i - 1]) && a.axes[i] < int(in[0].ndim())) continue;
    fail(Code::value, kOp.name, "axis ", a.axes[i], " is out of order or range for shape ", in[0].shape());
  }
  bool sums = &kOp == &op::sum || &kOp == &op::prod, logical = &kOp == &op::all || &kOp == &op::any;
  if (logical && in[0].dtype() != bool_) fail(Code::value, kOp.name, "has no kernel for ", in[0].dtype());
  if (!sums && !logical) {
    for (int axis : a.axes) {
      if (in[0].shape()[uint32_t(axis)] == 0) {
        fail(Code::value, kOp.name, "axis ", axis, " of shape ", in[0].shape(),
             " has no element to choose from");
      }
    }
  }
  out.push_back({reduced(in[0].shape(), a), logical ? bool_
                                            : sums  ? accumulated(in[0].dtype())
                                                    : in[0].dtype()});
}

template <const Op& kOp>
std::vector<array> vmap(const VmapContext& c) {
  const auto& a = attrs_as<ReduceAttrs>(c.attrs);
  Axes axes;
  for (int axis : a.axes) axes.push_back(axis + 1);
  return {make(kOp, make_attrs<ReduceAttrs>(axes, a.keepdims), {c.inputs[0]})};
}

std::vector<MaybeArray> sum_vjp(const VjpContext& c) {
  if (!is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  return {broadcast_to(keep(c.cotangents[0], attrs_as<ReduceAttrs>(c.attrs)), c.inputs[0].shape())};
}

std::vector<MaybeArray> sum_jvp(const JvpContext& c) { return linear_jvp(op::sum, c); }

// d prod / d x_i is the product of the others, which exists where x_i is zero too: products before and behind.
std::vector<MaybeArray> prod_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ReduceAttrs>(c.attrs);
  const array& x = c.inputs[0];
  if (!is_inexact(x.dtype())) return {std::nullopt};
  std::vector<int> order;  // kept axes, then the reduced ones, which are joined
  int64_t n = 1;
  for (int i = 0; i < int(x.ndim()); i++) {
    if (std::find(a.axes.begin(), a.axes.end(), i) == a.axes.end()) order.push_back(i);
  }
  size_t kept = order.size();
  for (int axis : a.axes) {
    order.push_back(axis);
    n *= x.shape()[uint32_t(axis)];
  }
  array moved = transpose(x, order);
  Shape flat(moved.shape().begin(), moved.shape().begin() + kept);
  flat.push_back(n);
  array rows = reshape(moved, flat);
  array others = cumprod(rows, -1, false, false) * cumprod(rows, -1, true, false);
  if (is_complex(x.dtype())) others = conj(others);
  std::vector<int> back(order.size());
  for (size_t i = 0; i < order.size(); i++) back[size_t(order[i])] = int(i);
  return {transpose(reshape(others, moved.shape()), back) * keep(c.cotangents[0], a)};
}

// The gradient of max and min is shared evenly by the elements that attain it.
std::vector<MaybeArray> choice_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ReduceAttrs>(c.attrs);
  const array& x = c.inputs[0];
  if (!is_inexact(x.dtype())) return {std::nullopt};
  array mask = astype(equal(x, keep(c.outputs[0], a)), x.dtype());
  array ways = sum(mask, std::vector<int>(a.axes.begin(), a.axes.end()), true);
  return {mask * (keep(c.cotangents[0], a) / ways)};
}

std::vector<MaybeArray> no_vjp(const VjpContext&) { return {std::nullopt}; }
std::vector<MaybeArray> no_jvp(const JvpContext&) { return {std::nullopt}; }

array reduce(const Op& op, const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  Axes axes = axis ? normal_axes(op.name, *axis, a.shape()) : all_axes(a.ndim());
  return make(op, make_attrs<ReduceAttrs>(std::move(axes), keepdims), {a}, s);
}

// Number of elements that each result is made of.
int64_t reduced_size(const char* op, const array& a, const MaybeAxes& axis) {
  int64_t n = 1;
  for (int i : axis ? normal_axes(op, *axis, a.shape()) : all_axes(a.ndim())) n *= a.shape()[uint32_t(i)];
  return n;
}

// The dtype in which means are computed: 16-bit floats in float32.
Dtype mean_dtype(Dtype dtype) { return carrier_of(inexact_of(dtype)); }

// The variance, in the name of the operation that was called.
array variance(const char* op, const array& a, const MaybeAxes& axis, bool keepdims, int ddof,
               StreamOrDevice s) {
  StreamScope scope(s);
  double n = double(reduced_size(op, a, axis)) - ddof;
  array wide = astype(a, mean_dtype(a.dtype()));
  array centred = wide - mean(wide, axis, true);
  array squares = is_complex(a.dtype()) ? real(centred * conj(centred)) : square(centred);
  array out = sum(squares, axis, keepdims) / array(std::max(n, 0.0), squares.dtype());
  return astype(out, is_complex(a.dtype()) ? float32 : inexact_of(a.dtype()));
}

}  // namespace

namespace op {
#define MELIX_REDUCTION(symbol, vjp_rule, jvp_rule) \
  const Op symbol{.name = #symbol,                  \
                  .infer = infer<symbol>,           \
                  .vjp = vjp_rule,                  \
                  .jvp = jvp_rule,                  \
                  .vmap = vmap<symbol>,             \
                  .read_attrs = ReduceAttrs::read,  \
                  .layout = InputLayout::any,       \
                  .takes_region = true};
MELIX_REDUCTION(sum, sum_vjp, sum_jvp)
MELIX_REDUCTION(prod, prod_vjp, nullptr)
MELIX_REDUCTION(max, choice_vjp, nullptr)
MELIX_REDUCTION(min, choice_vjp, nullptr)
MELIX_REDUCTION(all, no_vjp, no_jvp)
MELIX_REDUCTION(any, no_vjp, no_jvp)
#undef MELIX_REDUCTION
}  // namespace op

array sum(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::sum, a, axis, keepdims, s);
}
array prod(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::prod, a, axis, keepdims, s);
}
array max(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::max, a, axis, keepdims, s);
}
array min(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::min, a, axis, keepdims, s);
}
array all(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::all, astype(a, bool_, s), axis, keepdims, s);
}
array any(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  return reduce(op::any, astype(a, bool_, s), axis, keepdims, s);
}

array mean(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  Dtype wide = mean_dtype(a.dtype());
  array n(double(reduced_size("mean", a, axis)), wide);
  array total = sum(astype(a, wide, s), axis, keepdims, s);
  return astype(divide(total, n, s), inexact_of(a.dtype()), s);
}

array var(const array& a, const MaybeAxes& axis, bool keepdims, int ddof, StreamOrDevice s) {
  return variance("var", a, axis, keepdims, ddof, s);
}

array std(const array& a, const MaybeAxes& axis, bool keepdims, int ddof, StreamOrDevice s) {
  Dtype dtype = is_complex(a.dtype()) ? float32 : inexact_of(a.dtype());
  return astype(sqrt(variance("std", astype(a, mean_dtype(a.dtype()), s), axis, keepdims, ddof, s), s), dtype,
                s);
}

array logsumexp(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  StreamScope scope(s);
  array wide = astype(a, mean_dtype(a.dtype()));
  Axes axes = axis ? normal_axes("logsumexp", *axis, a.shape()) : all_axes(a.ndim());
  // Infinite maxima are not subtracted: exp(inf - inf) would be NaN. For complex numbers the real part decides.
  array magnitude = is_complex(wide.dtype()) ? real(wide) : wide;
  array top = stop_gradient(max(magnitude, axis, true));
  top = where(isfinite(top), top, 0);
  array out = log(sum(exp(wide - top), axis, true)) + top;
  if (!keepdims) out = squeeze(out, std::vector<int>(axes.begin(), axes.end()));
  return astype(out, inexact_of(a.dtype()));
}

array count_nonzero(const array& a, const MaybeAxes& axis, bool keepdims, StreamOrDevice s) {
  reduced_size("count_nonzero", a, axis);  // a wrong axis is reported in this name
  return sum(astype(a, bool_, s), axis, keepdims, s);
}

array allclose(const array& a, const array& b, double rtol, double atol, bool equal_nan, StreamOrDevice s) {
  return all(isclose(a, b, rtol, atol, equal_nan, s), std::nullopt, false, s);
}

array array_equal(const array& a, const array& b, bool equal_nan, StreamOrDevice s) {
  if (a.shape() != b.shape()) return array(false);
  array same = equal(a, b, s);
  if (equal_nan && is_inexact(a.dtype()) && is_inexact(b.dtype())) {
    same = logical_or(same, logical_and(isnan(a, s), isnan(b, s), s), s);
  }
  return all(same, std::nullopt, false, s);
}

}  // namespace melix
