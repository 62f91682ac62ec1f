// Shape operations that only look at the same elements another way. Their results are windows on the argument's memory
// wherever strides can say it; reshape copies where they cannot.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op reshape, transpose, broadcast_to, identity, stop_gradient, contiguous, as_strided, view;
}

/// The same elements, in row-major order, in another shape. One dimension may be -1: it follows from the others.
array reshape(const array& a, const Shape& shape, StreamOrDevice s = {});

/// Axes permuted: result axis i is argument axis `axes[i]`. Without axes, their order is reversed.
array transpose(const array& a, const std::optional<std::vector<int>>& axes = std::nullopt,
                StreamOrDevice s = {});

/// The array repeated, without copying, to a shape that it broadcasts to.
array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s = {});

/// Every array broadcast to the shape common to all.
/// @python variadic
std::vector<array> broadcast_arrays(const std::vector<array>& arrays, StreamOrDevice s = {});

/// The shape that all shapes broadcast to.
/// @python variadic
Shape broadcast_shapes(const std::vector<Shape>& shapes);

/// Dimensions `start_axis` to `end_axis` joined into one.
/// @python method
array flatten(const array& a, int start_axis = 0, int end_axis = -1, StreamOrDevice s = {});

/// One axis split into the given shape, of which one dimension may be -1.
array unflatten(const array& a, int axis, const Shape& shape, StreamOrDevice s = {});

/// The array without the given axes, which must have length 1; without axes, without all that have.
/// @python method
array squeeze(const array& a, const std::optional<std::vector<int>>& axis = std::nullopt,
              StreamOrDevice s = {});

/// The array with new axes of length 1 at the given places of the result.
array expand_dims(const array& a, const std::vector<int>& axis, StreamOrDevice s = {});

/// One axis moved to another place, the others in order.
/// @python method
array moveaxis(const array& a, int source, int destination, StreamOrDevice s = {});

/// Two axes exchanged.
/// @python method
array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s = {});

/// Arrays of at least one, two or three dimensions: axes of length 1 are added as NumPy does.
/// @python manual
array atleast_1d(const array& a, StreamOrDevice s = {});
array atleast_2d(const array& a, StreamOrDevice s = {});
array atleast_3d(const array& a, StreamOrDevice s = {});

/// A window with the given shape and strides (in elements) from an offset on, over the elements in row-major order.
/// Windows may overlap; gradients add up where they do. Reaching outside of the array is an error.
array as_strided(const array& a, const std::optional<Shape>& shape = std::nullopt,
                 const std::optional<Shape>& strides = std::nullopt, int64_t offset = 0,
                 StreamOrDevice s = {});

/// The same bytes as another dtype; the last axis grows or shrinks when the sizes differ.
/// @python method keyword=none
array view(const array& a, Dtype dtype, StreamOrDevice s = {});

/// The same values in row-major order without gaps; an array that is so already is shared.
array contiguous(const array& a, bool allow_col_major = false, StreamOrDevice s = {});

/// The value as another node, which a transform can tell from the original.
/// @python hidden
array tracer(const array& a);

/// The value as a constant: no gradient flows through it.
array stop_gradient(const array& a, StreamOrDevice s = {});

}  // namespace melix
