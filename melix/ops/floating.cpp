// See floating.h.
#include "melix/ops/floating.h"

#include <limits>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

struct Pair {
  array a, b;
};

// Both of one floating type and shape.
Pair floats(const char* op, const array& a, const array& b) {
  const Dtype dtype = inexact_of(promote(a.dtype(), b.dtype()));
  if (is_complex(dtype)) fail(Code::value, op, "is not defined for ", a.dtype(), " and ", b.dtype());
  const Shape shape = broadcast(op, a.shape(), b.shape());
  return {broadcast_to(astype(a, dtype), shape), broadcast_to(astype(b, dtype), shape)};
}

// The signed integers of a floating type's width: their sign bit is its own.
Dtype bits_of(Dtype dtype) { return size_of(dtype) == 2 ? int16 : size_of(dtype) == 4 ? int32 : int64; }

array constant(double value, Dtype dtype) { return array(value, dtype); }

}  // namespace

array signbit(const array& a, StreamOrDevice s) {
  StreamScope scope(s);
  if (is_complex(a.dtype())) fail(Code::value, "signbit", "is not defined for ", a.dtype());
  if (!is_inexact(a.dtype())) return less(a, array(int64_t(0), a.dtype()));
  const Dtype bits = bits_of(a.dtype());
  return less(view(a, bits), array(int64_t(0), bits));
}

array copysign(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  const auto [x, y] = floats("copysign", a, b);
  return where(not_equal(signbit(x), signbit(y)), negative(x), x);
}

array nextafter(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  const auto [x, y] = floats("nextafter", a, b);
  const Dtype dtype = x.dtype(), bits = bits_of(dtype);
  // Numbers of one sign follow each other as their bits do, away from zero.
  const array grows = equal(greater(y, x), greater(x, constant(0, dtype)));
  const array next =
      view(view(x, bits) + where(grows, array(int64_t(1), bits), array(int64_t(-1), bits)), dtype);
  const array smallest = view(array(int64_t(1), bits), dtype);
  const array from_zero = where(signbit(y), negative(smallest), smallest);
  const array moved = where(equal(x, constant(0, dtype)), from_zero, next);
  const array number = where(equal(x, y), y, moved);
  return where(logical_or(isnan(x), isnan(y)), constant(std::numeric_limits<double>::quiet_NaN(), dtype),
               number);
}

array hypot(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  const auto [given_a, given_b] = floats("hypot", a, b);
  const Dtype dtype = given_a.dtype(), wide = carrier_of(dtype);
  const array x = abs(astype(given_a, wide)), y = abs(astype(given_b, wide));
  const array large = maximum(x, y), small = minimum(x, y);
  // large * sqrt(1 + (small / large)^2); where that is 0 / 0 or inf / inf, the large one is the result already.
  const array infinity = constant(std::numeric_limits<double>::infinity(), wide);
  const array infinite = logical_or(equal(x, infinity), equal(y, infinity));
  const array plain = logical_and(greater(large, constant(0, wide)), logical_not(infinite));
  const array ratio = where(plain, small / where(plain, large, constant(1, wide)), constant(0, wide));
  const array size = large * sqrt(square(ratio) + constant(1, wide));
  return astype(where(infinite, infinity, size), dtype);
}

}  // namespace melix
