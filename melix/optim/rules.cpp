// See rules.h.
#include "melix/optim/rules.h"

#include <cmath>

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/matmul.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix::optim {
namespace {

// A moving average: beta * old + (1 - beta) * now.
array average(double beta, const array& old, const array& now) { return old * beta + now * (1 - beta); }
array average(const array& beta, const array& old, const array& now) { return old * beta + now * (1 - beta); }

// The learning rate in the dtype of the gradient.
array rate_for(const array& gradient, const array& learning_rate) {
  return astype(learning_rate, gradient.dtype());
}

array decayed(const array& parameter, const array& rate, double weight_decay) {
  return weight_decay == 0 ? parameter : parameter * (1 - rate * weight_decay);
}

array root_mean_square(const array& x) { return sqrt(mean(square(x))); }

// How much of an average with this beta has come in after `step` steps: 1 - beta^step.
array come_in(double beta, const array& step, Dtype dtype) {
  array n = astype(step, dtype);
  return 1 - power(array(beta, dtype), n);
}

// The orthogonal matrix nearest to x, roughly: singular values come to between 0.7 and 1.2. The coefficients of the
// quintic are those with the steepest slope at 0 (Keller Jordan, 2024).
array orthogonalized(const array& gradient, int steps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = gradient.shape(-2) > gradient.shape(-1);
  array x = tall ? swapaxes(gradient, -1, -2) : gradient;
  x = x / (sqrt(sum(square(x), std::vector<int>{-2, -1}, true)) + 1e-7);
  for (int i = 0; i < steps; i++) {
    array gram = matmul(x, swapaxes(x, -1, -2));
    array polynomial = gram * b + matmul(gram, gram) * c;
    x = x * a + matmul(polynomial, x);
  }
  return tall ? swapaxes(x, -1, -2) : x;
}

}  // namespace

std::vector<array> sgd(const array& parameter, const array& gradient, const array& v,
                       const array& learning_rate, double momentum, double weight_decay, double dampening,
                       bool nesterov, StreamOrDevice s) {
  StreamScope scope(s);
  const array rate = rate_for(gradient, learning_rate);
  const array g = weight_decay == 0 ? gradient : gradient + parameter * weight_decay;
  if (momentum <= 0) return {parameter - rate * g, v};
  array next = v * momentum + (dampening > 0 ? g * (1 - dampening) : g);
  return {parameter - rate * (nesterov ? g + next * momentum : next), next};
}

std::vector<array> rmsprop(const array& parameter, const array& gradient, const array& v,
                           const array& learning_rate, double alpha, double eps, StreamOrDevice s) {
  StreamScope scope(s);
  array next = average(alpha, v, square(gradient));
  return {parameter - rate_for(gradient, learning_rate) * gradient / (sqrt(next) + eps), next};
}

std::vector<array> adagrad(const array& parameter, const array& gradient, const array& v,
                           const array& learning_rate, double eps, StreamOrDevice s) {
  StreamScope scope(s);
  array next = v + square(gradient);
  return {parameter - rate_for(gradient, learning_rate) * gradient / (sqrt(next) + eps), next};
}

std::vector<array> adadelta(const array& parameter, const array& gradient, const array& v, const array& u,
                            const array& learning_rate, double rho, double eps, StreamOrDevice s) {
  StreamScope scope(s);
  array squares = average(rho, v, square(gradient));
  array change = sqrt(u + eps) / sqrt(squares + eps) * gradient;
  return {parameter - rate_for(gradient, learning_rate) * change, squares, average(rho, u, square(change))};
}

std::vector<array> adam(const array& parameter, const array& gradient, const array& m, const array& v,
                        const array& learning_rate, const array& step, std::pair<double, double> betas,
                        double eps, double weight_decay, bool bias_correction, StreamOrDevice s) {
  StreamScope scope(s);
  const auto [b1, b2] = betas;
  const array rate = rate_for(gradient, learning_rate);
  const array start = decayed(parameter, rate, weight_decay);
  array first = average(b1, m, gradient);
  array second = average(b2, v, square(gradient));
  if (!bias_correction) return {start - rate * first / (sqrt(second) + eps), first, second};
  const Dtype dtype = gradient.dtype();
  array scale = astype(learning_rate / come_in(b1, step, float32), dtype);
  array root = astype(rsqrt(come_in(b2, step, float32)), dtype);
  return {start - scale * first / (sqrt(second) * root + eps), first, second};
}

std::vector<array> adamax(const array& parameter, const array& gradient, const array& m, const array& v,
                          const array& learning_rate, std::pair<double, double> betas, double eps,
                          StreamOrDevice s) {
  StreamScope scope(s);
  array first = average(betas.first, m, gradient);
  array largest = maximum(v * betas.second, abs(gradient));
  return {parameter - rate_for(gradient, learning_rate) * first / (largest + eps), first, largest};
}

std::vector<array> lion(const array& parameter, const array& gradient, const array& m,
                        const array& learning_rate, std::pair<double, double> betas, double weight_decay,
                        StreamOrDevice s) {
  StreamScope scope(s);
  const array rate = rate_for(gradient, learning_rate);
  array direction = sign(average(betas.first, m, gradient));
  return {decayed(parameter, rate, weight_decay) - rate * direction, average(betas.second, m, gradient)};
}

std::vector<array> adafactor(const array& parameter, const array& gradient, const std::vector<array>& second,
                             const std::optional<array>& first, const std::optional<array>& learning_rate,
                             const array& step, std::pair<double, double> eps, double clip_threshold,
                             double decay_rate, double beta_1, double weight_decay, bool scale_parameter,
                             bool warmup_init, StreamOrDevice s) {
  StreamScope scope(s);
  const bool factored = gradient.ndim() >= 2;
  if (second.size() != (factored ? 2u : 1u))
    fail(Code::value, "adafactor", second.size(), " averages of squares for a gradient of shape ",
         gradient.shape());
  const array n = astype(step, float32);
  array rate =
      learning_rate ? *learning_rate : minimum(warmup_init ? n * 1e-6 : array(1e-2, float32), rsqrt(n));
  if (scale_parameter)
    rate = rate * maximum(root_mean_square(parameter), weak(eps.second, parameter.dtype()));
  rate = astype(rate, gradient.dtype());
  const array beta = astype(1 - power(n, array(decay_rate, float32)), gradient.dtype());

  std::vector<array> out;  // the averages of squares, then what else there is
  const array squares = square(gradient) + eps.first;
  array change = gradient;
  if (factored) {
    const std::vector<int> last{-1}, before{-2};
    array rows = average(beta, second[0], mean(squares, last));
    array columns = average(beta, second[1], mean(squares, before));
    array row_scale = rsqrt(rows / mean(rows, last, true));
    change = expand_dims(row_scale, last) * expand_dims(rsqrt(columns), before) * gradient;
    out = {rows, columns};
  } else {
    out = {average(beta, second[0], squares)};
    change = rsqrt(out[0]) * gradient;
  }
  change = change / maximum(root_mean_square(change) / clip_threshold, weak(1.0, change.dtype())) * rate;
  if (first) {
    out.push_back(average(beta_1, *first, change));
    change = out.back();
  }
  out.insert(out.begin(), decayed(parameter, rate, weight_decay) - change);
  return out;
}

std::vector<array> muon(const array& parameter, const array& gradient, const array& v,
                        const array& learning_rate, double momentum, double weight_decay, bool nesterov,
                        int ns_steps, StreamOrDevice s) {
  StreamScope scope(s);
  array rate = rate_for(gradient, learning_rate);
  const array g = weight_decay == 0 ? gradient : gradient + parameter * weight_decay;
  array next = average(momentum, v, g);
  array change = nesterov ? average(momentum, next, g) : next;
  if (change.ndim() >= 2) {
    const Shape shape = change.shape();
    array flat = reshape(change, {shape[0], -1});
    change = reshape(orthogonalized(flat, ns_steps), shape);
    rate =
        rate * std::sqrt(std::max(1.0, double(flat.shape(0)) / double(std::max<int64_t>(flat.shape(1), 1))));
  }
  return {parameter - rate * change, next};
}

}  // namespace melix::optim
