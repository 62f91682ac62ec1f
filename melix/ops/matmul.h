// Matrix products. Sums over K are made in float32 for the 16-bit floats, modulo 2^bits for integers, by or and and
// for bool, and are rounded once. Their order depends on shapes, dtypes and layout alone, never on threads.
#pragma once

#include "melix/graph/op.h"

namespace melix {

struct AddmmAttrs : Attributes<AddmmAttrs> {
  double alpha;
  double beta;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &AddmmAttrs::alpha), field("beta", &AddmmAttrs::beta)};
  }
};

namespace op {
/// a (..., M, K) times b (..., K, N); addmm: c, a, b. Leading axes broadcast.
extern const Op matmul, addmm;
}  // namespace op

/// Matrix product of the last two axes; the axes before them broadcast. A vector (one axis) is a row on the left and a
/// column on the right, and its axis is left out of the result.
array matmul(const array& a, const array& b, StreamOrDevice s = {});

/// alpha * (a @ b) + beta * c, rounded once. c broadcasts to the shape of the product. For integers alpha and beta are
/// whole numbers.
array addmm(const array& c, const array& a, const array& b, double alpha = 1.0, double beta = 1.0,
            StreamOrDevice s = {});

/// Inner product of vectors; of more axes, sums of products over the last ones: (..., K) and (---, K) give (..., ---).
/// With a scalar it is the product.
array inner(const array& a, const array& b, StreamOrDevice s = {});

/// Products of every element of a with every element of b, both flattened.
array outer(const array& a, const array& b, StreamOrDevice s = {});

/// Sums of conj(a) * b along an axis; the other axes broadcast.
/// @python keyword=axis
array vecdot(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

/// Kronecker product: every element of a times the whole of b, in blocks.
array kron(const array& a, const array& b, StreamOrDevice s = {});

/// Sums of products over pairs of axes: the last `axes` axes of a with the first ones of b, or axes[0] of a with
/// axes[1] of b. The other axes follow each other in the result, those of a first.
array tensordot(const array& a, const array& b,
                const std::variant<int, std::vector<std::vector<int>>>& axes = 2, StreamOrDevice s = {});

}  // namespace melix
