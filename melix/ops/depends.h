// The order of evaluation, where the graph does not say it.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op depends;
}

/// The first `count` inputs are the arrays, which are the results too; the others are what they wait for.
struct DependsAttrs : Attributes<DependsAttrs> {
  int64_t count;
  static constexpr auto fields() { return std::tuple{field("count", &DependsAttrs::count)}; }
};

/// The arrays unchanged (the same memory), but evaluated only after all `dependencies` are. No gradient flows to these.
/// @python manual
std::vector<array> depends(const std::vector<array>& inputs, const std::vector<array>& dependencies);

}  // namespace melix
