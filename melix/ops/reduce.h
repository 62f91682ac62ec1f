// Reductions: one number from all elements along some axes. Partial results are combined in an order that depends on
// the shape alone, so the bits are the same for any number of threads.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Axes as users give them: none (all axes), one, or several.
using MaybeAxes = std::optional<std::vector<int>>;

struct ReduceAttrs : Attributes<ReduceAttrs> {
  Axes axes;  // sorted, counted from the front
  bool keepdims;
  static constexpr auto fields() {
    return std::tuple{field("axes", &ReduceAttrs::axes), field("keepdims", &ReduceAttrs::keepdims)};
  }
};

namespace op {
extern const Op sum, prod, max, min, all, any;
}

/// Sum along axes (all by default). bool and small integers add up in 32 bits, 16-bit floats in float32, rounded once.
/// @python method
array sum(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// Product along axes.
/// @python method
array prod(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
           StreamOrDevice s = {});

/// Largest element along axes; NaN if there is one.
/// @python method
array max(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// Smallest element along axes; NaN if there is one.
/// @python method
array min(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// Whether all elements along axes are true (not zero).
/// @python method
array all(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// Whether any element along axes is true (not zero).
/// @python method
array any(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, StreamOrDevice s = {});

/// Arithmetic mean along axes. Integers and bool give float32; 16-bit floats are summed in float32.
/// @python method
array mean(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
           StreamOrDevice s = {});

/// Variance along axes: the sum of squared distances from the mean over n - ddof.
/// @python method
array var(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, int ddof = 0,
          StreamOrDevice s = {});

/// Standard deviation along axes: the root of the variance.
/// @python method
array std(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, int ddof = 0,
          StreamOrDevice s = {});

/// log(sum(exp(a))) along axes, without overflow.
/// @python method
array logsumexp(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
                StreamOrDevice s = {});

/// Number of elements that are not zero, along axes, as int32.
array count_nonzero(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
                    StreamOrDevice s = {});

/// Whether all elements are close (see isclose): a boolean scalar.
array allclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false,
               StreamOrDevice s = {});

/// Whether both arrays have one shape and equal elements: a boolean scalar. NaNs are equal only with `equal_nan`.
/// @python keyword=none
array array_equal(const array& a, const array& b, bool equal_nan = false, StreamOrDevice s = {});

}  // namespace melix
