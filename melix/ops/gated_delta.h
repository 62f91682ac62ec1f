// The gated delta rule: a linear attention whose state decays and is corrected at each step. Its gradient is an
// operation of its own.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
/// Inputs, all of float32 or float64: state, q, k, v, gamma, beta (shapes as gated_delta_update has them; the state is
/// always there), and mask where there is one. Outputs: the state behind the last step, y.
/// gated_delta_grad has the cotangents of both outputs behind these inputs, and gives the gradients of state, q, k, v,
/// gamma and beta; those of q and k for each head of v.
extern const Op gated_delta, gated_delta_grad;
}  // namespace op

namespace fast {

/// The gated delta rule over T steps. For each head, with S the state (Dv, Dk), each step t does
///
///     S = gamma_t S
///     S = S + beta_t (v_t - S k_t) k_t^T
///     y_t = S q_t
///
/// Shapes: q and k (B, T, Hk, Dk); v (B, T, Hv, Dv), Hv a multiple of Hk: neighbouring heads of v share one of q and k;
/// gamma (B, T, Hv), or (B, T, Hv, Dk) with a decay for each key; beta (B, T, Hv); initial_state (B, Hv, Dv, Dk), by
/// default zeros; mask (B, T): where it is false, the state stays as it is, and y is 0. Gives y (B, T, Hv, Dv), of the
/// dtype that q, k and v promote to, and the last state, in float32 (float64 if anything is). Everything is computed in
/// that dtype; y is rounded once.
/// @python keyword=none
std::vector<array> gated_delta_update(const array& q, const array& k, const array& v, const array& gamma,
                                      const array& beta,
                                      const std::optional<array>& initial_state = std::nullopt,
                                      const std::optional<array>& mask = std::nullopt, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
