// See layers.h.
#include "melix/nn/layers.h"

#include <cmath>

#include "melix/ops/conv.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/matmul.h"
#include "melix/ops/normalize.h"
#include "melix/ops/random.h"
#include "melix/ops/shape.h"

namespace melix::nn {
namespace {

array uniform(double limit, const Shape& shape) {
  return random::uniform(array(-limit, float32), array(limit, float32), shape);
}

array plus(const array& y, const std::optional<array>& bias) { return bias ? y + *bias : y; }

}  // namespace

Linear::Linear(int64_t inputs, int64_t outputs, bool with_bias)
    : weight(uniform(std::sqrt(1.0 / double(inputs)), {outputs, inputs})) {
  if (with_bias) bias = uniform(std::sqrt(1.0 / double(inputs)), {outputs});
}
array Linear::operator()(const array& x) const {
  array w = transpose(weight);
  return bias ? addmm(*bias, x, w) : matmul(x, w);
}

Bilinear::Bilinear(int64_t inputs1, int64_t inputs2, int64_t outputs, bool with_bias)
    : weight(uniform(std::sqrt(1.0 / double(inputs1)), {outputs, inputs2, inputs1})) {
  if (with_bias) bias = uniform(std::sqrt(1.0 / double(inputs1)), {outputs});
}
array Bilinear::operator()(const array& x1, const array& x2) const {
  const int64_t outputs = weight.shape(0), second = weight.shape(1), first = weight.shape(2);
  Shape shape = x1.shape();
  shape.back() = outputs;
  // (N, outputs, second): each row of x1 through all matrices at once.
  array through = matmul(reshape(x1, {-1, first}), transpose(reshape(weight, {outputs * second, first})));
  array y = matmul(reshape(through, {-1, outputs, second}), reshape(x2, {-1, second, 1}));
  return plus(reshape(y, shape), bias);
}

Embedding::Embedding(int64_t count, int64_t dims)
    : weight(random::normal({count, dims}, float32, std::nullopt,
                            array(std::sqrt(1.0 / double(dims)), float32))) {}
array Embedding::operator()(const array& x) const { return take(weight, x, 0); }
array Embedding::as_linear(const array& x) const { return matmul(x, transpose(weight)); }

LayerNorm::LayerNorm(int64_t dims, double eps, bool affine, bool with_bias) : eps(eps) {
  if (affine) weight = ones({dims});
  if (affine && with_bias) bias = zeros({dims});
}
array LayerNorm::operator()(const array& x) const { return fast::layer_norm(x, weight, bias, eps); }

RMSNorm::RMSNorm(int64_t dims, double eps) : weight(ones({dims})), eps(eps) {}
array RMSNorm::operator()(const array& x) const { return fast::rms_norm(x, weight, eps); }

template <size_t N>
Conv<N>::Conv(int64_t inputs, int64_t outputs, std::array<int64_t, N> kernel, Window<N> window,
              bool with_bias)
    : weight(0.0), window(window) {
  if (window.groups < 1 || inputs % window.groups != 0 || outputs % window.groups != 0) {
    fail(Code::value, "Conv", inputs, " and ", outputs, " channels do not make ", window.groups,
         " groups each");
  }
  Shape shape{outputs};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  shape.push_back(inputs / window.groups);
  weight = uniform(std::sqrt(double(outputs) / double(elements(shape))), shape);
  if (with_bias) bias = zeros({outputs});
}
template <size_t N>
array Conv<N>::operator()(const array& x) const {
  auto list = [](const std::array<int64_t, N>& values) {
    return std::vector<int64_t>(values.begin(), values.end());
  };
  array y = conv_general(x, weight, list(window.stride), list(window.padding), list(window.dilation), {1},
                         window.groups);
  return plus(y, bias);
}
template struct Conv<1>;
template struct Conv<2>;
template struct Conv<3>;

Dropout::Dropout(double p) : p(p) {
  if (!(p >= 0 && p < 1)) fail(Code::value, "Dropout", "the probability p is from 0 to below 1, not ", p);
}
array Dropout::operator()(const array& x) const {
  if (!training || p == 0) return x;
  array keep = random::bernoulli(array(1 - p, float32), x.shape());
  return where(keep, x * (1 / (1 - p)), weak(0, x.dtype()));
}

}  // namespace melix::nn
