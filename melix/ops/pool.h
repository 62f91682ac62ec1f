// Pooling over one to three spatial axes, channels last: the largest element or the mean of windows, as layers of
// neural networks take them. Windows of other reductions are made by as_strided.
#pragma once

#include <optional>
#include <vector>

#include "melix/graph/op.h"

namespace melix {

/// One number for each spatial axis. Windows begin `stride` apart, the first one `padding` before the input.
struct PoolAttrs : Attributes<PoolAttrs> {
  Shape kernel, stride, padding;
  static constexpr auto fields() {
    return std::tuple{field("kernel", &PoolAttrs::kernel), field("stride", &PoolAttrs::stride),
                      field("padding", &PoolAttrs::padding)};
  }
};

namespace op {
/// max_pool: x gives y. The others take x, y, and:
///   max_pool_collect   values like x; of each window, the mean of those where x is the largest element (the tangent)
///   max_pool_spread    values like y; shares each evenly among the largest elements of its window (the gradient)
extern const Op max_pool, max_pool_collect, max_pool_spread;
}  // namespace op

namespace fast {

/// The largest element of each window of an array (N, spatial..., C) with one to three spatial axes. Windows begin
/// `stride` apart (by default as far as they are long); `padding` adds places at both ends of each axis that never are
/// the largest. One number counts for all axes. The gradient is shared evenly by the largest elements of a window.
/// @python positional=1
array max_pool(const array& a, const std::vector<int64_t>& kernel_size,
               const std::optional<std::vector<int64_t>>& stride = std::nullopt,
               const std::vector<int64_t>& padding = {0}, StreamOrDevice s = {});

/// The mean of each window of an array (N, spatial..., C) with one to three spatial axes. Windows begin `stride` apart
/// (by default as far as they are long); `padding` adds zeros at both ends of each axis, which count. One number counts
/// for all axes.
/// @python positional=1
array avg_pool(const array& a, const std::vector<int64_t>& kernel_size,
               const std::optional<std::vector<int64_t>>& stride = std::nullopt,
               const std::vector<int64_t>& padding = {0}, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
