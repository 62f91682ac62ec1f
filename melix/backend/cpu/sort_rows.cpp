// See sort_rows.h.
#include "melix/backend/cpu/sort_rows.h"

namespace melix::cpu {
namespace {

constexpr int64_t kStaged = 1024;  // elements of a row with gaps that are copied together at a time

struct Range {
  uint64_t lowest, highest;
};

Range range_of(const uint64_t* keys, int64_t n) {
  std::vector<Range> ranges(size_t(row_pieces(n)));
  parallel_for(n, kRowPiece, [&](int64_t begin, int64_t end) {
    Range& range = ranges[size_t(begin / kRowPiece)];
    simd().key_range(keys + begin, end - begin, &range.lowest, &range.highest);
  });
  Range all = ranges[0];
  for (const Range& range : ranges) {
    all = {std::min(all.lowest, range.lowest), std::max(all.highest, range.highest)};
  }
  return all;
}

}  // namespace

Rows::Rows(const View& view)
    : base_(static_cast<const char*>(view.data())),
      dtype_(view.dtype),
      bytes_(int64_t(size_of(view.dtype))),
      length_(view.shape.back()),
      stride_(view.strides.back()),
      outer_(view.shape.begin(), view.shape.end() - 1),
      strides_(view.strides.begin(), view.strides.end() - 1) {
  for (int64_t d : outer_) count_ *= d;
  collapse(outer_, std::span(&strides_, 1));
}

const char* Rows::row(int64_t i) const {
  int64_t offset = 0;
  for (uint32_t d = outer_.size(); d-- > 0;) {
    offset += i % outer_[d] * strides_[d];
    i /= outer_[d];
  }
  return base_ + offset * bytes_;
}

void Rows::load(const char* row, int64_t begin, int64_t end, char* to, int64_t key_bytes,
                SortSpecials* specials) const {
  if (stride_ == 1 || end - begin == 1)
    return simd().sort_keys(dtype_, row + begin * step(), end - begin, to, specials);
  alignas(8) char staged[kStaged * 8];
  for (int64_t at = begin; at < end; at += kStaged) {
    const int64_t n = std::min(kStaged, end - at);
    simd().copy_strided(int(bytes_), row + at * step(), stride_, staged, 1, n);
    simd().sort_keys(dtype_, staged, n, to + (at - begin) * key_bytes, specials);
  }
}

SortSpecials Rows::load_all(const char* row, char* to, int64_t key_bytes) const {
  SortSpecials all;
  if (length_ <= kRowPiece) {
    load(row, 0, length_, to, key_bytes, &all);
    return all;
  }
  std::vector<SortSpecials> pieces(size_t(row_pieces(length_)));
  parallel_for(length_, kRowPiece, [&](int64_t begin, int64_t end) {
    load(row, begin, end, to + begin * key_bytes, key_bytes, &pieces[size_t(begin / kRowPiece)]);
  });
  for (const SortSpecials& piece : pieces) {
    all.nans += piece.nans;
    all.negative_zeros += piece.negative_zeros;
  }
  return all;
}

void for_rows(const Rows& rows, function_ref<void(int64_t begin, int64_t end)> body) {
  if (rows.length() >= kParallelSort) return body(0, rows.count());
  parallel_for(rows.count(), std::max<int64_t>(1, 8192 / std::max<int64_t>(rows.length(), 1)), body);
}

// ---- order ----

Ordering::Ordering(const Rows& rows)
    : rows_(rows),
      n_(rows.length()),
      wide_(rows.bytes() == 8),
      keys_(wide_ ? n_ : 1),
      pairs_(n_),
      others_(n_ < kParallelSort ? n_ + kSplitSlack : 1) {}

void Ordering::run(const char* row, uint32_t* places) {
  if (wide_) {
    rows_.keys(row, keys_.data());
    const Range range = range_of(keys_.data(), n_);
    base_ = range.lowest;
    shift_ = std::max(0, int(std::bit_width(range.highest - range.lowest)) - 32);
  }
  if (n_ < kParallelSort) {
    pair(row, 0, n_);
    return finish(pairs_.data(), n_, others_.data(), places);
  }
  parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) { pair(row, begin, end); });
  // Keys that need order_ties come into one part: splitters have none of the places' bits.
  KeyParts<uint64_t> parts(pairs_.data(), n_, sort_splitters(pairs_.data(), n_, ~uint64_t(0) << 32));
  parallel_for(parts.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      Scratch<uint64_t> part(parts.size(p)), others(parts.size(p) + kSplitSlack);
      parts.collect(p, part.data());
      finish(part.data(), parts.size(p), others.data(), places + parts.start(p));
    }
  });
}

void Ordering::pair(const char* row, int64_t begin, int64_t end) {
  if (wide_) {
    return simd().pair_keys64(keys_.data() + begin, base_, shift_, begin, end - begin, pairs_.data() + begin);
  }
  uint32_t keys[kStaged];
  SortSpecials specials;
  for (int64_t at = begin; at < end; at += kStaged) {
    const int64_t n = std::min(kStaged, end - at);
    rows_.keys(row, at, at + n, keys, &specials);
    simd().pair_keys32(keys, at, n, pairs_.data() + at);
  }
}

void Ordering::finish(uint64_t* pairs, int64_t n, uint64_t* others, uint32_t* places) const {
  sort_keys(pairs, n, others);
  if (shift_ > 0) order_ties(pairs, n, others);
  simd().pair_indices(pairs, n, places);
}

// Pairs whose keys agree in the 32 bits of the pair are put in order of the bits below these, and of the places.
void Ordering::order_ties(uint64_t* pairs, int64_t n, uint64_t* others) const {
  const uint64_t below = (uint64_t(1) << shift_) - 1;
  for (int64_t i = 0; i < n;) {
    int64_t end = i + 1;
    while (end < n && pairs[end] >> 32 == pairs[i] >> 32) end++;
    if (end - i > 1) {
      for (int64_t k = i; k < end; k++) {
        const uint32_t place = uint32_t(pairs[k]);
        pairs[k] = ((keys_[place] - base_) & below) << 32 | place;
      }
      if (end - i == 2) {
        if (pairs[i + 1] < pairs[i]) std::swap(pairs[i], pairs[i + 1]);
      } else {
        sort_keys(pairs + i, end - i, others);
      }
    }
    i = end;
  }
}

}  // namespace melix::cpu
