// Rules of pooling. The mean is a convolution whose groups have one channel; the largest element is an operation of its
// own, with two more for its derivatives, which are linear in what they collect or spread and the transposes of each
// other.
#include "melix/ops/pool.h"

#include "melix/ops/conv.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

constexpr int64_t kLongest = int64_t(1) << 40;  // a window, stride or padding

void check(const char* name, const PoolAttrs& a, const Shape& input) {
  if (input.size() < 3 || input.size() > 5) {
    fail(Code::value, name, "an array of shape ", input,
         " has not the axes (N, spatial..., C) with 1 to 3 spatial ones");
  }
  size_t dims = input.size() - 2;
  if (a.kernel.size() != dims || a.stride.size() != dims || a.padding.size() != dims) {
    fail(Code::value, name, "kernel_size ", a.kernel, ", stride ", a.stride, " and padding ", a.padding,
         " have not one number for each of ", dims, " spatial axes");
  }
  for (size_t d = 0; d < dims; d++) {
    auto within = [](int64_t v, int64_t least) { return v >= least && v <= kLongest; };
    if (!within(a.kernel[d], 1) || !within(a.stride[d], 1) || !within(a.padding[d], 0)) {
      fail(Code::value, name, "kernel_size ", a.kernel, " and stride ", a.stride,
           " must be at least 1, padding ", a.padding, " at least 0");
    }
    if (input[d + 1] + 2 * a.padding[d] < a.kernel[d]) {
      fail(Code::value, name, "windows of ", a.kernel, " do not fit an array of shape ", input,
           " with padding ", a.padding);
    }
  }
}

Shape pooled(const PoolAttrs& a, const Shape& input) {
  Shape out = input;
  for (size_t d = 0; d < a.kernel.size(); d++) {
    out[d + 1] = (input[d + 1] + 2 * a.padding[d] - a.kernel[d]) / a.stride[d] + 1;
  }
  return out;
}

void infer_max_pool(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<PoolAttrs>(attrs);
  check("max_pool", a, in[0].shape());
  out.push_back({pooled(a, in[0].shape()), in[0].dtype()});
}

// Of the three arrays, the last has the shape of the first (collect) or of the second (spread), and the result that of
// the other.
void infer_shared(const char* name, const Attrs* attrs, std::span<const array> in, bool collect, Avals& out) {
  const auto& a = attrs_as<PoolAttrs>(attrs);
  check(name, a, in[0].shape());
  const Shape &x = in[0].shape(), &y = in[1].shape(), &values = in[2].shape();
  if (pooled(a, x) != y || values != (collect ? x : y)) {
    fail(Code::value, name, "shapes ", x, ", ", y, " and ", values, " do not belong together");
  }
  out.push_back({collect ? y : x, in[2].dtype()});
}
void infer_collect(const Attrs* attrs, std::span<const array> in, Avals& out) {
  infer_shared("max_pool_collect", attrs, in, true, out);
}
void infer_spread(const Attrs* attrs, std::span<const array> in, Avals& out) {
  infer_shared("max_pool_spread", attrs, in, false, out);
}

array shared(const Op& op, const Attrs* attrs, const array& x, const array& y, const array& values) {
  return make(op, Ref<const Attrs>(attrs), {x, y, values});
}

std::vector<MaybeArray> max_pool_vjp(const VjpContext& c) {
  if (!is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  return {shared(op::max_pool_spread, c.attrs, c.inputs[0], c.outputs[0], c.cotangents[0])};
}
std::vector<MaybeArray> max_pool_jvp(const JvpContext& c) {
  if (!c.tangents[0] || !is_inexact(c.inputs[0].dtype())) return {std::nullopt};
  return {shared(op::max_pool_collect, c.attrs, c.inputs[0], c.outputs[0], *c.tangents[0])};
}

// Which elements are the largest does not change with small changes of x and y.
template <const Op& kTranspose>
std::vector<MaybeArray> shared_vjp(const VjpContext& c) {
  std::vector<MaybeArray> grads(3);
  if (c.wanted[2]) grads[2] = shared(kTranspose, c.attrs, c.inputs[0], c.inputs[1], c.cotangents[0]);
  return grads;
}
template <const Op& kOp>
std::vector<MaybeArray> shared_jvp(const JvpContext& c) {
  if (!c.tangents[2]) return {std::nullopt};
  return {shared(kOp, c.attrs, c.inputs[0], c.inputs[1], *c.tangents[2])};
}

// A batch is more images.
template <const Op& kOp>
std::vector<array> pool_vmap(const VmapContext& c) {
  Inputs joined;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    const array wide = c.with_batch(i);
    Shape shape(wide.shape().begin() + 1, wide.shape().end());
    shape[0] *= c.batch;
    joined.push_back(reshape(wide, shape));
  }
  int64_t images = c.inputs[0].shape(c.batched[0] ? 1 : 0);
  return {unflatten(make(kOp, Ref<const Attrs>(c.attrs), joined), 0, {c.batch, images})};
}

