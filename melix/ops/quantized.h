// Quantized weights: made, read back, and multiplied with. The formats are rows of quant_modes.inc.
//
//   mode                             packed weight of (..., N, K)        scales            biases
//   affine (1-6, 8 bits)             uint32 (..., N, K * bits / 32)      (..., N, K / g)   (..., N, K / g), floating
//   mxfp4, nvfp4, mxfp8              uint32 (..., N, K * bits / 32)      uint8 E8M0; E4M3  none
//   q4_0 ... q6_k, mxfp4 of GGUF     uint8 (..., N, bytes of a row)      none              none
//
// Packed weights have no derivative; x, scales and biases have.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "melix/graph/op.h"
#include "melix/ops/quant_modes.h"

namespace melix {

struct QuantAttrs : Attributes<QuantAttrs> {
  QuantFormat format;
  int group;
  bool transpose;  // of products: x @ w.T
  Dtype dtype;     // of dequantized values
  static constexpr auto fields() {
    return std::tuple{field("format", &QuantAttrs::format), field("group", &QuantAttrs::group),
                      field("transpose", &QuantAttrs::transpose), field("dtype", &QuantAttrs::dtype)};
  }
};

namespace op {
/// quantize: w, [global scale]; dequantize: w, [scales, [biases or global scale]]; quantized_matmul: x and then these;
/// gather_qmm: x, indices of x, indices of w, and then these. straight_through: x as its quantized values.
extern const Op quantize, dequantize, quantized_matmul, gather_qmm, straight_through, to_fp8, from_fp8;
}  // namespace op

/// Quantizes the rows of a matrix (its last axis) in groups of `group_size` elements that share a scale: the packed
/// weight, the scales and, for affine, the biases.
///
/// | mode | group_size | bits | scales | value |
/// |---|---|---|---|---|
/// | affine | 32, 64 (default), 128 | 1, 2, 3, 4 (default), 5, 6, 8 | as `w` | scale * code + bias |
/// | mxfp4 | 32 | 4 (E2M1) | uint8 (E8M0) | scale * code |
/// | mxfp8 | 32 | 8 (E4M3) | uint8 (E8M0) | scale * code |
/// | nvfp4 | 16 | 4 (E2M1) | uint8 (E4M3) | scale * code (* global_scale / 2688) |
/// | q4_0, q4_1, q5_0, q5_1, q8_0 | 32 | of the name | in the blocks | GGUF's blocks as uint8: the one result |
///
/// Codes fill uint32 words from the lowest bit on. `global_scale`, a float32 number for nvfp4, is the largest magnitude
/// that scales have to reach.
/// @python positional=1 keyword=global_scale
std::vector<array> quantize(const array& w, std::optional<int> group_size = std::nullopt,
                            std::optional<int> bits = std::nullopt, const std::string& mode = "affine",
                            const std::optional<array>& global_scale = std::nullopt, StreamOrDevice s = {});

/// The values of a quantized matrix (see quantize), as `dtype`: by default that of scales and biases, bfloat16 where
/// scales are bytes, float32 for blocks of GGUF. Blocks also have the modes q2_k, q3_k, q4_k, q5_k, q6_k and, with `w`
/// an array of bytes and no scales, mxfp4.
/// @python positional=1
array dequantize(const array& w, const std::optional<array>& scales = std::nullopt,
                 const std::optional<array>& biases = std::nullopt,
                 std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
                 const std::string& mode = "affine", const std::optional<array>& global_scale = std::nullopt,
                 std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// x times a quantized matrix: x @ w.T with `transpose`, where w is (..., N, K), else x @ w, where it is (..., K, N).
/// Axes before the last two broadcast. Weights are read as they are packed; sums are made in float32 and rounded once.
/// @python positional=2
array quantized_matmul(const array& x, const array& w, const std::optional<array>& scales = std::nullopt,
                       const std::optional<array>& biases = std::nullopt, bool transpose = true,
                       std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
                       const std::string& mode = "affine", StreamOrDevice s = {});

/// quantized_matmul of matrices that indices choose: lhs_indices count the matrices of x, rhs_indices those of w, in
/// row-major order of the axes before the last two; they broadcast together. By default all in order. Rows that meet
/// the same matrix are multiplied together, whether or not the indices are sorted.
/// @python positional=2 keyword=sorted_indices
array gather_qmm(const array& x, const array& w, const std::optional<array>& scales = std::nullopt,
                 const std::optional<array>& biases = std::nullopt,
                 const std::optional<array>& lhs_indices = std::nullopt,
                 const std::optional<array>& rhs_indices = std::nullopt, bool transpose = true,
                 std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
                 const std::string& mode = "affine", const std::optional<array>& global_scale = std::nullopt,
                 bool sorted_indices = false, StreamOrDevice s = {});

/// x @ w.T where x is quantized first, and w too unless it comes with its scales. x and an unquantized w have the
/// derivatives of the product of unquantized values of the other.
array qqmm(const array& x, const array& w, const std::optional<array>& scales = std::nullopt,
           std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
           const std::string& mode = "nvfp4", const std::optional<array>& global_scale_x = std::nullopt,
           const std::optional<array>& global_scale_w = std::nullopt, StreamOrDevice s = {});

/// qqmm of matrices that indices choose (see gather_qmm).
/// @python positional=2 keyword=sorted_indices
array gather_qqmm(const array& x, const array& w, const std::optional<array>& scales = std::nullopt,
                  const std::optional<array>& lhs_indices = std::nullopt,
                  const std::optional<array>& rhs_indices = std::nullopt,
                  std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
                  const std::string& mode = "nvfp4",
                  const std::optional<array>& global_scale_x = std::nullopt,
                  const std::optional<array>& global_scale_w = std::nullopt, bool sorted_indices = false,
                  StreamOrDevice s = {});

/// The nearest 8-bit floats (E4M3: 448 is the largest, there are no infinities), as uint8.
array to_fp8(const array& x, StreamOrDevice s = {});

/// 8-bit floats (E4M3) in uint8 as a floating type.
array from_fp8(const array& x, Dtype dtype = bfloat16, StreamOrDevice s = {});

}  // namespace melix
