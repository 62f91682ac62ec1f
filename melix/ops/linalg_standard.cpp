// See linalg_standard.h.
#include "melix/ops/linalg_standard.h"

#include <limits>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/diagonal.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix::linalg {
namespace {

void require_matrices(const char* name, const array& a) {
  if (a.ndim() < 2) fail(Code::value, name, "shape ", a.shape(), " is that of no matrix");
}

double epsilon(Dtype dtype) { return dtype == float64 ? 0x1p-52 : 0x1p-23; }

}  // namespace

array vector_norm(const array& a, const MaybeAxes& axis, bool keepdims, double ord, StreamOrDevice s) {
  StreamScope scope(s);
  const Axes axes = axis ? normal_axes("vector_norm", *axis, a.shape()) : all_axes(a.ndim());
  // The axes of the vectors, last, become one.
  std::vector<int> order;
  Shape shape;
  int64_t length = 1;
  for (int d = 0; d < int(a.ndim()); d++) {
    if (std::find(axes.begin(), axes.end(), d) != axes.end()) continue;
    order.push_back(d);
    shape.push_back(a.shape(d));
  }
  for (int d : axes) {
    order.push_back(d);
    length *= a.shape(d);
  }
  shape.push_back(length);
  const array out = norm(reshape(transpose(a, order), shape), ord, std::vector<int>{-1});
  return keepdims && !axes.empty() ? expand_dims(out, std::vector<int>(axes.begin(), axes.end())) : out;
}

array matrix_norm(const array& a, bool keepdims, const std::variant<double, std::string>& ord,
                  StreamOrDevice s) {
  require_matrices("matrix_norm", a);
  return norm(a, ord, std::vector<int>{-2, -1}, keepdims, s);
}

array matrix_power(const array& a, int64_t n, StreamOrDevice s) {
  StreamScope scope(s);
  require_matrices("matrix_power", a);
  if (a.shape(-1) != a.shape(-2)) fail(Code::value, "matrix_power", "shape ", a.shape(), " is not square");
  if (n == 0) return broadcast_to(eye(a.shape(-1), std::nullopt, 0, a.dtype()), a.shape());
  // a^n is the product of those of a, a^2, a^4, ... whose bit n has.
  array power = n < 0 ? inv(a) : a;
  std::optional<array> out;
  for (uint64_t left = n < 0 ? -uint64_t(n) : uint64_t(n); left > 0; left >>= 1) {
    if (left & 1) out = out ? melix::matmul(*out, power) : power;
    if (left > 1) power = melix::matmul(power, power);
  }
  return *out;
}

array matrix_rank(const array& a, const std::optional<array>& rtol, StreamOrDevice s) {
  StreamScope scope(s);
  require_matrices("matrix_rank", a);
  const array values = svdvals(a);
  if (values.shape(-1) == 0) return zeros(Shape(a.shape().begin(), a.shape().end() - 2), int32);
  const double usual = epsilon(values.dtype()) * double(std::max(a.shape(-1), a.shape(-2)));
  const array bound = rtol ? expand_dims(astype(*rtol, values.dtype()), {-1}) : array(usual, values.dtype());
  const array above = greater(values, max(values, std::vector<int>{-1}, true) * bound);
  return sum(astype(above, int32), std::vector<int>{-1});
}

array svdvals(const array& a, StreamOrDevice s) { return svd(a, false, false, s)[0]; }

array diagonal(const array& a, int64_t offset, StreamOrDevice s) {
  require_matrices("diagonal", a);
  return melix::diagonal(a, offset, -2, -1, s);
}

array trace(const array& a, int64_t offset, std::optional<Dtype> dtype, StreamOrDevice s) {
  require_matrices("trace", a);
  return melix::trace(a, offset, -2, -1, dtype, s);
}

array matmul(const array& a, const array& b, StreamOrDevice s) { return melix::matmul(a, b, s); }
array matrix_transpose(const array& a, StreamOrDevice s) { return melix::matrix_transpose(a, s); }
array outer(const array& a, const array& b, StreamOrDevice s) { return melix::outer(a, b, s); }
array tensordot(const array& a, const array& b, const std::variant<int, std::vector<std::vector<int>>>& axes,
                StreamOrDevice s) {
  return melix::tensordot(a, b, axes, s);
}
array vecdot(const array& a, const array& b, int axis, StreamOrDevice s) {
  return melix::vecdot(a, b, axis, s);
}

}  // namespace melix::linalg
