// Cumulative operations along one axis.
#pragma once

#include "melix/graph/op.h"

namespace melix {

struct ScanAttrs : Attributes<ScanAttrs> {
  int axis;  // counted from the front
  bool reverse, inclusive;
  static constexpr auto fields() {
    return std::tuple{field("axis", &ScanAttrs::axis), field("reverse", &ScanAttrs::reverse),
                      field("inclusive", &ScanAttrs::inclusive)};
  }
};

namespace op {
extern const Op cumsum, cumprod, cummax, cummin, logcumsumexp;
}

/// Cumulative sum along an axis (of the flattened array, without one). `reverse` runs from the end; without `inclusive`
/// element i holds the sum of the elements before it. The array is converted to `dtype` first, if there is one; bool is
/// summed as int32, all other dtypes are kept. 16-bit floats and float32 add up in float64.
/// @python method alias=cumulative_sum keyword=reverse
array cumsum(const array& a, std::optional<int> axis = std::nullopt, bool reverse = false,
             bool inclusive = true, std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// Cumulative product along an axis (of the flattened array, without one). `reverse` runs from the end; without
/// `inclusive` element i holds the product of the elements before it. The array is converted to `dtype` first, if there
/// is one.
/// @python method alias=cumulative_prod keyword=reverse
array cumprod(const array& a, std::optional<int> axis = std::nullopt, bool reverse = false,
              bool inclusive = true, std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// Cumulative maximum along an axis (of the flattened array, without one); NaN from the first NaN on. `reverse` runs
/// from the end; without `inclusive` element i holds the maximum of the elements before it, the first one the lowest
/// number.
/// @python method keyword=reverse
array cummax(const array& a, std::optional<int> axis = std::nullopt, bool reverse = false,
             bool inclusive = true, StreamOrDevice s = {});

/// Cumulative minimum along an axis (of the flattened array, without one); NaN from the first NaN on. `reverse` runs
/// from the end; without `inclusive` element i holds the minimum of the elements before it, the first one the highest
/// number.
/// @python method keyword=reverse
array cummin(const array& a, std::optional<int> axis = std::nullopt, bool reverse = false,
             bool inclusive = true, StreamOrDevice s = {});

/// Logarithm of the cumulative sum of exponentials along an axis (of the flattened array, without one), without
/// overflow. `reverse` runs from the end; without `inclusive` element i holds that of the elements before it, the first
/// one -infinity. Integers and bool give float32.
/// @python method keyword=reverse
array logcumsumexp(const array& a, std::optional<int> axis = std::nullopt, bool reverse = false,
                   bool inclusive = true, StreamOrDevice s = {});

}  // namespace melix
