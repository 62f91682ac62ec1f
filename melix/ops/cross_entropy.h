// Cross entropy of logits with class numbers, and its gradient, which is an operation of its own.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
/// Inputs: logits (..., n), class numbers (...). Output: the losses (...), of the logits' carrier.
/// cross_entropy_grad has the cotangent of the losses as third input, and gives the gradient of the logits.
extern const Op cross_entropy, cross_entropy_grad;
}  // namespace op

namespace fast {

/// logsumexp(logits) - logits[target] over the last axis, for each target: an array of integers with the shape of the
/// logits less their last axis. Negative targets count from the end. The losses are float32 (float64 for float64
/// logits), computed without rounding anything to 16 bits; no array of the size of the logits is made.
///
///     >>> mx.fast.cross_entropy(mx.array([[2.0, 1.0], [0.0, 3.0]]), mx.array([0, 1]))
///     array([0.313262, 0.0485873], dtype=float32)
array cross_entropy(const array& logits, const array& targets, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
