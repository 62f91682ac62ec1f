// See activations.h.
#include "melix/nn/activations.h"

#include <cmath>
#include <numbers>

#include "melix/ops/arrange.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/ops/softmax.h"

namespace melix::nn {
namespace {

// A constant beside x, in its dtype (float32 beside integers).
array constant(double value, const array& x) { return weak(value, x.dtype()); }

array positive_part(const array& x) { return maximum(x, weak(0, x.dtype())); }
array negative_part(const array& x) { return minimum(x, weak(0, x.dtype())); }

}  // namespace

array relu(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return positive_part(x);
}

array relu2(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return square(positive_part(x));
}

array relu6(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return minimum(positive_part(x), weak(6, x.dtype()));
}

array leaky_relu(const array& x, double negative_slope, StreamOrDevice s) {
  StreamScope scope(s);
  return where(x > 0, x, x * negative_slope);
}

array prelu(const array& x, const array& alpha, StreamOrDevice s) {
  StreamScope scope(s);
  return positive_part(x) + alpha * negative_part(x);
}

array elu(const array& x, double alpha, StreamOrDevice s) {
  StreamScope scope(s);
  // The exponential sees no positive numbers: where one overflows, its gradient would be 0 * infinity.
  return where(x > 0, x, expm1(negative_part(x)) * alpha);
}

array celu(const array& x, double alpha, StreamOrDevice s) {
  StreamScope scope(s);
  return where(x > 0, x, expm1(negative_part(x) / alpha) * alpha);
}

array selu(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return elu(x, 1.6732632423543772) * 1.0507009873554805;
}

array gelu(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x * (erf(x * (1 / std::numbers::sqrt2)) + 1) * 0.5;
}

array gelu_approx(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  const double scale = std::sqrt(2 * std::numbers::inv_pi);
  return x * 0.5 * (melix::tanh((x + x * x * x * 0.044715) * scale) + 1);
}

array gelu_fast_approx(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x * melix::sigmoid(x * 1.702);
}

array silu(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x * melix::sigmoid(x);
}

array sigmoid(const array& x, StreamOrDevice s) { return melix::sigmoid(x, s); }

array log_sigmoid(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return -softplus(-x);
}

array softplus(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return logaddexp(x, constant(0, x));
}

array softsign(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x / (abs(x) + 1);
}

array softshrink(const array& x, double lambd, StreamOrDevice s) {
  StreamScope scope(s);
  return where(abs(x) > lambd, x - sign(x) * lambd, weak(0, x.dtype()));
}

array hard_shrink(const array& x, double lambd, StreamOrDevice s) {
  StreamScope scope(s);
  return where(abs(x) > lambd, x, weak(0, x.dtype()));
}

array hard_tanh(const array& x, double min_val, double max_val, StreamOrDevice s) {
  StreamScope scope(s);
  return minimum(maximum(x, constant(min_val, x)), constant(max_val, x));
}

array hardswish(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x * relu6(x + 3) / 6;
}

array mish(const array& x, StreamOrDevice s) {
  StreamScope scope(s);
  return x * melix::tanh(softplus(x));
}

array tanh(const array& x, StreamOrDevice s) { return melix::tanh(x, s); }

array step(const array& x, double threshold, StreamOrDevice s) {
  StreamScope scope(s);
  return astype(x > threshold, x.dtype());
}

array glu(const array& x, int axis, StreamOrDevice s) {
  StreamScope scope(s);
  const int64_t n = x.shape()[uint32_t(normal_axis("glu", axis, x.shape()))];
  if (n % 2 != 0) fail(Code::value, "glu", "axis ", axis, " of shape ", x.shape(), " has no two halves");
  std::vector<array> halves = split(x, int64_t(2), axis);
  return halves[0] * melix::sigmoid(halves[1]);
}

array softmax(const array& x, int axis, StreamOrDevice s) {
  return melix::softmax(x, std::vector<int>{axis}, false, s);
}

array softmin(const array& x, int axis, StreamOrDevice s) {
  StreamScope scope(s);
  return softmax(-x, axis);
}

array log_softmax(const array& x, int axis, StreamOrDevice s) {
  StreamScope scope(s);
  return x - logsumexp(x, std::vector<int>{axis}, true);
}

}  // namespace melix::nn
