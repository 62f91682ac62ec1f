// Products of matrices that indices pick, of matrices with blocks left out, and of parts of the summed axis. What a
// product is, how it is summed and rounded, is said in matmul.h.
#pragma once

#include "melix/graph/op.h"

namespace melix {

struct GatheredSumAttrs : Attributes<GatheredSumAttrs> {
  int64_t count;  // of matrices in the result
  static constexpr auto fields() { return std::tuple{field("count", &GatheredSumAttrs::count)}; }
};

namespace op {
/// a (A, M, K), b (B, K, N), int64 indices (P) into both: (P, M, N).
extern const Op gather_mm;
/// a (A, M, K), g (P, M, N), int64 indices (P) into a and into the result (count, K, N): each product a^T g is added to
/// the matrix that its index names. The gradient of gather_mm for b, without a matrix for each product.
extern const Op gathered_sum;
/// a (M, K), b (K, N), int64 segments (P, 2): (P, M, N).
extern const Op segmented_mm;
}  // namespace op

/// Products of the matrices that indices pick: a[lhs_indices] @ b[rhs_indices], without copies of them. The axes before
/// the last two are flattened for the indices, which broadcast against each other; where they are missing, they are 0,
/// 1, ... in the shape of these axes. Neighbours with one matrix of b and successive ones of a, as sorted indices give
/// them, are one product; `sorted_indices` changes nothing, they are found anyway. Negative indices are wrapped once,
/// all are clamped.
/// @python positional=2 keyword=sorted_indices
array gather_mm(const array& a, const array& b, const std::optional<array>& lhs_indices = std::nullopt,
                const std::optional<array>& rhs_indices = std::nullopt, bool sorted_indices = false,
                StreamOrDevice s = {});

/// Matrix product of a (..., M, K) and b (..., K, N) whose blocks of block_size x block_size elements are multiplied by
/// the elements of masks: mask_out has one for each block of the result, mask_lhs for each of a, mask_rhs for each of
/// b; blocks at the ends may be smaller. A boolean mask drops blocks, whatever they hold. Masks broadcast.
/// @python positional=2
array block_masked_mm(const array& a, const array& b, int block_size = 64,
                      const std::optional<array>& mask_out = std::nullopt,
                      const std::optional<array>& mask_lhs = std::nullopt,
                      const std::optional<array>& mask_rhs = std::nullopt, StreamOrDevice s = {});

/// Products of parts of the summed axis: for each pair (begin, end) of segments (..., 2), a[:, begin:end] @
/// b[begin:end] of a (M, K) and b (K, N). The result is (..., M, N). Pairs are limited to [0, K]; empty ones give 0.
/// The derivative costs a product of the whole for each segment.
/// @python positional=2
array segmented_mm(const array& a, const array& b, const array& segments, StreamOrDevice s = {});

}  // namespace melix
