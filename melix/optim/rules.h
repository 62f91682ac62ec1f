// The rules by which optimizers change one parameter: from the parameter, its gradient and its state to the new
// parameter and state, in that order in the results. Learning rate and step are arrays, so that a compiled step runs
// with other values of them. Everything is a chain of elementwise operations, fused into one pass over the memory.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "melix/graph/node.h"

namespace melix::optim {

/// Gradient descent with momentum: v = momentum * v + (1 - dampening) * g; the parameter moves along v (with
/// `nesterov`, along g + momentum * v). `weight_decay` adds that much of the parameter to the gradient.
/// @python keyword=none
std::vector<array> sgd(const array& parameter, const array& gradient, const array& v,
                       const array& learning_rate, double momentum, double weight_decay, double dampening,
                       bool nesterov, StreamOrDevice s = {});

/// v = alpha * v + (1 - alpha) * g^2; the parameter moves by g / (sqrt(v) + eps).
/// @python keyword=none
std::vector<array> rmsprop(const array& parameter, const array& gradient, const array& v,
                           const array& learning_rate, double alpha, double eps, StreamOrDevice s = {});

/// v = v + g^2; the parameter moves by g / (sqrt(v) + eps).
/// @python keyword=none
std::vector<array> adagrad(const array& parameter, const array& gradient, const array& v,
                           const array& learning_rate, double eps, StreamOrDevice s = {});

/// v averages g^2; the parameter moves by d = sqrt(u + eps) / sqrt(v + eps) * g; u averages d^2.
/// @python keyword=none
std::vector<array> adadelta(const array& parameter, const array& gradient, const array& v, const array& u,
                            const array& learning_rate, double rho, double eps, StreamOrDevice s = {});

/// m averages g, v averages g^2; the parameter moves by m / (sqrt(v) + eps). With `bias_correction` both are divided
/// by how much of the average has come in by now, `step` counting from 1. `weight_decay` makes the parameter smaller
/// by that part of the learning rate (AdamW).
/// @python keyword=none
std::vector<array> adam(const array& parameter, const array& gradient, const array& m, const array& v,
                        const array& learning_rate, const array& step, std::pair<double, double> betas,
                        double eps, double weight_decay, bool bias_correction, StreamOrDevice s = {});

/// Adam with the largest |g|, which fades by betas[1] each step, in place of sqrt(v).
/// @python keyword=none
std::vector<array> adamax(const array& parameter, const array& gradient, const array& m, const array& v,
                          const array& learning_rate, std::pair<double, double> betas, double eps,
                          StreamOrDevice s = {});

/// The parameter moves by the sign of betas[0] * m + (1 - betas[0]) * g; m averages g by betas[1].
/// @python keyword=none
std::vector<array> lion(const array& parameter, const array& gradient, const array& m,
                        const array& learning_rate, std::pair<double, double> betas, double weight_decay,
                        StreamOrDevice s = {});

/// Adafactor. The averages of g^2 of a matrix (the last two axes) are kept as those of its rows and columns: `second`
/// is {rows, columns}, of anything else {average}. `first` averages the updates by beta_1 where it is given. Without a
/// learning rate, the step makes one. Results: the parameter, `second`, `first`.
/// @python keyword=none
std::vector<array> adafactor(const array& parameter, const array& gradient, const std::vector<array>& second,
                             const std::optional<array>& first, const std::optional<array>& learning_rate,
                             const array& step, std::pair<double, double> eps, double clip_threshold,
                             double decay_rate, double beta_1, double weight_decay, bool scale_parameter,
                             bool warmup_init, StreamOrDevice s = {});

/// Momentum whose direction, of a matrix (axes behind the first are one), is made orthogonal by `ns_steps` steps of a
/// Newton-Schulz iteration.
/// @python keyword=none
std::vector<array> muon(const array& parameter, const array& gradient, const array& v,
                        const array& learning_rate, double momentum, double weight_decay, bool nesterov,
                        int ns_steps, StreamOrDevice s = {});

}  // namespace melix::optim
