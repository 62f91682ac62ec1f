// Writing to places that index arrays name. Negative indices count from the end, once; writes out of range are
// dropped. Where several updates meet one place, sums, products, maxima and minima take all of them in the order of
// the updates; a plain write keeps the last one.
#pragma once

#include "melix/ops/windows.h"

namespace melix {

namespace op {
extern const Op scatter;
}

/// The array with updates put into windows that begin, along `axes`, at the places that the index arrays name (which
/// broadcast together). `updates` has the shape of the index arrays, then that of a window.
/// @python hidden
array scatter(const array& a, const std::vector<array>& indices, const array& updates,
              const std::vector<int>& axes, Scatter mode = Scatter::none, StreamOrDevice s = {});

/// The array with values put where `indices` names, in each row: for axis 1 result[i, indices[i, j, k], k] =
/// values[i, j, k]. Indices broadcast to the array in the other axes, values to the indices; without an axis, the array
/// is flattened for the writing.
/// @python weak=a,values
array put_along_axis(const array& a, const array& indices, const array& values,
                     std::optional<int> axis = std::nullopt, StreamOrDevice s = {});

/// The same for any way of putting values.
/// @python hidden
array scatter_along_axis(const array& a, const array& indices, const array& values, int axis, Scatter mode,
                         StreamOrDevice s = {});

/// The 1-d array `a` with updates[i] added at indices[i].
/// @python hidden
array scatter_add_flat(const array& a, const array& indices, const array& updates, StreamOrDevice s = {});

}  // namespace melix
