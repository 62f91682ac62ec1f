// What the Python array API asks of linalg beyond linalg.h: products and diagonals under their names there, powers of
// matrices, and what follows from singular values. Composed of other operations.
#pragma once

#include "melix/ops/linalg.h"
#include "melix/ops/matmul.h"

namespace melix {
namespace linalg {

/// Norm of vectors along axes; of the whole array as one vector, without axes. `ord` is a number, inf and -inf among
/// them: see linalg.norm.
/// @python keyword=axis
array vector_norm(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false, double ord = 2,
                  StreamOrDevice s = {});

/// Norm of the matrices along the last two axes: see linalg.norm.
/// @python keyword=keepdims
array matrix_norm(const array& a, bool keepdims = false, const std::variant<double, std::string>& ord = "fro",
                  StreamOrDevice s = {});

/// Square matrices multiplied with themselves, so that `n` of them are multiplied; with n = 0 the identity, with
/// negative n the power of the inverse.
array matrix_power(const array& a, int64_t n, StreamOrDevice s = {});

/// How many singular values (int32) are larger than `rtol` times the largest one, by default max(m, n) eps.
/// @python keyword=rtol
array matrix_rank(const array& a, const std::optional<array>& rtol = std::nullopt, StreamOrDevice s = {});

/// The singular values of linalg.svd, descending.
array svdvals(const array& a, StreamOrDevice s = {});

/// The diagonals of the matrices along the last two axes: see mx.diagonal.
/// @python keyword=offset
array diagonal(const array& a, int64_t offset = 0, StreamOrDevice s = {});

/// The sums of diagonals of the matrices along the last two axes, of the elements as `dtype` if one is given.
/// @python keyword=offset
array trace(const array& a, int64_t offset = 0, std::optional<Dtype> dtype = std::nullopt,
            StreamOrDevice s = {});

/// mx.matmul.
array matmul(const array& a, const array& b, StreamOrDevice s = {});

/// mx.matrix_transpose.
array matrix_transpose(const array& a, StreamOrDevice s = {});

/// mx.outer.
array outer(const array& a, const array& b, StreamOrDevice s = {});

/// mx.tensordot.
array tensordot(const array& a, const array& b,
                const std::variant<int, std::vector<std::vector<int>>>& axes = 2, StreamOrDevice s = {});

/// mx.vecdot.
array vecdot(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

}  // namespace linalg
}  // namespace melix
