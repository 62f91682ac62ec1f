// See losses.h.
#include "melix/nn/losses.h"

#include <cmath>
#include <numbers>

#include "melix/ops/cross_entropy.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix::nn {
namespace {

array reduced(const char* op, const array& loss, const std::string& reduction) {
  if (reduction == "mean") return mean(loss);
  if (reduction == "sum") return sum(loss);
  if (reduction != "none")
    fail(Code::value, op, "reduction is \"none\", \"mean\" or \"sum\", not \"", reduction, '"');
  return loss;
}

void check_same(const char* op, const char* what, const array& a, const char* other, const array& b) {
  if (a.shape() != b.shape()) {
    fail(Code::value, op, what, " of shape ", a.shape(), " do not fit ", other, " of shape ", b.shape());
  }
}

array weighted(const char* op, const array& loss, const std::optional<array>& weights) {
  if (!weights) return loss;
  check_same(op, "weights", *weights, "losses", loss);
  return loss * *weights;
}

std::vector<int> only(int axis) { return {axis}; }

// Integers, one axis less than the scores of the classes.
void check_classes(const char* op, const array& scores, const array& targets, int axis) {
  if (!is_integer(targets.dtype())) {
    fail(Code::value, op, "numbers of classes are integers; targets of dtype ", targets.dtype(),
         " have to be probabilities, of the shape ", scores.shape());
  }
  Shape left = scores.shape();
  left.erase(left.begin() + axis);
  if (targets.shape() != left) {
    fail(Code::value, op, "targets of shape ", targets.shape(), " do not fit scores of shape ",
         scores.shape());
  }
}

}  // namespace

array cross_entropy(const array& logits, const array& targets, const std::optional<array>& weights, int axis,
                    double label_smoothing, const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "cross_entropy";
  if (!(label_smoothing >= 0 && label_smoothing < 1))
    fail(Code::value, op, "label_smoothing is from 0 to below 1, not ", label_smoothing);
  const int along = normal_axis(op, axis, logits.shape());
  const double rest = 1 - label_smoothing;
  // log(sum(exp(logits))) less the sum of p * logits over the classes.
  array loss = logits;
  if (targets.ndim() == logits.ndim()) {
    check_same(op, "targets", targets, "logits", logits);
    array p = astype(targets, promote(targets.dtype(), logits.dtype()));
    if (label_smoothing > 0) p = p * rest + label_smoothing / double(logits.shape()[uint32_t(along)]);
    loss = logsumexp(logits, only(along)) - sum(logits * p, only(along));
  } else {
    check_classes(op, logits, targets, along);
    const array rows = moveaxis(logits, along, -1);
    loss = astype(fast::cross_entropy(rows, targets), inexact_of(logits.dtype()));
    if (label_smoothing > 0)
      loss = loss * rest + (logsumexp(rows, only(-1)) - mean(rows, only(-1))) * label_smoothing;
  }
  return reduced(op, weighted(op, loss, weights), reduction);
}

array binary_cross_entropy(const array& inputs, const array& targets, const std::optional<array>& weights,
                           bool with_logits, const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "binary_cross_entropy";
  check_same(op, "inputs", inputs, "targets", targets);
  auto log_of = [](const array& p) { return maximum(log(p), weak(-100.0, p.dtype())); };
  array loss = with_logits ? logaddexp(inputs, weak(0.0, inputs.dtype())) - inputs * targets
                           : -(targets * log_of(inputs) + (1 - targets) * log_of(1 - inputs));
  return reduced(op, weighted(op, loss, weights), reduction);
}

array nll_loss(const array& inputs, const array& targets, int axis, const std::string& reduction,
               StreamOrDevice s) {
  StreamScope scope(s);
  const int along = normal_axis("nll_loss", axis, inputs.shape());
  check_classes("nll_loss", inputs, targets, along);
  array chosen = take_along_axis(inputs, expand_dims(targets, only(along)), along);
  return reduced("nll_loss", -squeeze(chosen, only(along)), reduction);
}

array kl_div_loss(const array& inputs, const array& targets, int axis, const std::string& reduction,
                  StreamOrDevice s) {
  StreamScope scope(s);
  check_same("kl_div_loss", "inputs", inputs, "targets", targets);
  return reduced("kl_div_loss", sum(exp(targets) * (targets - inputs), only(axis)), reduction);
}

