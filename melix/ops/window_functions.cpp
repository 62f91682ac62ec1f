// See window_functions.h. Compositions of other operations.
#include "melix/ops/window_functions.h"

#include <numbers>

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"

namespace melix {
namespace {

// `value` of the points -(M - 1), -(M - 3), ..., M - 1, divided by M - 1: the middle is 0, both ends mirror each other.
template <class Value>
array window(int64_t points, StreamOrDevice s, Value value) {
  StreamScope scope(s);
  if (points <= 1) return ones({points < 1 ? 0 : 1}, float32);
  array n = arange(Number(1 - points), Number(points), Number(int64_t(2)), float64);
  return astype(value(n / array(double(points - 1), float64)), float32);
}

array number(double value) { return array(value, float64); }

// cos(pi * turns * x)
array wave(const array& x, double turns) { return cos(x * number(std::numbers::pi * turns)); }

}  // namespace

array hanning(int64_t points, StreamOrDevice s) {
  return window(points, s, [](const array& x) { return number(0.5) + number(0.5) * wave(x, 1); });
}
array hamming(int64_t points, StreamOrDevice s) {
  return window(points, s, [](const array& x) { return number(0.54) + number(0.46) * wave(x, 1); });
}
array blackman(int64_t points, StreamOrDevice s) {
  return window(points, s, [](const array& x) {
    return number(0.42) + number(0.5) * wave(x, 1) + number(0.08) * wave(x, 2);
  });
}
array bartlett(int64_t points, StreamOrDevice s) {
  return window(points, s, [](const array& x) { return number(1) - abs(x); });
}

}  // namespace melix
