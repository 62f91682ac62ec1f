// Carrying out the plan of an index: reading, and writing in any of the ways of scatter.
#include "melix/ops/indexing.h"

#include <unordered_set>

#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/indexing_plan.h"
#include "melix/ops/scan.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

constexpr const char* kName = "index";
constexpr int64_t kPiece = 1 << 16;  // elements of a mask that one task looks at

array reshaped(const array& a, const Shape& shape) { return a.shape() == shape ? a : reshape(a, shape); }

// The elements of the array that the plan's slice keeps, in the given one of its shapes.
array part_of(const array& a, const IndexPlan& plan, const Shape& shape) {
  return reshaped(plan.whole ? a : slice_part(a, plan.part), shape);
}

// The array with those elements replaced.
array with_part(const array& a, const IndexPlan& plan, const array& values) {
  array part = reshaped(values, plan.kept);
  return plan.whole ? part : slice_part_update(a, part, plan.part);
}

// ---- masks ----

// Numbers of the elements that are true, in row-major order.
array true_places(const array& mask) {
  array flat = contiguous(mask);
  const bool* from = flat.data<bool>();
  int64_t n = mask.size(), pieces = (n + kPiece - 1) / kPiece;
  std::vector<int64_t> first(size_t(pieces) + 1, 0);
  auto each = [&](int64_t begin, int64_t end, auto body) {
    for (int64_t p = begin; p < end; p++) body(p, p * kPiece, std::min(n, (p + 1) * kPiece));
  };
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    each(begin, end, [&](int64_t p, int64_t from_element, int64_t to_element) {
      int64_t count = 0;
      for (int64_t i = from_element; i < to_element; i++) count += from[i];
      first[size_t(p) + 1] = count;
    });
  });
  for (size_t p = 0; p < size_t(pieces); p++) first[p + 1] += first[p];
  View out = allocate_view({first.back()}, int64);
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    each(begin, end, [&](int64_t p, int64_t from_element, int64_t to_element) {
      int64_t* to = out.as<int64_t>() + first[size_t(p)];
      int64_t found[256];  // without branches, which half of the elements would mispredict
      while (from_element < to_element) {
        int64_t end_of_block = std::min(to_element, from_element + 256), count = 0;
        for (int64_t i = from_element; i < end_of_block; i++) {
          found[count] = i;
          count += from[i];
        }
        to = std::copy_n(found, count, to);
        from_element = end_of_block;
      }
    });
  });
  return array(std::move(out));
}

// Whether an array can be evaluated: it does not depend on a placeholder of a trace.
bool has_value(const array& a) {
  std::vector<const Node*> todo{&a.node()};
  std::unordered_set<const Node*> seen;
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    if (node->placeholder()) return false;
    if (!node->traced || node->ready() || !seen.insert(node).second) continue;
    for (const array& input : node->inputs) todo.push_back(&input.node());
  }
  return true;
}

// The plan's index arrays as integers of one shape.
std::vector<array> integer_indices(const IndexPlan& plan) {
  std::vector<array> out;
  for (const array& index : plan.indices) {
    if (index.dtype() == bool_ && !has_value(index)) {
      fail(Code::index, kName,
           "a boolean mask decides the shape of the result, so its values must be known while tracing");
    }
    out.push_back(index.dtype() == bool_ ? true_places(index) : index);
  }
  Shape common;
  for (const array& index : out) {
    try {
      common = broadcast(kName, common, index.shape());
    } catch (const Error&) {
      fail(Code::index, kName, "shape mismatch: index arrays of shapes ", common, " and ", index.shape(),
           " cannot be broadcast together");
    }
  }
  return index_arrays(kName, out);
}

WindowAttrs windows_of(const IndexPlan& plan) {
  WindowAttrs w = windows_along(plan.basic, plan.axes);
  w.place = plan.place;
  return w;
}

// ---- values to be put ----

// Without leading dimensions of length 1 beyond `ndim`, as NumPy takes them.
array without_lead(const array& values, size_t ndim) {
  size_t extra = 0;
  while (values.ndim() - extra > ndim && values.shape()[extra] == 1) extra++;
  return extra ? reshape(values, Shape(values.shape().begin() + extra, values.shape().end())) : values;
}

