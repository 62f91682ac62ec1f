// Diagonals and triangles of matrices.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op diagonal;
}

/// The diagonals of the matrices along two axes, which are removed; the diagonal is the last axis of the result.
/// `offset` counts from the main diagonal, to the right for positive numbers. The result is a window on the same
/// memory.
/// @python method keyword=none
array diagonal(const array& a, int64_t offset = 0, int axis1 = 0, int axis2 = 1, StreamOrDevice s = {});

/// Diagonal `k` of a matrix, or for an array of one dimension the square matrix with that diagonal and zeros elsewhere.
/// @python method
array diag(const array& a, int64_t k = 0, StreamOrDevice s = {});

/// Sums along diagonals (see diagonal), of the elements as `dtype` if one is given.
array trace(const array& a, int64_t offset = 0, int axis1 = 0, int axis2 = 1,
            std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// The matrices along the last two axes with zeros above diagonal `k`.
array tril(const array& x, int64_t k = 0, StreamOrDevice s = {});

/// The matrices along the last two axes with zeros below diagonal `k`.
array triu(const array& x, int64_t k = 0, StreamOrDevice s = {});

}  // namespace melix
