// vmap: a function of single examples as a function of batches. The function is traced once with placeholders of one
// example's shape; the trace is then called again with every operation's batching rule.
#pragma once

#include "melix/transforms/autodiff.h"

namespace melix {

/// One axis, or none, for each of several arrays.
using MaybeAxesList = std::vector<std::optional<int>>;

/// The batched function. in_axes[i] is the batch axis of argument i, or nothing when it is shared by all examples;
/// out_axes likewise for the results (nothing: the result of the first example, for results that do not depend on a
/// batch).
Function vmap(const Function& fun, const MaybeAxesList& in_axes, const MaybeAxesList& out_axes);

/// One call of the batched function. `out_axes` is asked for after the function was called.
std::vector<array> call_vmap(const Function& fun, const std::vector<array>& arguments,
                             const MaybeAxesList& in_axes, const std::function<MaybeAxesList()>& out_axes);

}  // namespace melix
