// Normalisations over the last axis: rms_norm and layer_norm, and their gradients, which are operations of their own.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Inputs: x (..., n), then weight (n) and bias (n) where they are given. Output: like x, of the same dtype.
struct NormAttrs : Attributes<NormAttrs> {
  double eps;
  bool weight, bias;
  static constexpr auto fields() {
    return std::tuple{field("eps", &NormAttrs::eps), field("weight", &NormAttrs::weight),
                      field("bias", &NormAttrs::bias)};
  }
};

/// Inputs: x, the cotangent of the result, then weight where it is given. Outputs: the gradients of x, of weight if
/// `of_weight` and of bias if `of_bias`.
struct NormGradAttrs : Attributes<NormGradAttrs> {
  double eps;
  bool weight, of_weight, of_bias;
  static constexpr auto fields() {
    return std::tuple{field("eps", &NormGradAttrs::eps), field("weight", &NormGradAttrs::weight),
                      field("of_weight", &NormGradAttrs::of_weight),
                      field("of_bias", &NormGradAttrs::of_bias)};
  }
};

namespace op {
extern const Op rms_norm, layer_norm, rms_norm_grad, layer_norm_grad;
}

namespace fast {

/// x / sqrt(mean(x * x) + eps) over the last axis, times `weight` (one element for each of that axis) where it is
/// given. The result has the dtype that x and weight promote to, float32 for integers; 16-bit floats are computed in
/// float32 and rounded once.
///
///     >>> mx.fast.rms_norm(mx.array([3.0, 4.0]), None, 0.0)
///     array([0.848528, 1.13137], dtype=float32)
array rms_norm(const array& x, const std::optional<array>& weight, double eps, StreamOrDevice s = {});

/// (x - mean(x)) / sqrt(var(x) + eps) over the last axis, times `weight`, plus `bias`, where they are given (one
/// element for each of that axis). The result has the dtype that all promote to, float32 for integers; 16-bit floats
/// are computed in float32 and rounded once.
array layer_norm(const array& x, const std::optional<array>& weight, const std::optional<array>& bias,
                 double eps, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
