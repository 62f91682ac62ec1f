// Convolutions over one to three spatial axes, channels last:
//
//   input (N, spatial..., C_in)    weight (C_out, spatial..., C_in / groups)    result (N, spatial..., C_out)
//
// Sums are made in float32 for the 16-bit floats and rounded once. Their order depends on shapes, dtypes and attributes
// alone. Not here: pooling, which is a reduction of windows (see as_strided).
#pragma once

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "melix/graph/op.h"

namespace melix {

/// How results, elements of the input and elements of the weight meet; one number for each spatial axis. The input has
/// `input_dilation` - 1 zeros between its elements and padding around them (negative: elements are left out):
///
///   result[o] = sum over k of padded[o * stride + k * kernel_dilation] * weight[flip ? kernel - 1 - k : k]
struct ConvAttrs : Attributes<ConvAttrs> {
  Shape stride, padding_low, padding_high, kernel_dilation, input_dilation;
  Shape kernel;  // spatial shape of the weight
  int64_t groups;
  bool flip;
  static constexpr auto fields() {
    return std::tuple{field("stride", &ConvAttrs::stride),
                      field("padding_low", &ConvAttrs::padding_low),
                      field("padding_high", &ConvAttrs::padding_high),
                      field("kernel_dilation", &ConvAttrs::kernel_dilation),
                      field("input_dilation", &ConvAttrs::input_dilation),
                      field("kernel", &ConvAttrs::kernel),
                      field("groups", &ConvAttrs::groups),
                      field("flip", &ConvAttrs::flip)};
  }
};

namespace op {
/// conv: input and weight. conv_weight: input and what stands where the result of conv does; gives the sums of their
/// products that stand where the weight does, which is its gradient.
extern const Op conv, conv_weight;
}  // namespace op

/// The same for both ends of all axes; for both ends, one for each axis; or two such lists, before and behind. A list
/// of one number counts for all axes.
using ConvPadding = std::variant<int64_t, std::vector<int64_t>, std::vector<std::vector<int64_t>>>;

/// Convolution of an input (N, spatial..., C_in) with a weight (C_out, spatial..., C_in / groups) over one to three
/// spatial axes.
///
/// `stride` is the distance between results. `padding` adds zeros around the input: a number, one for each axis, or a
/// pair of lists, before and behind; negative ones leave elements out. `kernel_dilation` is the distance between the
/// elements of the weight, `input_dilation` that between the elements of the input, with zeros between them. With
/// `groups`, each of so many parts of the results' channels is made from its part of the input's. The weight is not
/// turned round unless `flip` says so. Dtypes are promoted; integers are refused.
/// @python positional=2
array conv_general(const array& input, const array& weight, const std::vector<int64_t>& stride = {1},
                   const ConvPadding& padding = 0, const std::vector<int64_t>& kernel_dilation = {1},
                   const std::vector<int64_t>& input_dilation = {1}, int64_t groups = 1, bool flip = false,
                   StreamOrDevice s = {});

/// Convolution of an input (N, L, C_in) with a weight (C_out, K, C_in / groups), with the same padding at both ends;
/// see conv_general.
/// @python positional=2
array conv1d(const array& input, const array& weight, int64_t stride = 1, int64_t padding = 0,
             int64_t dilation = 1, int64_t groups = 1, StreamOrDevice s = {});

/// Convolution of an input (N, H, W, C_in) with a weight (C_out, KH, KW, C_in / groups); see conv_general. One number
/// counts for both axes.
/// @python positional=2
array conv2d(const array& input, const array& weight, const std::pair<int64_t, int64_t>& stride = {1, 1},
             const std::pair<int64_t, int64_t>& padding = {0, 0},
             const std::pair<int64_t, int64_t>& dilation = {1, 1}, int64_t groups = 1, StreamOrDevice s = {});

/// Convolution of an input (N, D, H, W, C_in) with a weight (C_out, KD, KH, KW, C_in / groups); see conv_general. One
/// number counts for all three axes.
/// @python positional=2
array conv3d(const array& input, const array& weight, const std::array<int64_t, 3>& stride = {1, 1, 1},
             const std::array<int64_t, 3>& padding = {0, 0, 0},
             const std::array<int64_t, 3>& dilation = {1, 1, 1}, int64_t groups = 1, StreamOrDevice s = {});

/// Transposed convolution of an input (N, L, C_in) with a weight (C_out, K, C_in / groups): each element of the input
/// adds its multiple of the weight to the result, `stride` elements further than the one before it. Of the result,
/// `padding` elements are left out at both ends, and `output_padding` more are computed at the far one: its length is
/// (L - 1) * stride + (K - 1) * dilation + 1 - 2 * padding + output_padding.
/// @python positional=2
array conv_transpose1d(const array& input, const array& weight, int64_t stride = 1, int64_t padding = 0,
                       int64_t dilation = 1, int64_t output_padding = 0, int64_t groups = 1,
                       StreamOrDevice s = {});

/// Transposed convolution of an input (N, H, W, C_in) with a weight (C_out, KH, KW, C_in / groups); see
/// conv_transpose1d. One number counts for both axes.
/// @python positional=2
array conv_transpose2d(const array& input, const array& weight,
                       const std::pair<int64_t, int64_t>& stride = {1, 1},
                       const std::pair<int64_t, int64_t>& padding = {0, 0},
                       const std::pair<int64_t, int64_t>& dilation = {1, 1},
                       const std::pair<int64_t, int64_t>& output_padding = {0, 0}, int64_t groups = 1,
                       StreamOrDevice s = {});

/// Transposed convolution of an input (N, D, H, W, C_in) with a weight (C_out, KD, KH, KW, C_in / groups); see
/// conv_transpose1d. One number counts for all three axes.
/// @python positional=2
array conv_transpose3d(const array& input, const array& weight,
                       const std::array<int64_t, 3>& stride = {1, 1, 1},
                       const std::array<int64_t, 3>& padding = {0, 0, 0},
                       const std::array<int64_t, 3>& dilation = {1, 1, 1},
                       const std::array<int64_t, 3>& output_padding = {0, 0, 0}, int64_t groups = 1,
                       StreamOrDevice s = {});

/// Discrete convolution of two arrays of one axis, in the sense of signal processing: the shorter one is turned round.
/// Of the n + k - 1 results, `mode` "full" gives all, "same" the n in the middle, n being the length of the longer
/// array, and "valid" those for which the arrays overlap completely.
/// @python positional=2
array convolve(const array& a, const array& v, const std::string& mode = "full", StreamOrDevice s = {});

}  // namespace melix
