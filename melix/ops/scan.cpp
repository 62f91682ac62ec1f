// Rules of the cumulative operations.
#include "melix/ops/scan.h"

#include <limits>

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

template <const Op& kOp>
void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const int axis = attrs_as<ScanAttrs>(attrs).axis;
  if (axis < 0 || normal_axis(kOp.name, axis, in[0].shape()) != axis)
    fail(Code::index, kOp.name, "axis ", axis, " is out of range for shape ", in[0].shape());
  out.push_back({in[0].shape(), in[0].dtype()});
}

template <const Op& kOp>
std::vector<array> vmap(const VmapContext& c) {
  const auto& a = attrs_as<ScanAttrs>(c.attrs);
  return {make(kOp, make_attrs<ScanAttrs>(a.axis + 1, a.reverse, a.inclusive), {c.inputs[0]})};
}

// Another operation along the same elements, or along them the other way round.
array again(const Op& op, const ScanAttrs& a, const array& x, bool inclusive) {
  return make(op, make_attrs<ScanAttrs>(a.axis, a.reverse, inclusive), {x});
}
array back(const Op& op, const ScanAttrs& a, const array& x) {
  return make(op, make_attrs<ScanAttrs>(a.axis, !a.reverse, a.inclusive), {x});
}

array conjugated(const array& a) { return is_complex(a.dtype()) ? conj(a) : a; }
array constant(double value, const array& like) { return array(value, like.dtype()); }

std::vector<MaybeArray> cumsum_vjp(const VjpContext& c) {
  if (!is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  return {back(op::cumsum, attrs_as<ScanAttrs>(c.attrs), c.cotangents[0])};
}
std::vector<MaybeArray> cumsum_jvp(const JvpContext& c) { return linear_jvp(op::cumsum, c); }

// d y_j / d x_i = y_j / x_i for i <= j. Where x_i is the first zero, the product of the others up to j is that with x_i
// replaced by 1; before it all terms behind the zero are 0, and behind it everything is.
std::vector<MaybeArray> cumprod_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ScanAttrs>(c.attrs);
  const Dtype dtype = c.inputs[0].dtype(), wide = carrier_of(dtype);
  if (!is_inexact(dtype)) return {std::nullopt};
  array x = astype(c.inputs[0], wide), g = astype(c.cotangents[0], wide), one = constant(1, x);
  array zero = equal(x, 0);
  array first = logical_and(zero, equal(again(op::cumsum, a, astype(zero, int32), true), 1));
  array y = again(op::cumprod, a, x, a.inclusive),
        others = again(op::cumprod, a, where(first, one, x), a.inclusive);
  array before = back(op::cumsum, a, g * conjugated(y)) / conjugated(where(zero, one, x));
  return {astype(where(first, back(op::cumsum, a, g * conjugated(others)), before), dtype)};
}

// The gradient goes to the element that was attained last. Its number is carried along as the results are.
template <const Op& kOp>
std::vector<MaybeArray> choice_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ScanAttrs>(c.attrs);
  const array& x = c.inputs[0];
  if (!is_inexact(x.dtype())) return {std::nullopt};
  array y = a.inclusive ? c.outputs[0] : again(kOp, a, x, true);
  array attained = logical_or(equal(x, y), isnan(x));
  array numbers = reshape(arange(Number(x.size()), std::nullopt, std::nullopt, int64), x.shape());
  array none(a.reverse ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min(), int64);
  // What stands before the first element has the number `none` too: out of range, so that nothing is written.
  array number = again(a.reverse ? op::cummin : op::cummax, a, where(attained, numbers, none), a.inclusive);
  array flat = broadcast_to(array(int64_t(0), x.dtype()), {x.size()});
  return {reshape(scatter_add_flat(flat, reshape(number, {-1}), reshape(c.cotangents[0], {-1})), x.shape())};
}

// sum of w * exp(x) along the scan, as exp(result) of the positive and of the negative terms: no exponential on the way
// is larger than what comes out. Complex weights need no such split.
struct Weighted {
  const Op& op;
  ScanAttrs attrs;
  array scan(const array& x) const {
    return make(op, make_attrs<ScanAttrs>(attrs.axis, attrs.reverse, attrs.inclusive), {x});
  }
  // exp(shift) * sum(weights * exp(x))
  array operator()(const array& x, const array& weights, const array& shift) const {
    array nothing = constant(-std::numeric_limits<double>::infinity(), x);
    auto part = [&](const array& there, const array& size) {
      return exp(shift + scan(where(there, x + log(where(there, size, constant(1, x))), nothing)));
    };
    array defined = logical_not(equal(x, nothing));
    if (is_complex(x.dtype())) return part(logical_and(defined, not_equal(weights, 0)), weights);
    return part(logical_and(defined, greater(weights, 0)), weights) -
           part(logical_and(defined, less(weights, 0)), -weights);
  }
};

