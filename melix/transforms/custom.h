// Functions with derivative and batching rules of their own, and checkpoint, which is one of them.
#pragma once

#include "melix/transforms/autodiff.h"

namespace melix {

/// Rules of a custom function; what is missing follows from the function itself.
struct CustomRules {
  /// (primals, cotangents, outputs) -> one gradient per primal.
  std::function<std::vector<array>(const std::vector<array>&, const std::vector<array>&,
                                   const std::vector<array>&)>
      vjp;
  /// (primals, tangents) -> one tangent per output. A primal without a tangent has zeros.
  std::function<std::vector<array>(const std::vector<array>&, const std::vector<array>&)> jvp;
  /// (inputs, batch axis of each or nothing) -> (outputs, batch axis of each or nothing).
  std::function<std::pair<std::vector<array>, std::vector<std::optional<int>>>(
      const std::vector<array>&, const std::vector<std::optional<int>>&)>
      vmap;
};

/// The function with these rules. Transforms see its results through them alone.
Function custom_function(Function fun, CustomRules rules);

/// The function, whose intermediate values are computed again for the gradient instead of kept for it.
Function checkpoint(Function fun);

}  // namespace melix