void require_broadcast(const Shape& from, const Shape& to) {
  bool fits = from.size() <= to.size();
  for (size_t d = 0, lead = to.size() - from.size(); fits && d < from.size(); d++)
    fits = from[d] == 1 || from[d] == to[lead + d];
  if (!fits) fail(Code::value, kName, "could not broadcast values of shape ", from, " into shape ", to);
}

array fitted(const array& values, const Shape& shape) {
  array out = without_lead(values, shape.size());
  if (out.shape() == shape) return out;
  require_broadcast(out.shape(), shape);
  return broadcast_to(out, shape);
}

// Every element updated once. Integers are divided as floats.
array combined(Scatter mode, const array& a, const array& values) {
  switch (mode) {
    case Scatter::add:
      return add(a, values);
    case Scatter::prod:
      return multiply(a, values);
    case Scatter::max:
      return maximum(a, values);
    case Scatter::min:
      return minimum(a, values);
    case Scatter::divide:
      return astype(divide(a, values), a.dtype());
    default:
      return values;
  }
}

// Puts values where a mask is true. `values` broadcast to the part with the mask's axes in `shape`.
array put_masked(const array& a, const IndexPlan& plan, const Shape& shape, const array& mask,
                 const array& values, Scatter mode) {
  array part = part_of(a, plan, shape);
  require_broadcast(values.shape(), shape);
  Shape aligned = mask.shape();
  aligned.resize(mask.ndim() + plan.window_dims() - size_t(plan.place), 1);
  return with_part(a, plan, where(reshaped(mask, aligned), combined(mode, part, values), part));
}

// A mask and values that do not need to be told apart by number, or cannot be as the mask has no values yet.
std::optional<array> put_by_mask(const array& a, const IndexPlan& plan, const array& values, Scatter mode) {
  const array& mask = plan.indices[0];
  size_t behind = plan.window_dims() - size_t(plan.place);  // dimensions after those of the mask
  array v = without_lead(values, plan.window_dims() + 1);
  if (v.ndim() > plan.window_dims() + 1) return std::nullopt;
  size_t at = v.ndim() - behind - 1;  // of v, the dimension that runs along the true places
  if (v.ndim() <= behind) return put_masked(a, plan, plan.open, mask, v, mode);
  if (v.shape()[at] == 1) {
    Shape shape(v.shape().begin(), v.shape().begin() + at);
    shape.resize(at + mask.ndim(), 1);
    shape.insert(shape.end(), v.shape().begin() + at + 1, v.shape().end());
    return put_masked(a, plan, plan.open, mask, reshaped(v, shape), mode);
  }
  if (has_value(mask)) return std::nullopt;
  // The number of each true place among them is the number of its value.
  array flat = reshape(mask, {-1});
  array number = cumsum(astype(flat, int32), 0) - 1;
  WindowAttrs w = windows_along(v.shape(), {int(at)});
  w.place = int(at);
  return put_masked(a, plan, plan.basic, flat, gather_windows(v, index_arrays(kName, {number}), w), mode);
}

}  // namespace

array index(const array& a, const Index& key, StreamOrDevice s) {
  StreamScope scope(s);
  IndexPlan plan = plan_index(a.shape(), key);
  array part = part_of(a, plan, plan.basic);
  if (plan.indices.empty()) return part;
  return gather_windows(part, integer_indices(plan), windows_of(plan));
}

array index_update(const array& a, const Index& key, const array& given, Scatter mode, StreamOrDevice s) {
  StreamScope scope(s);
  IndexPlan plan = plan_index(a.shape(), key);
  array values = astype(given, a.dtype());
  if (plan.indices.empty()) {
    array put = fitted(values, plan.basic);
    if (mode != Scatter::none) put = combined(mode, part_of(a, plan, plan.basic), put);
    return with_part(a, plan, put);
  }
  if (plan.is_mask()) {
    if (std::optional<array> out = put_by_mask(a, plan, values, mode)) return *out;
  }
  std::vector<array> indices = integer_indices(plan);
  array part = part_of(a, plan, plan.basic);
  WindowAttrs w = windows_of(plan);
  w.bounds = Bounds::drop;
  w.mode = mode;
  array updates = fitted(values, packed_shape(kName, w, part, indices));
  return with_part(a, plan, scatter_windows(part, updates, indices, w));
}

}  // namespace melix
