// Arrays put together, taken apart, extended and rearranged.
#pragma once

#include <string>
#include <variant>

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op concatenate, pad;
}

struct ConcatenateAttrs : Attributes<ConcatenateAttrs> {
  int axis;  // counted from the front
  static constexpr auto fields() { return std::tuple{field("axis", &ConcatenateAttrs::axis)}; }
};

/// Inputs: the array, and the one value it is surrounded by.
struct PadAttrs : Attributes<PadAttrs> {
  Shape before, after;  // of each axis
  static constexpr auto fields() {
    return std::tuple{field("before", &PadAttrs::before), field("after", &PadAttrs::after)};
  }
};

/// The arrays one behind the other along an axis; without one, they are flattened first. Their shapes must be equal but
/// for that axis, dtypes are promoted.
/// @python alias=concat
array concatenate(const std::vector<array>& arrays, std::optional<int> axis = 0, StreamOrDevice s = {});

/// The arrays, which have one shape, along a new axis of the result.
array stack(const std::vector<array>& arrays, std::optional<int> axis = 0, StreamOrDevice s = {});

/// The array in parts along an axis: so many equal ones, or cut before each of the given indices. The parts are windows
/// on the same memory.
/// @python method
std::vector<array> split(const array& a,
                         const std::variant<int64_t, std::vector<int64_t>>& indices_or_sections, int axis = 0,
                         StreamOrDevice s = {});

/// The arrays of which this one is the stack along an axis.
/// @python keyword=axis returns=tuple
std::vector<array> unstack(const array& x, int axis = 0, StreamOrDevice s = {});

/// Widths of padding: (n,) for both sides of every axis, (before, after) for every axis, or a pair for each axis.
using PadWidth = std::variant<std::vector<int64_t>, std::vector<std::pair<int64_t, int64_t>>>;

/// The array with elements added at both ends of its axes. `mode` says which: "constant" `constant_values`, one number;
/// "edge" the outermost element; "reflect" and "symmetric" the array mirrored at its ends, without or with the
/// outermost element, as often as needed.
array pad(const array& a, const PadWidth& pad_width, const std::string& mode = "constant",
          const array& constant_values = 0, StreamOrDevice s = {});

/// The array repeated as a whole `reps` times along each axis, the last number for the last axis.
array tile(const array& a, const Shape& reps, StreamOrDevice s = {});

/// Every element repeated `repeats` times along an axis; without one, of the flattened array.
/// @python rename=a:array
array repeat(const array& a, int64_t repeats, std::optional<int> axis = std::nullopt, StreamOrDevice s = {});

/// The array with the order of the elements reversed along axes (all by default). A window on the same memory.
array flip(const array& a, const std::optional<std::vector<int>>& axis = std::nullopt, StreamOrDevice s = {});

/// The elements moved along axes by `shift` places; those that leave one end come in at the other. Without an axis, the
/// flattened array is rolled by the sum of the shifts. One shift serves several axes.
array roll(const array& a, const std::vector<int64_t>& shift,
           const std::optional<std::vector<int>>& axis = std::nullopt, StreamOrDevice s = {});

/// Axes permuted (see transpose).
array permute_dims(const array& a, const std::optional<std::vector<int>>& axes = std::nullopt,
                   StreamOrDevice s = {});

/// The last two axes exchanged.
array matrix_transpose(const array& a, StreamOrDevice s = {});

/// Differences of neighbours along an axis, taken `n` times. Booleans differ where they are not equal.
array diff(const array& a, int64_t n = 1, int axis = -1, StreamOrDevice s = {});

}  // namespace melix
