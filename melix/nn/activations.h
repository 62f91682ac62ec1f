// Activation functions: compositions of elementwise operations, which the executor fuses into one pass. Integers are
// taken as the operations they are made of take them.
#pragma once

#include "melix/graph/node.h"

namespace melix::nn {

/// The larger of x and 0.
array relu(const array& x, StreamOrDevice s = {});

/// The square of relu(x).
array relu2(const array& x, StreamOrDevice s = {});

/// x between 0 and 6.
array relu6(const array& x, StreamOrDevice s = {});

/// x where it is positive, else negative_slope * x.
/// @python keyword=none
array leaky_relu(const array& x, double negative_slope = 0.01, StreamOrDevice s = {});

/// x where it is positive, else alpha * x, with learned `alpha`.
/// @python keyword=none
array prelu(const array& x, const array& alpha, StreamOrDevice s = {});

/// x where it is positive, else alpha * (exp(x) - 1).
/// @python keyword=none
array elu(const array& x, double alpha = 1.0, StreamOrDevice s = {});

/// x where it is positive, else alpha * (exp(x / alpha) - 1): elu with a continuous derivative.
/// @python keyword=none
array celu(const array& x, double alpha = 1.0, StreamOrDevice s = {});

/// elu with the alpha and the scale that keep mean 0 and variance 1 from layer to layer.
array selu(const array& x, StreamOrDevice s = {});

/// x * P(X <= x) for a standard normal X.
array gelu(const array& x, StreamOrDevice s = {});

/// gelu by a tanh, within 1e-3: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
array gelu_approx(const array& x, StreamOrDevice s = {});

/// gelu by a sigmoid, within 0.02: x * sigmoid(1.702 x).
array gelu_fast_approx(const array& x, StreamOrDevice s = {});

/// x * sigmoid(x), also known as swish.
array silu(const array& x, StreamOrDevice s = {});

/// 1 / (1 + exp(-x)).
array sigmoid(const array& x, StreamOrDevice s = {});

/// log(sigmoid(x)), without overflow.
array log_sigmoid(const array& x, StreamOrDevice s = {});

/// log(1 + exp(x)), without overflow.
array softplus(const array& x, StreamOrDevice s = {});

/// x / (1 + |x|).
array softsign(const array& x, StreamOrDevice s = {});

/// x moved towards 0 by `lambd`, and 0 where it is not farther from it.
/// @python keyword=none
array softshrink(const array& x, double lambd = 0.5, StreamOrDevice s = {});

/// x, and 0 where it is not farther from 0 than `lambd`.
/// @python keyword=none
array hard_shrink(const array& x, double lambd = 0.5, StreamOrDevice s = {});

/// x between two bounds.
/// @python keyword=none
array hard_tanh(const array& x, double min_val = -1.0, double max_val = 1.0, StreamOrDevice s = {});

/// x * min(max(x + 3, 0), 6) / 6.
array hardswish(const array& x, StreamOrDevice s = {});

/// x * tanh(softplus(x)).
array mish(const array& x, StreamOrDevice s = {});

/// Hyperbolic tangent.
array tanh(const array& x, StreamOrDevice s = {});

/// 1 where x is above the threshold, else 0.
/// @python keyword=none
array step(const array& x, double threshold = 0.0, StreamOrDevice s = {});

/// The first half of x along an axis times the sigmoid of the second: a gated linear unit.
/// @python keyword=none
array glu(const array& x, int axis = -1, StreamOrDevice s = {});

/// exp(x) / sum(exp(x)) along an axis.
/// @python keyword=none
array softmax(const array& x, int axis = -1, StreamOrDevice s = {});

/// The softmax of -x.
/// @python keyword=none
array softmin(const array& x, int axis = -1, StreamOrDevice s = {});

/// log(softmax(x)), without overflow.
/// @python keyword=none
array log_softmax(const array& x, int axis = -1, StreamOrDevice s = {});

}  // namespace melix::nn
