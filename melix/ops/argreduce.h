// Where the largest and the smallest elements are.
#pragma once

#include "melix/ops/reduce.h"

namespace melix {

struct ArgReduceAttrs : Attributes<ArgReduceAttrs> {
  int axis;  // counted from the front; -1: the flattened array
  bool keepdims;
  static constexpr auto fields() {
    return std::tuple{field("axis", &ArgReduceAttrs::axis), field("keepdims", &ArgReduceAttrs::keepdims)};
  }
};

namespace op {
extern const Op argmax, argmin;
}

/// Place (uint32) of the largest element along an axis; in the flattened array, without one. The first one, if there
/// are several. NaN counts as larger than all numbers.
/// @python method
array argmax(const array& a, std::optional<int> axis = std::nullopt, bool keepdims = false,
             StreamOrDevice s = {});

/// Place (uint32) of the smallest element along an axis; in the flattened array, without one. The first one, if there
/// are several. NaN counts as smaller than all numbers.
/// @python method
array argmin(const array& a, std::optional<int> axis = std::nullopt, bool keepdims = false,
             StreamOrDevice s = {});

/// The smallest and the largest element along axes (all by default): min(a) and max(a).
/// @python returns=tuple
std::vector<array> minmax(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
                          StreamOrDevice s = {});

}  // namespace melix
