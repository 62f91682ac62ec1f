// Shapes, strides and axes: 64-bit, checked, with the arithmetic every operation needs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "melix/core/small_vector.h"

namespace melix {

using Shape = SmallVector<int64_t, 4>;
using Strides = SmallVector<int64_t, 4>;  // in elements; 0 repeats, negative runs backwards
using Axes = SmallVector<int, 4>;

/// Largest number of dimensions an array may have.
inline constexpr int kMaxDims = 64;

/// Number of elements; throws Code::value (naming `op`) when a dimension is negative or the product passes 2^63.
int64_t elements(std::string_view op, std::span<const int64_t> shape);
/// The same for a shape that is known to be right.
inline int64_t elements(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

/// Strides of a row-major array of this shape.
Strides row_major(std::span<const int64_t> shape);
/// Whether these strides walk the shape in row-major order without gaps (dimensions of 1 do not count).
bool is_row_major(std::span<const int64_t> shape, std::span<const int64_t> strides);

/// The shape both broadcast to; throws naming `op` and both shapes when there is none.
Shape broadcast(std::string_view op, std::span<const int64_t> a, std::span<const int64_t> b);
/// Strides that read an array of `shape` as `target` (which it broadcasts to).
Strides broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> strides,
                          std::span<const int64_t> target);

/// An axis counted from the front; throws Code::index "axis 3 is out of range for shape (2, 4)".
int normal_axis(std::string_view op, int axis, std::span<const int64_t> shape);
/// Axes counted from the front, sorted, without repeats; throws on a repeat.
Axes normal_axes(std::string_view op, std::span<const int> axes, std::span<const int64_t> shape);
/// All axes of so many dimensions: 0, 1, ...
Axes all_axes(size_t ndim);

/// (2, 4) as Python writes a tuple.
void append(std::string& out, const Shape& shape);
std::string to_string(std::span<const int64_t> shape);

/// Joins neighbouring dimensions that every operand walks in one stride. `strides` has one row per operand, each as
/// long as the shape; all are rewritten in place. Dimensions of 1 go; a scalar becomes shape (1).
void collapse(Shape& shape, std::span<Strides> strides);

}  // namespace melix
