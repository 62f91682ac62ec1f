// Rules of the operations that make arrays from numbers.
#include "melix/ops/creation.h"

#include <cmath>
#include <limits>

#include "melix/core/element.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// ---- arange ----

void infer_arange(const Attrs* attrs, std::span<const array>, Avals& out) {
  const auto& a = attrs_as<ArangeAttrs>(attrs);
  if (a.dtype == bool_) fail(Code::value, "arange", "is not defined for bool");
  Shape shape(1, a.size);
  elements("arange", shape);
  out.push_back({std::move(shape), a.dtype});
}

double real(const Number& n) {
  return std::visit([](auto value) { return double(value); }, n);
}
bool is_whole(const Number& n) { return std::holds_alternative<int64_t>(n); }

Dtype range_dtype(std::initializer_list<Number> numbers) {
  Dtype dtype = int32;
  for (const Number& n : numbers) {
    if (!is_whole(n)) return float32;
    if (std::get<int64_t>(n) != int32_t(std::get<int64_t>(n))) dtype = int64;
  }
  return dtype;
}

// Elements of a range of integers: exact where doubles are not.
int64_t whole_size(int64_t start, int64_t stop, int64_t step) {
  __int128 distance = __int128(stop) - start, towards = step;
  if (step < 0) distance = -distance, towards = -towards;
  if (distance <= 0) return 0;
  __int128 n = (distance + towards - 1) / towards;
  return n > std::numeric_limits<int64_t>::max() ? -1 : int64_t(n);
}

int64_t real_size(double start, double stop, double step) {
  double n = std::ceil((stop - start) / step);
  if (std::isinf(step) && std::isfinite(stop - start)) n = (stop - start) / step < 0 || stop == start ? 0 : 1;
  if (std::isnan(n) || std::isinf(n)) {
    fail(Code::value, "arange", "a range from ", start, " to ", stop, " by ", step, " has no length");
  }
  return n >= 0x1p63 ? -1 : int64_t(std::max(n, 0.0));
}

// ---- matrices ----

void check_matrix(const char* op, int64_t n, int64_t m) {
  if (n < 0 || m < 0) fail(Code::value, op, "a matrix of ", n, " rows and ", m, " columns cannot be");
}

array indices(int64_t n, int64_t first = 0) {
  bool fits = std::abs(first) < (1 << 30) && n < (1 << 30);
  return arange(first, first + n, {}, fits ? int32 : int64);
}

// A matrix's column numbers, and its row numbers + k.
std::pair<array, array> coordinates(int64_t n, int64_t m, int64_t k) {
  // Diagonals outside of the matrix are all the same; sums must not overflow.
  k = std::clamp(k, -n - 1, m + 1);
  return {indices(m), expand_dims(indices(n, k), {1})};
}

}  // namespace

namespace op {
const Op arange{.name = "arange", .infer = infer_arange, .read_attrs = ArangeAttrs::read, .least_inputs = 0};
}

array full(const Shape& shape, const array& vals, std::optional<Dtype> dtype, StreamOrDevice s) {
  elements("full", shape);
  if (broadcast("full", vals.shape(), shape) != shape) {
    fail(Code::value, "full", "values of shape ", vals.shape(), " do not broadcast to shape ", shape);
  }
  return broadcast_to(astype(vals, dtype.value_or(vals.dtype()), s), shape, s);
}

array zeros(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  elements("zeros", shape);
  return broadcast_to(array(int64_t(0), dtype), shape, s);
}

array ones(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  elements("ones", shape);
  return broadcast_to(array(int64_t(1), dtype), shape, s);
}

array empty(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  elements("empty", shape);
  return broadcast_to(array(int64_t(0), dtype), shape, s);
}

array full_like(const array& a, const array& vals, std::optional<Dtype> dtype, StreamOrDevice s) {
  return full(a.shape(), vals, dtype.value_or(a.dtype()), s);
}
array zeros_like(const array& a, std::optional<Dtype> dtype, StreamOrDevice s) {
  return zeros(a.shape(), dtype.value_or(a.dtype()), s);
}
array ones_like(const array& a, std::optional<Dtype> dtype, StreamOrDevice s) {
  return ones(a.shape(), dtype.value_or(a.dtype()), s);
}
array empty_like(const array& a, std::optional<Dtype> dtype, StreamOrDevice s) {
  return zeros_like(a, dtype, s);
}

