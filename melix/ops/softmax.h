// Softmax.
#pragma once

#include "melix/ops/reduce.h"

namespace melix {

struct SoftmaxAttrs : Attributes<SoftmaxAttrs> {
  Axes axes;  // neighbours, counted from the front
  static constexpr auto fields() { return std::tuple{field("axes", &SoftmaxAttrs::axes)}; }
};

namespace op {
extern const Op softmax;
}

/// exp(a) / sum(exp(a)) along axes (all by default), without overflow. Integers and bool give float32. 16-bit floats
/// are computed in float32 and rounded once, with or without `precise`.
/// @python keyword=precise
array softmax(const array& a, const MaybeAxes& axis = std::nullopt, bool precise = false,
              StreamOrDevice s = {});

}  // namespace melix
