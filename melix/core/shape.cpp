// See shape.h.
#include "melix/core/shape.h"

#include <algorithm>

#include "melix/core/error.h"

namespace melix {

int64_t elements(std::string_view op, std::span<const int64_t> shape) {
  if (shape.size() > kMaxDims)
    fail(Code::value, op, "arrays have at most ", kMaxDims, " dimensions, got ", shape.size());
  int64_t n = 1;
  bool overflow = false, empty = false;
  for (int64_t d : shape) {
    if (d < 0) fail(Code::value, op, "negative dimension in shape ", to_string(shape));
    empty |= d == 0;
    overflow |= d != 0 && __builtin_mul_overflow(n, d, &n);
  }
  if (overflow && !empty) fail(Code::value, op, "shape ", to_string(shape), " has more than 2^63 elements");
  return empty ? 0 : n;
}

Strides row_major(std::span<const int64_t> shape) {
  Strides strides(static_cast<uint32_t>(shape.size()), 1);
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

bool is_row_major(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (strides[i] != step) return elements(shape) == 0;
    step *= shape[i];
  }
  return true;
}

Shape broadcast(std::string_view op, std::span<const int64_t> a, std::span<const int64_t> b) {
  if (a.size() < b.size()) std::swap(a, b);
  Shape out(a.begin(), a.end());
  size_t lead = a.size() - b.size();
  for (size_t i = 0; i < b.size(); i++) {
    int64_t da = a[lead + i], db = b[i];
    if (da == db || db == 1) continue;
    if (da != 1)
      fail(Code::value, op, "shapes ", to_string(a), " and ", to_string(b), " cannot be broadcast together");
    out[lead + i] = db;
  }
  return out;
}

Strides broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> strides,
                          std::span<const int64_t> target) {
  Strides out(static_cast<uint32_t>(target.size()), 0);
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); i++) {
    if (shape[i] != 1 || target[lead + i] == 1) out[lead + i] = strides[i];
  }
  return out;
}

int normal_axis(std::string_view op, int axis, std::span<const int64_t> shape) {
  int ndim = static_cast<int>(shape.size());
  if (axis < -ndim || axis >= ndim)
    fail(Code::index, op, "axis ", axis, " is out of range for shape ", to_string(shape));
  return axis < 0 ? axis + ndim : axis;
}

Axes normal_axes(std::string_view op, std::span<const int> axes, std::span<const int64_t> shape) {
  Axes out;
  for (int axis : axes) out.push_back(normal_axis(op, axis, shape));
  std::sort(out.begin(), out.end());
  auto twice = std::adjacent_find(out.begin(), out.end());
  if (twice != out.end()) fail(Code::value, op, "axis ", *twice, " is given twice");
  return out;
}

Axes all_axes(size_t ndim) {
  Axes axes;
  for (size_t i = 0; i < ndim; i++) axes.push_back(static_cast<int>(i));
  return axes;
}

std::string to_string(std::span<const int64_t> shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); i++) {
    if (i) out += ", ";
    out += std::to_string(shape[i]);
  }
  out += shape.size() == 1 ? ",)" : ")";
  return out;
}

void append(std::string& out, const Shape& shape) { out += to_string(shape); }

void collapse(Shape& shape, std::span<Strides> strides) {
  // Walks from the outermost dimension; `last` is the dimension that the next one may be joined to.
  uint32_t last = 0;
  bool any = false;
  for (uint32_t i = 0; i < shape.size(); i++) {
    if (shape[i] == 1) continue;
    bool joined = any;
    for (Strides& s : strides) joined = joined && s[last] == s[i] * shape[i];
    if (joined) {
      shape[last] *= shape[i];
    } else {
      last = any ? last + 1 : 0;
      shape[last] = shape[i];
    }
    for (Strides& s : strides) s[last] = s[i];
    any = true;
  }
  uint32_t ndim = any ? last + 1 : 1;
  if (!any) shape.assign(1, 1);
  shape.resize(ndim, 1);
  for (Strides& s : strides) {
    if (!any) s.assign(1, 0);
    s.resize(ndim, 0);
  }
}

}  // namespace melix
