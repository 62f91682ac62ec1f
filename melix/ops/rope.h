// Rotary position encodings.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Inputs: x (B, ..., T, D); the offsets, integers of shape (1) or (B); the wavelengths (dims / 2), where they are
/// given. Output: like x, its pairs turned by (offset + t) * scale / wavelength, backwards where `inverse`. Wavelength
/// i is base^(2 i / dims), unless given.
struct RopeAttrs : Attributes<RopeAttrs> {
  int64_t dims;
  bool traditional;
  double base;  // 0: wavelengths are given
  double scale;
  bool inverse;
  static constexpr auto fields() {
    return std::tuple{field("dims", &RopeAttrs::dims), field("traditional", &RopeAttrs::traditional),
                      field("base", &RopeAttrs::base), field("scale", &RopeAttrs::scale),
                      field("inverse", &RopeAttrs::inverse)};
  }
};

namespace op {
extern const Op rope;
}

namespace fast {

/// Rotary position encoding: of `a` (B, ..., T, D), the first `dims` features of each row are turned, pair by pair, in
/// proportion to the row's position; the others are left as they are. Pair i is features i and i + dims / 2, or 2 i and
/// 2 i + 1 where `traditional`. At position p it is turned by p * scale / base^(2 i / dims), or by p * scale / freqs[i]
/// where `freqs` (dims / 2 numbers) are given instead of `base`. Row t is at position offset + t; `offset` is an
/// integer, or an array of one or of B of them. Angles are computed in float64: far positions are encoded as precisely
/// as near ones.
///
///     >>> x = mx.ones((1, 2, 4))
///     >>> mx.fast.rope(x, 2, traditional=False, base=10000.0, scale=1.0, offset=0)
///     array([[[1, 1, 1, 1],
///             [-0.301169, 1.38177, 1, 1]]], dtype=float32)
/// @python keyword=traditional
array rope(const array& a, int dims, bool traditional, std::optional<double> base, double scale,
           const array& offset, const std::optional<array>& freqs = std::nullopt, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