array l1_loss(const array& predictions, const array& targets, const std::string& reduction,
              StreamOrDevice s) {
  StreamScope scope(s);
  check_same("l1_loss", "predictions", predictions, "targets", targets);
  return reduced("l1_loss", abs(predictions - targets), reduction);
}

array mse_loss(const array& predictions, const array& targets, const std::string& reduction,
               StreamOrDevice s) {
  StreamScope scope(s);
  check_same("mse_loss", "predictions", predictions, "targets", targets);
  return reduced("mse_loss", square(predictions - targets), reduction);
}

array smooth_l1_loss(const array& predictions, const array& targets, double beta,
                     const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "smooth_l1_loss";
  if (!(beta >= 0)) fail(Code::value, op, "beta is at least 0, not ", beta);
  if (beta == 0) return l1_loss(predictions, targets, reduction);
  check_same(op, "predictions", predictions, "targets", targets);
  array distance = abs(predictions - targets);
  return reduced(op, where(distance < beta, square(distance) * (0.5 / beta), distance - 0.5 * beta),
                 reduction);
}

array huber_loss(const array& inputs, const array& targets, double delta, const std::string& reduction,
                 StreamOrDevice s) {
  StreamScope scope(s);
  check_same("huber_loss", "inputs", inputs, "targets", targets);
  array distance = abs(inputs - targets);
  array loss = where(distance <= delta, square(distance) * 0.5, (distance - 0.5 * delta) * delta);
  return reduced("huber_loss", loss, reduction);
}

array log_cosh_loss(const array& inputs, const array& targets, const std::string& reduction,
                    StreamOrDevice s) {
  StreamScope scope(s);
  check_same("log_cosh_loss", "inputs", inputs, "targets", targets);
  array difference = inputs - targets;
  return reduced("log_cosh_loss", logaddexp(difference, -difference) - std::numbers::ln2, reduction);
}

array hinge_loss(const array& inputs, const array& targets, const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  check_same("hinge_loss", "inputs", inputs, "targets", targets);
  array loss = 1 - inputs * targets;
  return reduced("hinge_loss", maximum(loss, weak(0, loss.dtype())), reduction);
}

array gaussian_nll_loss(const array& inputs, const array& targets, const array& vars, bool full, double eps,
                        const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "gaussian_nll_loss";
  check_same(op, "inputs", inputs, "targets", targets);
  check_same(op, "inputs", inputs, "vars", vars);
  array variance = maximum(vars, weak(eps, vars.dtype()));
  array loss = (log(variance) + square(targets - inputs) / variance) * 0.5;
  if (full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduced(op, loss, reduction);
}

array triplet_loss(const array& anchors, const array& positives, const array& negatives, int axis, int p,
                   double margin, double eps, const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "triplet_loss";
  if (p < 1) fail(Code::value, op, "p is at least 1, not ", p);
  check_same(op, "anchors", anchors, "positives", positives);
  check_same(op, "anchors", anchors, "negatives", negatives);
  auto distance = [&](const array& other) {
    array difference = abs(anchors - other);
    if (p == 1) return sum(difference, only(axis)) + eps;
    if (p == 2) return sqrt(sum(square(difference), only(axis)) + eps);
    return power(sum(power(difference, weak(p, difference.dtype())), only(axis)) + eps,
                 weak(1.0 / p, difference.dtype()));
  };
  array loss = distance(positives) - distance(negatives) + margin;
  return reduced(op, maximum(loss, weak(0, loss.dtype())), reduction);
}

array cosine_similarity_loss(const array& x1, const array& x2, int axis, double eps,
                             const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "cosine_similarity_loss";
  check_same(op, "x1", x1, "x2", x2);
  auto length = [&](const array& x) { return sqrt(sum(square(x), only(axis))); };
  array lengths = length(x1) * length(x2);
  return reduced(op, sum(x1 * x2, only(axis)) / maximum(lengths, weak(eps, lengths.dtype())), reduction);
}

array margin_ranking_loss(const array& inputs1, const array& inputs2, const array& targets, double margin,
                          const std::string& reduction, StreamOrDevice s) {
  StreamScope scope(s);
  constexpr const char* op = "margin_ranking_loss";
  check_same(op, "inputs1", inputs1, "inputs2", inputs2);
  check_same(op, "inputs1", inputs1, "targets", targets);
  array loss = margin - targets * (inputs1 - inputs2);
  return reduced(op, maximum(loss, weak(0, loss.dtype())), reduction);
}

}  // namespace melix::nn
