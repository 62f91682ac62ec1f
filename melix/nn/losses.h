// Losses: how far predictions are from targets. `reduction` says what becomes of the losses of the examples: "none"
// (as they are), "mean" or "sum". Shapes that do not fit are errors, never broadcast in silence.
#pragma once

#include <optional>
#include <string>

#include "melix/graph/node.h"

namespace melix::nn {

/// The cross entropy of `targets` against softmax(logits) along an axis. Targets are numbers of classes (one axis
/// less), or probabilities of classes (the shape of the logits). `label_smoothing` gives that much of the probability
/// to all classes alike. `weights` are one for each target.
/// @python keyword=none
array cross_entropy(const array& logits, const array& targets,
                    const std::optional<array>& weights = std::nullopt, int axis = -1,
                    double label_smoothing = 0.0, const std::string& reduction = "none",
                    StreamOrDevice s = {});

/// The cross entropy of targets 0 or 1 (or a probability). `inputs` are log-odds, or without `with_logits`
/// probabilities, whose logarithms are taken as -100 at least.
/// @python keyword=none
array binary_cross_entropy(const array& inputs, const array& targets,
                           const std::optional<array>& weights = std::nullopt, bool with_logits = true,
                           const std::string& reduction = "mean", StreamOrDevice s = {});

/// The negative log probability of the classes numbered by `targets`; `inputs` are log probabilities.
/// @python keyword=none
array nll_loss(const array& inputs, const array& targets, int axis = -1,
               const std::string& reduction = "none", StreamOrDevice s = {});

/// The divergence of `inputs` from `targets`, both log probabilities: sum(exp(t) * (t - i)) along an axis.
/// @python keyword=none
array kl_div_loss(const array& inputs, const array& targets, int axis = -1,
                  const std::string& reduction = "none", StreamOrDevice s = {});

/// |predictions - targets|.
/// @python keyword=none
array l1_loss(const array& predictions, const array& targets, const std::string& reduction = "mean",
              StreamOrDevice s = {});

/// (predictions - targets)^2.
/// @python keyword=none
array mse_loss(const array& predictions, const array& targets, const std::string& reduction = "mean",
               StreamOrDevice s = {});

/// Half the squared difference over `beta` where it is smaller than that, else the difference less beta / 2.
/// @python keyword=none
array smooth_l1_loss(const array& predictions, const array& targets, double beta = 1.0,
                     const std::string& reduction = "mean", StreamOrDevice s = {});

/// Half the squared difference where it is at most `delta`, else delta * (difference - delta / 2).
/// @python keyword=none
array huber_loss(const array& inputs, const array& targets, double delta = 1.0,
                 const std::string& reduction = "none", StreamOrDevice s = {});

/// log(cosh(inputs - targets)), without overflow.
/// @python keyword=none
array log_cosh_loss(const array& inputs, const array& targets, const std::string& reduction = "none",
                    StreamOrDevice s = {});

/// max(0, 1 - inputs * targets) for targets of -1 and 1.
/// @python keyword=none
array hinge_loss(const array& inputs, const array& targets, const std::string& reduction = "none",
                 StreamOrDevice s = {});

/// The negative log likelihood of `targets` under normal distributions with means `inputs` and variances `vars` (at
/// least `eps`); with `full`, including the constant.
/// @python keyword=none
array gaussian_nll_loss(const array& inputs, const array& targets, const array& vars, bool full = false,
                        double eps = 1e-6, const std::string& reduction = "mean", StreamOrDevice s = {});

/// max(0, d(anchors, positives) - d(anchors, negatives) + margin) with the p-norm of the difference as distance.
/// @python keyword=none
array triplet_loss(const array& anchors, const array& positives, const array& negatives, int axis = -1,
                   int p = 2, double margin = 1.0, double eps = 1e-6, const std::string& reduction = "none",
                   StreamOrDevice s = {});

/// The cosine of the angle between x1 and x2 along an axis; lengths count as `eps` at least, together.
/// @python keyword=none
array cosine_similarity_loss(const array& x1, const array& x2, int axis = 1, double eps = 1e-8,
                             const std::string& reduction = "none", StreamOrDevice s = {});

/// max(0, margin - targets * (inputs1 - inputs2)): 1 asks for the first to be larger, -1 for the second.
/// @python keyword=none
array margin_ranking_loss(const array& inputs1, const array& inputs2, const array& targets,
                          double margin = 0.0, const std::string& reduction = "none", StreamOrDevice s = {});

}  // namespace melix::nn