// d y_j / d x_i = exp(x_i - y_j) for i <= j.
std::vector<MaybeArray> logcumsumexp_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ScanAttrs>(c.attrs);
  const Dtype dtype = c.inputs[0].dtype(), wide = carrier_of(dtype);
  array x = conjugated(astype(c.inputs[0], wide)), g = astype(c.cotangents[0], wide);
  array y = conjugated(again(op::logcumsumexp, a, astype(c.inputs[0], wide), a.inclusive));
  ScanAttrs other = a;
  other.reverse = !a.reverse;
  // Where y is -infinity it depends on nothing.
  array weights = where(isneginf(is_complex(wide) ? real(y) : y), constant(0, g), g);
  return {astype(Weighted{op::logcumsumexp, other}(-y, weights, x), dtype)};
}
std::vector<MaybeArray> logcumsumexp_jvp(const JvpContext& c) {
  const auto& a = attrs_as<ScanAttrs>(c.attrs);
  const Dtype dtype = c.inputs[0].dtype(), wide = carrier_of(dtype);
  array x = astype(c.inputs[0], wide), t = astype(*c.tangents[0], wide);
  array y = again(op::logcumsumexp, a, x, a.inclusive);
  array shift = where(isneginf(is_complex(wide) ? real(y) : y), constant(0, y), -y);
  return {astype(Weighted{op::logcumsumexp, a}(x, t, shift), dtype)};
}

array scan(const Op& op, const array& a, std::optional<int> axis, bool reverse, bool inclusive) {
  array x = axis ? a : reshape(a, {-1});
  const int along = axis ? normal_axis(op.name, *axis, a.shape()) : 0;
  return make(op, make_attrs<ScanAttrs>(along, reverse, inclusive), {x});
}

}  // namespace

namespace op {
#define MELIX_SCAN(symbol, vjp_rule, jvp_rule) \
  const Op symbol{.name = #symbol,             \
                  .infer = infer<symbol>,      \
                  .vjp = vjp_rule,             \
                  .jvp = jvp_rule,             \
                  .vmap = vmap<symbol>,        \
                  .read_attrs = ScanAttrs::read};
MELIX_SCAN(cumsum, cumsum_vjp, cumsum_jvp)
MELIX_SCAN(cumprod, cumprod_vjp, nullptr)
MELIX_SCAN(cummax, choice_vjp<cummax>, nullptr)
MELIX_SCAN(cummin, choice_vjp<cummin>, nullptr)
MELIX_SCAN(logcumsumexp, logcumsumexp_vjp, logcumsumexp_jvp)
#undef MELIX_SCAN
}  // namespace op

array cumsum(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
             std::optional<Dtype> dtype, StreamOrDevice s) {
  StreamScope scope(s);
  array x = astype(a, dtype.value_or(a.dtype()));
  return scan(op::cumsum, x.dtype() == bool_ ? astype(x, int32) : x, axis, reverse, inclusive);
}
array cumprod(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
              std::optional<Dtype> dtype, StreamOrDevice s) {
  StreamScope scope(s);
  return scan(op::cumprod, astype(a, dtype.value_or(a.dtype())), axis, reverse, inclusive);
}
array cummax(const array& a, std::optional<int> axis, bool reverse, bool inclusive, StreamOrDevice s) {
  StreamScope scope(s);
  return scan(op::cummax, a, axis, reverse, inclusive);
}
array cummin(const array& a, std::optional<int> axis, bool reverse, bool inclusive, StreamOrDevice s) {
  StreamScope scope(s);
  return scan(op::cummin, a, axis, reverse, inclusive);
}
array logcumsumexp(const array& a, std::optional<int> axis, bool reverse, bool inclusive, StreamOrDevice s) {
  StreamScope scope(s);
  return scan(op::logcumsumexp, astype(a, inexact_of(a.dtype())), axis, reverse, inclusive);
}

}  // namespace melix
