// Derivatives of functions of arrays: reverse mode (vjp, grad) and forward mode (jvp). The function is called once with
// tracers; derivatives of any order come from applying transforms to transformed functions.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "melix/graph/op.h"

namespace melix {

using Function = std::function<std::vector<array>(const std::vector<array>&)>;

/// The function's values at `primals`, and for each primal the gradient of sum(cotangent * output) over all outputs.
std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& cotangents);

/// The same with cotangents that depend on the values: `cotangents_of(outputs)` is called once.
std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const Function& cotangents_of);

/// The function's values at `primals`, and their derivatives in the direction of `tangents`.
std::pair<std::vector<array>, std::vector<array>> jvp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& tangents);

/// A function that gives the values of `fun`, whose first is a scalar, and its gradients with respect to the
/// arguments numbered.
std::function<std::pair<std::vector<array>, std::vector<array>>(const std::vector<array>&)> value_and_grad(
    const Function& fun, const std::vector<int>& argnums = {0});

/// The gradient of a function of one array and a scalar result.
std::function<array(const array&)> grad(const std::function<array(const array&)>& fun);

}  // namespace melix