array arange(const std::optional<Number>& first, const std::optional<Number>& second,
             const std::optional<Number>& by, std::optional<Dtype> given, StreamOrDevice s) {
  if (!first && !second) fail(Code::value, "arange", "needs a stop");
  Number start = first && second ? *first : Number(int64_t(0));
  Number stop = second ? *second : *first;
  Number step = by.value_or(Number(int64_t(1)));
  if (real(step) == 0) fail(Code::value, "arange", "step must not be zero");
  auto attrs = make_ref<ArangeAttrs>();
  attrs->dtype = given.value_or(range_dtype({start, stop, step}));
  attrs->start = attrs->step = 0;
  attrs->real_start = attrs->real_step = 0;
  if (is_whole(start) && is_whole(stop) && is_whole(step)) {
    attrs->size = whole_size(std::get<int64_t>(start), std::get<int64_t>(stop), std::get<int64_t>(step));
  } else {
    attrs->size = real_size(real(start), real(stop), real(step));
  }
  if (attrs->size < 0) fail(Code::value, "arange", "the range has more than 2^63 elements");
  if (is_inexact(attrs->dtype)) {
    attrs->real_start = real(start);
    attrs->real_step = attrs->size > 1 ? real(step) : 0;  // an infinite step is never taken
  } else if (is_whole(start) && is_whole(step)) {
    attrs->start = std::get<int64_t>(start);
    attrs->step = std::get<int64_t>(step);
  } else {
    attrs->start = convert_element<int64_t>(real(start));
    attrs->step =
        int64_t(uint64_t(convert_element<int64_t>(real(start) + real(step))) - uint64_t(attrs->start));
  }
  return make(op::arange, std::move(attrs), {}, s);
}

array linspace(double start, double stop, int64_t num, bool endpoint, Dtype dtype, StreamOrDevice s) {
  if (num < 0) fail(Code::value, "linspace", "the number of samples is ", num);
  StreamScope scope(s);
  // Integers are cut off, which must not happen just below them: they are computed in double.
  Dtype wide = is_integer(dtype) || dtype == float64 ? float64 : float32;
  int64_t steps = endpoint ? num - 1 : num;
  array t = arange(int64_t(0), num, {}, wide) / array(double(std::max<int64_t>(steps, 1)), wide);
  return astype((1 - t) * array(start, wide) + t * array(stop, wide), dtype);
}

array eye(int64_t n, std::optional<int64_t> m, int64_t k, Dtype dtype, StreamOrDevice s) {
  check_matrix("eye", n, m.value_or(n));
  StreamScope scope(s);
  auto [column, row] = coordinates(n, m.value_or(n), k);
  return astype(equal(column, row), dtype);
}

array identity(int64_t n, Dtype dtype, StreamOrDevice s) { return eye(n, std::nullopt, 0, dtype, s); }

array tri(int64_t n, std::optional<int64_t> m, int64_t k, Dtype dtype, StreamOrDevice s) {
  check_matrix("tri", n, m.value_or(n));
  StreamScope scope(s);
  auto [column, row] = coordinates(n, m.value_or(n), k);
  return astype(less_equal(column, row), dtype);
}

std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse, const std::string& indexing,
                            StreamOrDevice s) {
  if (indexing != "xy" && indexing != "ij") {
    fail(Code::value, "meshgrid", "indexing must be 'xy' or 'ij', not '", indexing, "'");
  }
  size_t n = arrays.size();
  auto axis_of = [&](size_t i) { return uint32_t(indexing == "xy" && n > 1 && i < 2 ? 1 - i : i); };
  Shape shape(uint32_t(n), 1);
  for (size_t i = 0; i < n; i++) shape[axis_of(i)] = arrays[i].size();
  std::vector<array> out;
  for (size_t i = 0; i < n; i++) {
    Shape own(uint32_t(n), 1);
    own[axis_of(i)] = arrays[i].size();
    array grid = reshape(arrays[i], own, s);
    out.push_back(sparse ? grid : broadcast_to(grid, shape, s));
  }
  return out;
}

}  // namespace melix