Shape per_axis(const std::vector<int64_t>& values, size_t dims) {
  if (values.size() == 1) return Shape(dims, values[0]);
  return Shape(values.begin(), values.end());
}

PoolAttrs arguments(const char* name, const array& a, const std::vector<int64_t>& kernel,
                    const std::optional<std::vector<int64_t>>& stride, const std::vector<int64_t>& padding) {
  size_t dims = a.ndim() < 3 ? 1 : a.ndim() - 2;
  PoolAttrs out;
  out.kernel = per_axis(kernel, dims);
  out.stride = stride ? per_axis(*stride, dims) : out.kernel;
  out.padding = per_axis(padding, dims);
  check(name, out, a.shape());
  return out;
}

}  // namespace

namespace op {
const Op max_pool{.name = "max_pool",
                  .infer = infer_max_pool,
                  .vjp = max_pool_vjp,
                  .jvp = max_pool_jvp,
                  .vmap = pool_vmap<max_pool>,
                  .read_attrs = PoolAttrs::read};
const Op max_pool_collect{.name = "max_pool_collect",
                          .infer = infer_collect,
                          .vjp = shared_vjp<max_pool_spread>,
                          .jvp = shared_jvp<max_pool_collect>,
                          .vmap = pool_vmap<max_pool_collect>,
                          .read_attrs = PoolAttrs::read};
const Op max_pool_spread{.name = "max_pool_spread",
                         .infer = infer_spread,
                         .vjp = shared_vjp<max_pool_collect>,
                         .jvp = shared_jvp<max_pool_spread>,
                         .vmap = pool_vmap<max_pool_spread>,
                         .read_attrs = PoolAttrs::read};
}  // namespace op

namespace fast {

array max_pool(const array& a, const std::vector<int64_t>& kernel_size,
               const std::optional<std::vector<int64_t>>& stride, const std::vector<int64_t>& padding,
               StreamOrDevice s) {
  constexpr const char* kName = "max_pool";
  StreamScope scope(s);
  if (is_complex(a.dtype()) || a.dtype() == bool_)
    fail(Code::value, kName, "takes real numbers, got ", a.dtype());
  PoolAttrs at = arguments(kName, a, kernel_size, stride, padding);
  return make(op::max_pool, make_attrs<PoolAttrs>(at.kernel, at.stride, at.padding), {a});
}

array avg_pool(const array& a, const std::vector<int64_t>& kernel_size,
               const std::optional<std::vector<int64_t>>& stride, const std::vector<int64_t>& padding,
               StreamOrDevice s) {
  constexpr const char* kName = "avg_pool";
  StreamScope scope(s);
  if (!is_inexact(a.dtype())) fail(Code::value, kName, "takes floating types, got ", a.dtype());
  PoolAttrs at = arguments(kName, a, kernel_size, stride, padding);
  size_t dims = at.kernel.size();
  int64_t channels = a.shape(-1), size = elements(at.kernel);
  if (channels == 0) return zeros(pooled(at, a.shape()), a.dtype());
  // Sums of 16-bit floats stay float32 until the division: one rounding.
  Dtype wide = carrier_of(a.dtype());
  Shape ones{channels};
  ones.insert(ones.end(), at.kernel.begin(), at.kernel.end());
  ones.push_back(1);
  array weight = broadcast_to(array(1.0, wide), ones);
  auto attrs = make_attrs<ConvAttrs>(at.stride, at.padding, at.padding, Shape(dims, 1), Shape(dims, 1),
                                     at.kernel, channels, false);
  array sums = make(op::conv, attrs, {astype(a, wide), weight});
  return astype(sums / array(double(size), wide), a.dtype());
}

}  // namespace fast
}  // namespace melix
