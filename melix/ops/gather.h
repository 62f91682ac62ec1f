// Reading from places that index arrays name. Negative indices count from the end, once; what is then out of range
// reads the nearest element.
#pragma once

#include "melix/ops/windows.h"

namespace melix {

namespace op {
extern const Op gather;
}

/// Windows of `slice_sizes` that begin, along `axes`, at the places that the index arrays name (which broadcast
/// together) and at 0 along the other axes. The result has the shape of the index arrays, then that of a window.
/// @python hidden
array gather(const array& a, const std::vector<array>& indices, const std::vector<int>& axes,
             const Shape& slice_sizes, StreamOrDevice s = {});

/// The elements, rows, ... that an array of integers names along an axis; of the flattened array, without an axis. The
/// dimensions of `indices` stand in the result where the axis was.
array take(const array& a, const array& indices, std::optional<int> axis = std::nullopt,
           StreamOrDevice s = {});

/// The element of each row that `indices` names: result[i, j, k] = a[i, indices[i, j, k], k] for axis 1. Both arrays
/// broadcast against each other in the other axes; without an axis, `a` is flattened.
array take_along_axis(const array& a, const array& indices, std::optional<int> axis = -1,
                      StreamOrDevice s = {});

}  // namespace melix
