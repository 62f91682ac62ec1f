// The Walsh-Hadamard transform: products with matrices of 1 and -1 whose rows are orthogonal.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op hadamard_transform;
}

struct HadamardAttrs : Attributes<HadamardAttrs> {
  double scale;
  bool transposed;
  static constexpr auto fields() {
    return std::tuple{field("scale", &HadamardAttrs::scale), field("transposed", &HadamardAttrs::transposed)};
  }
};

/// n as factor * 2^k, where there is a matrix of that factor (1, 12, 20, 28); factor 0 where there is none.
struct HadamardLength {
  int factor = 0;
  int64_t power = 1;
};
HadamardLength hadamard_length(int64_t n);

/// The product of the last axis with a Hadamard matrix, times `scale` (by default 1 / sqrt(n), which makes it
/// orthogonal).
///
/// The length n of that axis is m * 2^k, m being 1, 12, 20 or 28 and k any number; for m = 1 the matrix is
/// scipy.linalg.hadamard(n), else the Kronecker product of the matrix of order m with that of 2^k. Takes n log n steps.
/// Floating and complex dtypes are kept (16-bit floats are computed in float32 and rounded once), all others become
/// float32. A scalar is a row of one element.
///
///     >>> mx.hadamard_transform(mx.array([1.0, 2.0, 3.0, 4.0]), scale=1.0).tolist()
///     [10.0, -2.0, -4.0, 0.0]
/// @python keyword=none
array hadamard_transform(const array& a, std::optional<double> scale = std::nullopt, StreamOrDevice s = {});

}  // namespace melix
