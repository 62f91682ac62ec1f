// Norms and cross products: made of other operations.
#include "melix/ops/linalg.h"

#include <cmath>

#include "melix/ops/linalg_rules.h"

namespace melix {
namespace {

using namespace linalg_rules;
using Ord = std::variant<double, std::string>;

array magnitudes_squared(const array& x) {
  return is_complex(x.dtype()) ? square(real(x)) + square(imag(x)) : square(x);
}

// The root of a sum of squares, whose gradient at 0 is 0.
array euclidean(const array& x, const std::vector<int>& axes) {
  array squares = sum(magnitudes_squared(x), axes, true);
  const array zero(0.0, squares.dtype());
  array none = squares == zero;
  return where(none, zero, sqrt(where(none, array(1.0, squares.dtype()), squares)));
}

array vector_norm(const array& x, double p, const std::vector<int>& axes) {
  if (p == 2) return euclidean(x, axes);
  array sizes = abs(x);
  if (std::isinf(p)) return p > 0 ? max(sizes, axes, true) : min(sizes, axes, true);
  if (p == 0) return sum(astype(sizes != array(0.0, sizes.dtype()), sizes.dtype()), axes, true);
  if (p == 1) return sum(sizes, axes, true);
  return power(sum(power(sizes, array(p, sizes.dtype())), axes, true), array(1 / p, sizes.dtype()));
}

// The singular values of the matrices along two axes, as the last axis.
array singular_values(const array& x, int row, int column) {
  array matrices = row < column ? moveaxis(moveaxis(x, column, -1), row, -2)
                                : moveaxis(moveaxis(x, row, -1), column, -2);  // of the transpose: the same
  return linalg::svd(matrices, false)[0];
}

array matrix_norm_of(const char* name, const array& x, double ord, int row, int column) {
  const bool largest = ord > 0;
  auto pick = [largest](const array& a, int axis) {
    return largest ? max(a, std::vector<int>{axis}, true) : min(a, std::vector<int>{axis}, true);
  };
  if (std::isinf(ord)) return pick(sum(abs(x), std::vector<int>{column}, true), row);
  if (std::abs(ord) == 1) return pick(sum(abs(x), std::vector<int>{row}, true), column);
  if (std::abs(ord) == 2) {
    array picked = pick(singular_values(x, row, column), -1);
    return expand_dims(squeeze(picked, std::vector<int>{-1}), {std::min(row, column), std::max(row, column)});
  }
  fail(Code::value, name, "ord ", ord, " is no norm of a matrix");
}

array matrix_norm_of(const char* name, const array& x, const std::string& ord, int row, int column) {
  if (ord == "fro" || ord == "f") return euclidean(x, {row, column});
  if (ord == "nuc") {
    array values = sum(singular_values(x, row, column), std::vector<int>{-1});
    return expand_dims(values, {std::min(row, column), std::max(row, column)});
  }
  fail(Code::value, name, "ord \"", ord, "\" is none of \"fro\", \"f\" and \"nuc\"");
}

// Axes as they are given: their order says which one has the rows.
std::vector<int> given_axes(const char* name, const array& a, const MaybeAxes& axis) {
  std::vector<int> axes;
  if (axis) {
    normal_axes(name, *axis, a.shape());  // refuses repeats
    for (int i : *axis) axes.push_back(normal_axis(name, i, a.shape()));
  } else {
    for (int i = 0; i < int(a.ndim()); i++) axes.push_back(i);
  }
  return axes;
}

array norm_of(const char* name, const array& a, const std::optional<Ord>& ord, const MaybeAxes& axis,
              bool keepdims) {
  std::vector<int> axes = given_axes(name, a, axis);
  if (axes.size() > 2 && (ord || axis))
    fail(Code::value, name, "a norm has one axis or two, not ", axes.size());
  if (axes.empty() && ord)
    fail(Code::value, name, "an array of shape ", a.shape(), " has no norm of that ord");
  const Dtype dtype = inexact_of(a.dtype());
  array x = astype(a, carrier_of(dtype));
  array out = x;
  if (axes.empty()) {
    out = abs(x);
  } else if (!ord) {
    out = euclidean(x, axes);
  } else if (axes.size() == 2) {
    out = std::visit([&](const auto& o) { return matrix_norm_of(name, x, o, axes[0], axes[1]); }, *ord);
  } else if (const double* p = std::get_if<double>(&*ord)) {
    out = vector_norm(x, *p, axes);
  } else {
    fail(Code::value, name, "ord \"", std::get<std::string>(*ord), "\" is no norm of a vector");
  }
  out = astype(out, real_of(dtype));
  return keepdims || axes.empty() ? out : squeeze(out, axes);
}

}  // namespace

namespace linalg {

array norm(const array& a, const std::optional<Ord>& ord, const MaybeAxes& axis, bool keepdims,
           StreamOrDevice s) {
  StreamScope scope(s);
  return norm_of("norm", a, ord, axis, keepdims);
}

array cross(const array& a, const array& b, int axis, StreamOrDevice s) {
  StreamScope scope(s);
  const Dtype dtype = promote(a.dtype(), b.dtype());
  auto vectors = [&](const array& x) {
    if (x.ndim() == 0) fail(Code::value, "cross", "a scalar is no vector");
    const int along = normal_axis("cross", axis, x.shape());
    if (x.shape(along) != 2 && x.shape(along) != 3) {
      fail(Code::value, "cross", "axis ", axis, " of shape ", x.shape(), " has not 2 or 3 elements");
    }
    return moveaxis(astype(x, carrier_of(dtype)), along, -1);
  };
  array x = vectors(a), y = vectors(b);
  Shape batch = broadcast("cross", Shape(x.shape().begin(), x.shape().end() - 1),
                          Shape(y.shape().begin(), y.shape().end() - 1));
  // The sum of two products: a[i] * b[j] - a[j] * b[i], of which those with a missing element are left out.
  auto element = [](const array& v, int i) {
    Shape start(v.ndim(), 0), stop = v.shape();
    start.back() = i, stop.back() = i + 1;
    return slice(v, start, stop);
  };
  auto has = [](const array& v, int i) { return i < v.shape(-1); };
  auto difference = [&](int i, int j) {
    MaybeArray out;
    if (has(x, i) && has(y, j)) out = element(x, i) * element(y, j);
    if (has(x, j) && has(y, i)) {
      array second = element(x, j) * element(y, i);
      out = (out ? *out : array(int64_t(0), x.dtype())) - second;  // bool has no negative
    }
    if (out) return *out;
    return zeros(joined(batch, {1}), x.dtype());
  };
  array all = astype(concatenate({difference(1, 2), difference(2, 0), difference(0, 1)}, -1), dtype);
  return axis == -1 ? all : moveaxis(all, -1, axis);
}

}  // namespace linalg

array matrix_norm(const array& a, const std::optional<Ord>& ord, const MaybeAxes& axis, bool keepdims,
                  StreamOrDevice s) {
  StreamScope scope(s);
  if (a.ndim() < 2) fail(Code::value, "matrix_norm", "an array of shape ", a.shape(), " holds no matrices");
  const std::vector<int> axes = axis.value_or(std::vector<int>{-2, -1});
  if (axes.size() != 2) fail(Code::value, "matrix_norm", "a matrix has two axes, not ", axes.size());
  return norm_of("matrix_norm", a, ord, axes, keepdims);
}

}  // namespace melix
