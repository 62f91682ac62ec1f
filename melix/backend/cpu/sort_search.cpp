// Kernels of searchsorted and unique.
#include "melix/backend/backend.h"
#include "melix/backend/cpu/sort_rows.h"
#include "melix/ops/sort.h"

namespace melix::cpu {
namespace {

// Searches that walk side by side: each step of one waits for memory, those of the others meanwhile go on.
constexpr int64_t kSearches = 16;

// found[i]: number of the n sorted keys that are less than wanted[i] (`right`: not greater).
template <class Key>
void search(const Key* keys, int64_t n, const Key* wanted, int64_t count, bool right, uint32_t* found) {
  auto before = [right](Key key, Key value) { return right ? key <= value : key < value; };
  for (int64_t i = 0; i < count; i += kSearches) {
    const int64_t m = std::min(kSearches, count - i);
    int64_t base[kSearches] = {};
    for (int64_t length = n; length > 1;) {
      const int64_t half = length / 2;
      for (int64_t q = 0; q < m; q++) base[q] += before(keys[base[q] + half - 1], wanted[i + q]) ? half : 0;
      length -= half;
    }
    for (int64_t q = 0; q < m; q++)
      found[i + q] = uint32_t(base[q] + (n > 0 && before(keys[base[q]], wanted[i + q])));
  }
}

// The different elements of one row, from its keys and the order of its places.
template <class Key>
class Uniques {
 public:
  Uniques(const Rows& rows, int64_t size)
      : rows_(rows),
        n_(rows.length()),
        size_(size),
        has_nan_(is_inexact(rows.dtype())),
        nan_(nan_key(rows.dtype())),
        ordering_(rows),
        keys_(n_),
        order_(n_),
        starts_(size + 1) {}

  void run(const char* row, uint32_t* index, uint32_t* inverse, int32_t* counts) {
    rows_.keys(row, keys_.data());
    ordering_.run(row, order_.data());
    // Elements that differ from the one before, in the pieces before each piece.
    std::vector<int64_t> before(size_t(row_pieces(n_) + 1), 0);
    parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
      int64_t count = 0;
      for (int64_t i = begin; i < end; i++) count += is_first(i);
      before[size_t(begin / kRowPiece + 1)] = count;
    });
    for (size_t k = 1; k < before.size(); k++) before[k] += before[k - 1];
    const int64_t last = std::max<int64_t>(size_ - 1, 0);
    parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
      int64_t place = before[size_t(begin / kRowPiece)] - 1;
      for (int64_t i = begin; i < end; i++) {
        if (is_first(i) && ++place <= size_) {
          starts_[place] = i;
          if (place < size_) index[place] = order_[i];
        }
        inverse[order_[i]] = uint32_t(std::min(place, last));
      }
    });
    const int64_t found = before.back();
    for (int64_t k = 0; k < size_; k++) {
      counts[k] = k >= found ? 0 : int32_t((k + 1 < found ? starts_[k + 1] : n_) - starts_[k]);
      if (k >= found) index[k] = index[0];
    }
  }

 private:
  bool is_first(int64_t i) const {
    const Key key = keys_[order_[i]];
    return i == 0 || key != keys_[order_[i - 1]] || (has_nan_ && key >= nan_);
  }

  // The lowest key of NaN (see simd/sort_keys.cpp): NaNs differ from one another.
  static Key nan_key(Dtype dtype) {
    return is_complex(dtype) ? Key(~Key(1) << (sizeof(Key) * 4))
           : is_half(dtype)  ? Key(0xffff)
                             : Key(~Key(0));
  }

  const Rows& rows_;
  const int64_t n_, size_;
  const bool has_nan_;
  const Key nan_;
  Ordering ordering_;
  Scratch<Key> keys_;
  Scratch<uint32_t> order_;
  Scratch<int64_t>
      starts_;  // first place in the order of each different element, and of the one behind the last
};

}  // namespace

void searchsorted(const Call& call) {
  const bool right = attrs_as<SearchAttrs>(call.attrs).right;
  const View &sequences = call.inputs[0], &values = call.inputs[1];
  uint32_t* out = call.outputs[0].as<uint32_t>();
  if (values.size() == 0) return;
  const int64_t n = sequences.shape.back(), m = values.shape.back(), rows = values.size() / m;
  with_key(values.dtype, [&](auto type) {
    using Key = decltype(type);
    Scratch<Key> keys(n);
    const int64_t bytes = int64_t(size_of(values.dtype));
    for (int64_t row = 0; row < rows; row++) {
      SortSpecials specials;
      parallel_for(n, kRowPiece, [&](int64_t begin, int64_t end) {
        SortSpecials ignored;
        const char* from = static_cast<const char*>(sequences.data()) + (row * n + begin) * bytes;
        simd().sort_keys(values.dtype, from, end - begin, keys.data() + begin, &ignored);
      });
      parallel_for(m, 1024, [&](int64_t begin, int64_t end) {
        Key wanted[1024];
        SortSpecials ignored;
        const char* from = static_cast<const char*>(values.data()) + (row * m + begin) * bytes;
        simd().sort_keys(values.dtype, from, end - begin, wanted, &ignored);
        search(keys.data(), n, wanted, end - begin, right, out + row * m + begin);
      });
    }
  });
}

void unique(const Call& call) {
  const int64_t size = attrs_as<UniqueAttrs>(call.attrs).size;
  Rows rows(call.inputs[0]);
  with_key(rows.dtype(), [&](auto type) {
    using Key = decltype(type);
    for_rows(rows, [&](int64_t begin, int64_t end) {
      Uniques<Key> uniques(rows, size);
      for (int64_t i = begin; i < end; i++) {
        uniques.run(rows.row(i), call.outputs[0].as<uint32_t>() + i * size,
                    call.outputs[1].as<uint32_t>() + i * rows.length(),
                    call.outputs[2].as<int32_t>() + i * size);
      }
    });
  });
}

}  // namespace melix::cpu
