// Convolutions whose groups have one channel: sums over taps, without a product of matrices.
#pragma once

#include "melix/backend/cpu/conv_shape.h"

namespace melix::cpu {

/// Whether the functions below are the fast way: groups of one channel with few results each, real numbers; for the
/// gradient, a kernel that is not very large.
bool takes_depthwise(const ConvShape& shape, Dtype dtype);
bool takes_depthwise_weight(const ConvShape& shape, Dtype dtype);

/// The results of one phase. The weight is (C_out, spatial..., 1).
void depthwise(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& weight,
               View& out);

/// The gradient of the weight's taps of one phase.
void depthwise_weight(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& gradient,
                      View& out);

}  // namespace melix::cpu
