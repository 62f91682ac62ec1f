// See indexing_plan.h.
#include "melix/ops/indexing_plan.h"

#include <algorithm>

namespace melix {
namespace {

constexpr const char* kName = "index";

bool is_array(const IndexEntry& entry) {
  return std::holds_alternative<array>(entry) || std::holds_alternative<KnownIndices>(entry);
}

// Axes of the array that an entry is about. (An ellipsis takes those that are left.)
size_t axes_of(const IndexEntry& entry) {
  if (std::holds_alternative<NewAxis>(entry) || std::holds_alternative<Ellipsis>(entry)) return 0;
  const array* a = std::get_if<array>(&entry);
  return a && a->dtype() == bool_ ? a->ndim() : 1;
}

class Planner {
 public:
  Planner(const Shape& shape, const Index& key) : shape_(shape) {
    size_t used = 0, ellipses = 0;
    for (const IndexEntry& entry : key) {
      used += axes_of(entry);
      ellipses += std::holds_alternative<Ellipsis>(entry);
      arrays_ |= is_array(entry);
    }
    if (ellipses > 1) fail(Code::index, kName, "an index can only have a single ellipsis ('...')");
    if (used > shape.size()) {
      fail(Code::index, kName, "too many indices for array: array is ", shape.size(), "-dimensional, but ",
           used, " were indexed");
    }
    left_ = shape.size() - used;
    for (const IndexEntry& entry : key) std::visit([&](const auto& e) { add(e); }, entry);
    while (axis_ < shape.size()) add(Slice{});
    plan_.whole =
        plan_.part.drop.empty() && plan_.part.size == shape &&
        std::all_of(plan_.part.step.begin(), plan_.part.step.end(), [](int64_t step) { return step == 1; });
    if (separated_) plan_.place = 0;
  }

  IndexPlan take() { return std::move(plan_); }

 private:
  void part(int64_t start, int64_t step, int64_t size) {
    plan_.part.start.push_back(start);
    plan_.part.step.push_back(step);
    plan_.part.size.push_back(size);
    axis_++;
  }

  // Where the dimensions of index arrays stand: in place of the first, unless something stands between two of them. A
  // number beside arrays counts as one of them.
  void advanced() {
    if (!seen_) plan_.place = int(plan_.basic.size());
    separated_ |= gap_;
    seen_ = true;
  }
  void not_advanced() { gap_ |= seen_; }

  void add(int64_t number) {
    int64_t n = shape_[axis_];
    if (number < -n || number >= n) out_of_bounds(number);
    if (arrays_) advanced();
    plan_.part.drop.push_back(int(axis_));
    part(number < 0 ? number + n : number, 1, 1);
  }

  [[noreturn]] void out_of_bounds(int64_t number) const {
    fail(Code::index, kName, "index ", number, " is out of bounds for axis ", axis_, " with size ",
         shape_[axis_]);
  }

  void add(const Slice& slice) {
    not_advanced();
    int64_t n = shape_[axis_], step = slice.step.value_or(1);
    if (step == 0) fail(Code::value, kName, "slice step cannot be zero");
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    auto limit = [&](int64_t at) { return std::clamp(at < 0 ? at + n : at, low, high); };
    int64_t from = slice.start ? limit(*slice.start) : (step > 0 ? low : high);
    int64_t to = slice.stop ? limit(*slice.stop) : (step > 0 ? high : low);
    int64_t distance = step > 0 ? to - from : from - to;
    int64_t stride = step > 0 ? step : step < -n ? n : -step;  // a step beyond the axis takes one element
    int64_t size = distance <= 0 ? 0 : (distance - 1) / stride + 1;
    part(size > 0 ? from : 0, size > 1 ? step : 1, size);
    keep(size);
  }

  // A dimension of the part that stays as it is.
  void keep(int64_t size) {
    plan_.kept.push_back(size);
    plan_.basic.push_back(size);
    plan_.open.push_back(size);
  }

  void add(NewAxis) {
    not_advanced();
    plan_.basic.push_back(1);
    plan_.open.push_back(1);
  }

  void add(Ellipsis) {
    not_advanced();
    for (; left_ > 0; left_--) add(Slice{});
  }

  void indexed_by(const array& values) {
    plan_.axes.push_back(int(plan_.basic.size()));
    plan_.indices.push_back(values);
  }

  void add(const array& values) {
    advanced();
    if (values.dtype() == bool_) return add_mask(values);
    if (!is_integer(values.dtype())) {
      fail(Code::index, kName, "arrays used as indices must be of integer or bool type, got ",
           values.dtype());
    }
    if (shape_[axis_] == 0 && values.size() > 0)
      fail(Code::index, kName, "axis ", axis_, " with size 0 has no element to index");
    indexed_by(values);
    keep(shape_[axis_]);
    part(0, 1, shape_[axis_]);
  }

  void add(const KnownIndices& known) {
    if (known.lowest <= known.highest) {
      if (known.lowest < -shape_[axis_]) out_of_bounds(known.lowest);
      if (known.highest >= shape_[axis_]) out_of_bounds(known.highest);
    }
    add(known.values);
  }

  void add_mask(const array& mask) {
    indexed_by(mask);
    plan_.basic.push_back(mask.size());
    for (int64_t n : mask.shape()) {
      if (n != shape_[axis_]) {
        fail(Code::index, kName, "boolean index did not match indexed array along axis ", axis_,
             "; size of axis is ", shape_[axis_], " but size of corresponding boolean axis is ", n);
      }
      plan_.kept.push_back(n);
      plan_.open.push_back(n);
      part(0, 1, n);
    }
  }

  const Shape& shape_;
  IndexPlan plan_;
  size_t axis_ = 0;         // of the array, that comes next
  size_t left_ = 0;         // axes for the ellipsis
  bool arrays_ = false;     // the index has arrays
  bool seen_ = false;       // one of the index arrays came already
  bool gap_ = false;        // ... and then something else
  bool separated_ = false;  // ... and then another index array
};

}  // namespace

IndexPlan plan_index(const Shape& shape, const Index& key) { return Planner(shape, key).take(); }

}  // namespace melix
