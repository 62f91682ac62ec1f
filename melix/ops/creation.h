// Arrays made from numbers: constants, ranges, identity matrices, grids. Constants are a scalar read with strides of 0:
// they take no memory before somebody writes to them.
#pragma once

#include <variant>

#include "melix/graph/op.h"

namespace melix {

/// A whole or a fractional number; which of them it is decides about default dtypes.
using Number = std::variant<int64_t, double>;

namespace op {
extern const Op arange;
}

struct ArangeAttrs : Attributes<ArangeAttrs> {
  Dtype dtype;
  int64_t size;
  int64_t start, step;           // of integer dtypes; sums wrap
  double real_start, real_step;  // of the others
  static constexpr auto fields() {
    return std::tuple{
        field("dtype", &ArangeAttrs::dtype),           field("size", &ArangeAttrs::size),
        field("start", &ArangeAttrs::start),           field("step", &ArangeAttrs::step),
        field("real_start", &ArangeAttrs::real_start), field("real_step", &ArangeAttrs::real_step)};
  }
};

/// An array of the given shape filled with `vals`, which broadcast to it, as `dtype` (by default that of `vals`).
array full(const Shape& shape, const array& vals, std::optional<Dtype> dtype = std::nullopt,
           StreamOrDevice s = {});

/// An array of zeros.
array zeros(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});

/// An array of ones.
array ones(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});

/// An array whose values do not matter. They are zeros.
array empty(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});

/// An array of the shape of `a` (and its dtype, unless one is given) filled with `vals`, which broadcast to it.
array full_like(const array& a, const array& vals, std::optional<Dtype> dtype = std::nullopt,
                StreamOrDevice s = {});

/// Zeros of the shape of `a` (and its dtype, unless one is given).
array zeros_like(const array& a, std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// Ones of the shape of `a` (and its dtype, unless one is given).
array ones_like(const array& a, std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// An array of the shape of `a` (and its dtype, unless one is given) whose values do not matter. They are zeros.
array empty_like(const array& a, std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

/// The numbers start, start + step, ... before stop. With one number, it is the stop and the range begins at 0.
///
/// The dtype is float32 if one of the numbers is a float, else int32, or int64 where int32 cannot hold one of them. For
/// an integer dtype the step is the difference of the first two elements after conversion. Element i is
/// start + i * step, rounded once: errors do not add up.
array arange(const std::optional<Number>& start = std::nullopt,
             const std::optional<Number>& stop = std::nullopt,
             const std::optional<Number>& step = std::nullopt, std::optional<Dtype> dtype = std::nullopt,
             StreamOrDevice s = {});

/// `num` numbers at equal distances from `start` to `stop`, which is the last of them unless `endpoint` is false.
/// @python keyword=none
array linspace(double start, double stop, int64_t num = 50, bool endpoint = true, Dtype dtype = float32,
               StreamOrDevice s = {});

/// The (n, m) matrix with ones on diagonal `k` (0: the main one, above it for positive numbers) and zeros elsewhere.
/// Without `m` it is square.
array eye(int64_t n, std::optional<int64_t> m = std::nullopt, int64_t k = 0, Dtype dtype = float32,
          StreamOrDevice s = {});

/// The identity matrix of n rows.
array identity(int64_t n, Dtype dtype = float32, StreamOrDevice s = {});

/// The (n, m) matrix with ones on and below diagonal `k` and zeros above. Without `m` it is square.
array tri(int64_t n, std::optional<int64_t> m = std::nullopt, int64_t k = 0, Dtype dtype = float32,
          StreamOrDevice s = {});

/// Coordinates on a grid: result i varies along its own axis as argument i (flattened) does, and not along the others.
/// Indexing "xy" gives the first two axes in the order of a picture (rows of the second argument), "ij" in the order of
/// the arguments. Sparse results have length 1 along all axes but their own.
/// @python variadic returns=tuple
std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse = false,
                            const std::string& indexing = "xy", StreamOrDevice s = {});

}  // namespace melix
