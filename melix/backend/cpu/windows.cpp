// See windows.h.
#include "melix/backend/cpu/windows.h"

#include <algorithm>

namespace melix::cpu {
namespace {

// Adds to each offset what one index array contributes. Negative indices count from the end, once.
template <class T>
bool add_index(const T* index, int64_t step, int64_t n, int64_t length, int64_t last, int64_t stride,
               bool drop, int64_t* offsets) {
  if (!drop) {
    for (int64_t i = 0; i < n; i++) {
      int64_t at = int64_t(index[i * step]);
      at += at < 0 ? length : 0;
      at = at < 0 ? 0 : at > last ? last : at;
      offsets[i] += at * stride;
    }
    return false;
  }
  bool dropped = false;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = int64_t(index[i * step]);
    at += at < 0 ? length : 0;
    bool out = at < 0 || at > last || offsets[i] == kDropped;
    dropped |= out;
    offsets[i] = out ? kDropped : offsets[i] + at * stride;
  }
  return dropped;
}

}  // namespace

void Walk::add(int64_t n, int64_t table_stride, int64_t packed_stride) {
  shape.push_back(n);
  table.push_back(table_stride);
  packed.push_back(packed_stride);
}

void Walk::join() {
  Strides both[2] = {table, packed};
  collapse(shape, both);
  table = both[0];
  packed = both[1];
}

Rows::Rows(const Walk& walk, int64_t row) : walk_(walk), position_(walk.shape.size() - 1, 0) {
  for (size_t d = position_.size(); d-- > 0 && row > 0;) {
    position_[d] = row % walk.shape[d];
    row /= walk.shape[d];
    table_ += position_[d] * walk.table[d];
    packed_ += position_[d] * walk.packed[d];
  }
}

void Rows::next() {
  for (size_t d = position_.size(); d-- > 0;) {
    table_ += walk_.table[d];
    packed_ += walk_.packed[d];
    if (++position_[d] < walk_.shape[d]) return;
    table_ -= walk_.shape[d] * walk_.table[d];
    packed_ -= walk_.shape[d] * walk_.packed[d];
    position_[d] = 0;
  }
}

Windows::Windows(const WindowAttrs& w, const View& table, std::span<const View> indices, const View& packed)
    : drop_(w.bounds == Bounds::drop) {
  if (!indices.empty()) space_ = indices[0].shape;
  size_t dims = space_.size();
  count_ = elements(space_);
  // Dimensions of a window, and those of the index space, in the packed array.
  size_t k = 0;
  for (size_t d = 0; d < table.shape.size(); d++) {
    if (!w.is_packed(d)) continue;
    bool before = int(k) < w.place;
    (before ? outer_ : inner_).add(w.sizes[d], table.strides[d], packed.strides[before ? k : k + dims]);
    k++;
  }
  outer_.join();
  inner_.join();
  Strides along(dims, 0);
  for (size_t b = 0; b < w.batch_axes.size(); b++)
    along[size_t(w.batch_dims[b])] += table.strides[size_t(w.batch_axes[b])];
  strides_.push_back(along);
  strides_.push_back(
      Strides(packed.strides.begin() + w.place, packed.strides.begin() + w.place + ptrdiff_t(dims)));
  for (size_t i = 0; i < indices.size(); i++) {
    size_t axis = size_t(w.axes[i]);
    may_overlap_ |= w.sizes[axis] > 1 && count_ > 1;
    sources_.push_back(
        {&indices[i], table.shape[axis], table.shape[axis] - w.sizes[axis], table.strides[axis]});
    strides_.push_back(indices[i].strides);
  }
  collapse(space_, std::span(strides_.data(), strides_.size()));
}

Walk Windows::all() const {
  Walk out = outer_;
  for (size_t d = 0; d < inner_.shape.size(); d++)
    out.add(inner_.shape[d], inner_.table[d], inner_.packed[d]);
  out.join();
  return out;
}

bool Windows::offsets(int64_t begin, int64_t n, int64_t* table, int64_t* packed) const {
  size_t last = space_.size() - 1;
  SmallVector<int64_t, 6> position(space_.size(), 0);
  for (size_t d = space_.size(), rest = size_t(begin); d-- > 0 && rest > 0;) {
    position[d] = int64_t(rest % size_t(space_[d]));
    rest /= size_t(space_[d]);
  }
  auto start = [&](size_t row) {
    int64_t offset = 0;
    for (size_t d = 0; d < space_.size(); d++) offset += position[d] * strides_[row][d];
    return offset;
  };
  bool dropped = false;
  for (int64_t done = 0; done < n;) {
    int64_t run = std::min(n - done, space_[last] - position[last]);
    int64_t from = start(0), step = strides_[0][last];
    for (int64_t i = 0; i < run; i++) table[done + i] = from + i * step;
    if (packed) {
      from = start(1), step = strides_[1][last];
      for (int64_t i = 0; i < run; i++) packed[done + i] = from + i * step;
    }
    for (size_t k = 0; k < sources_.size(); k++) {
      const Source& s = sources_[k];
      auto add = [&](auto* index) {
        return add_index(index + start(k + 2), strides_[k + 2][last], run, s.length, s.last, s.stride, drop_,
                         table + done);
      };
      switch (s.view->dtype) {
        case int32:
          dropped |= add(s.view->as<int32_t>());
          break;
        case uint32:
          dropped |= add(s.view->as<uint32_t>());
          break;
        default:
          dropped |= add(s.view->as<int64_t>());
          break;
      }
    }
    done += run;
    position[last] += run;
    for (size_t d = last; d > 0 && position[d] == space_[d]; d--) {
      position[d] = 0;
      position[d - 1]++;
    }
  }
  return dropped;
}

}  // namespace melix::cpu
