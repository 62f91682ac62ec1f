// Kernels of sort, argsort, partition and argpartition: elements become keys (sort_rows.h), which are sorted or
// selected from (key_sort.h). Elements of 1 and 2 bytes are counted where rows are long.
#include "melix/ops/sort.h"

#include "melix/backend/backend.h"
#include "melix/backend/cpu/sort_rows.h"

namespace melix::cpu {
namespace {

// ---- elements whose keys do not tell them apart ----

// Sorted keys say how many NaNs and zeros a row has, but not which ones: they are taken from the row, in order.
template <class Bits>
class Restore {
 public:
  Restore(const Rows& rows, const char* row, Bits infinity, Bits* out)
      : row_(row), n_(rows.length()), step_(rows.step()), infinity_(infinity), out_(out) {}

  /// NaNs go to the end of the output, zeros to `zeros_at` on (-1: there is only one kind of zero).
  void run(int64_t nans, int64_t zeros_at) {
    const int64_t pieces = row_pieces(n_);
    std::vector<int64_t> nan_at(size_t(pieces), n_ - nans), zero_at(size_t(pieces), zeros_at);
    if (pieces > 1) {
      std::vector<int64_t> nan_count(static_cast<size_t>(pieces)), zero_count(static_cast<size_t>(pieces));
      parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          const Bits magnitude = load(i) & kMagnitude;
          nan_count[size_t(begin / kRowPiece)] += magnitude > infinity_;
          zero_count[size_t(begin / kRowPiece)] += magnitude == 0;
        }
      });
      for (size_t k = 1; k < size_t(pieces); k++) {
        nan_at[k] = nan_at[k - 1] + nan_count[k - 1];
        zero_at[k] = zero_at[k - 1] + zero_count[k - 1];
      }
    }
    parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
      int64_t nan = nan_at[size_t(begin / kRowPiece)], zero = zero_at[size_t(begin / kRowPiece)];
      for (int64_t i = begin; i < end; i++) {
        const Bits bits = load(i), magnitude = bits & kMagnitude;
        if (magnitude > infinity_) out_[nan++] = bits;
        if (magnitude == 0 && zeros_at >= 0) out_[zero++] = bits;
      }
    });
  }

  /// Place of the first zero among n sorted numbers, all zeros being positive.
  int64_t first_zero(int64_t nans) const {
    auto negative = [](Bits bits) { return (bits & ~kMagnitude) != 0; };
    return std::partition_point(out_, out_ + n_ - nans, negative) - out_;
  }

 private:
  static constexpr Bits kMagnitude = Bits(~Bits(0)) >> 1;
  Bits load(int64_t i) const { return *reinterpret_cast<const Bits*>(row_ + i * step_); }

  const char* row_;
  int64_t n_, step_;
  Bits infinity_;
  Bits* out_;
};

// Calls body with the restorer of a floating dtype. complex64 is sorted by places and needs none.
template <class Body>
void with_restore(const Rows& rows, const char* row, void* out, Body&& body) {
  switch (rows.dtype()) {
    case float16:
      return body(Restore<uint16_t>(rows, row, 0x7c00, static_cast<uint16_t*>(out)));
    case bfloat16:
      return body(Restore<uint16_t>(rows, row, 0x7f80, static_cast<uint16_t*>(out)));
    case float32:
      return body(Restore<uint32_t>(rows, row, 0x7f800000, static_cast<uint32_t*>(out)));
    case float64:
      return body(Restore<uint64_t>(rows, row, uint64_t(0x7ff) << 52, static_cast<uint64_t*>(out)));
    default:
      return;
  }
}

// ---- sort ----

// Rows of this length and more are counted. A count of 2-byte elements looks at 65536 of them.
int64_t counted_from(int64_t bytes) { return bytes == 1 ? 1024 : bytes == 2 ? 32768 : INT64_MAX; }

template <class Bits>
class CountedSort {
 public:
  explicit CountedSort(const Rows& rows) : rows_(rows), n_(rows.length()) {}

  void run(const char* row, char* to) {
    Bits* const out = reinterpret_cast<Bits*>(to);
    count(row);
    std::vector<uint32_t> keys(kPatterns);
    std::vector<Bits> patterns(kPatterns);  // in the order of their keys
    std::iota(keys.begin(), keys.end(), 0u);
    simd().sort_values(rows_.dtype(), keys.data(), kPatterns, patterns.data());
    std::vector<int64_t> start(kPatterns + 1, 0);
    for (size_t k = 0; k < kPatterns; k++)
      start[k + 1] = start[k] + (is_nan(patterns[k]) ? 0 : total_[patterns[k]]);
    parallel_for(kPatterns, 4096, [&](int64_t begin, int64_t end) {
      for (size_t k = size_t(begin); k < size_t(end); k++) {
        if (!is_nan(patterns[k])) std::fill_n(out + start[k], total_[patterns[k]], patterns[k]);
      }
    });
    if (!is_floating(rows_.dtype())) return;
    const int64_t nans = n_ - start.back();
    const Bits sign = Bits(Bits(1) << (sizeof(Bits) * 8 - 1));
    const bool mixed = total_[0] > 0 && total_[sign] > 0;
    if (nans == 0 && !mixed) return;
    const int64_t zeros_at =
        mixed ? start[size_t(std::find(patterns.begin(), patterns.end(), sign) - patterns.begin())] : -1;
    with_restore(rows_, row, out, [&](auto restore) { restore.run(nans, zeros_at); });
  }

 private:
  static constexpr int64_t kPatterns = int64_t(1) << (8 * sizeof(Bits));

  bool is_nan(Bits pattern) const {
    const int magnitude = pattern & 0x7fff;
    return (rows_.dtype() == float16 && magnitude > 0x7c00) ||
           (rows_.dtype() == bfloat16 && magnitude > 0x7f80);
  }

  void count(const char* row) {
    const int64_t piece = std::max<int64_t>(n_ / 64 + 1, 16 * kPatterns), pieces = (n_ + piece - 1) / piece;
    std::vector<std::vector<uint32_t>> counts(static_cast<size_t>(pieces));
    const int64_t step = rows_.step();
    parallel_for(n_, piece, [&](int64_t begin, int64_t end) {
      // Two tables: the same element twice in a row does not wait for its own count.
      std::vector<uint32_t> even(kPatterns, 0), odd(kPatterns, 0);
      int64_t i = begin;
      for (; i + 1 < end; i += 2) {
        even[*reinterpret_cast<const Bits*>(row + i * step)]++;
        odd[*reinterpret_cast<const Bits*>(row + (i + 1) * step)]++;
      }
      if (i < end) even[*reinterpret_cast<const Bits*>(row + i * step)]++;
      for (int64_t k = 0; k < kPatterns; k++) even[size_t(k)] += odd[size_t(k)];
      counts[size_t(begin / piece)] = std::move(even);
    });
    total_.assign(kPatterns, 0);
    for (const auto& part : counts) {
      for (int64_t k = 0; k < kPatterns; k++) total_[size_t(k)] += part[size_t(k)];
    }
  }

  const Rows& rows_;
  const int64_t n_;
  std::vector<int64_t> total_;  // of each pattern of bits
};

template <class Key>
class KeySort {
 public:
  explicit KeySort(const Rows& rows)
      : rows_(rows),
        n_(rows.length()),
        in_place_(rows.bytes() == int64_t(sizeof(Key))),
        short_(n_ < kParallelSort),
        keys_(short_ && in_place_ ? 1 : n_),
        others_(short_ ? n_ + kSplitSlack : 1) {}

  void run(const char* row, char* out) {
    Key* keys = short_ && in_place_ ? reinterpret_cast<Key*>(out) : keys_.data();
    SortSpecials specials = rows_.keys(row, keys);
    if (short_) {
      sort_keys(keys, n_, others_.data());
      simd().sort_values(rows_.dtype(), keys, n_, out);
    } else {
      sort_parts(out);
    }
    if (specials.nans == 0 && specials.negative_zeros == 0) return;
    with_restore(rows_, row, out, [&](auto restore) {
      restore.run(specials.nans, specials.negative_zeros > 0 ? restore.first_zero(specials.nans) : -1);
    });
  }

 private:
  void sort_parts(char* out) {
    KeyParts<Key> parts(keys_.data(), n_, sort_splitters(keys_.data(), n_));
    parallel_for(parts.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        Scratch<Key> part(in_place_ ? 1 : parts.size(p)), others(parts.size(p) + kSplitSlack);
        char* to = out + parts.start(p) * rows_.bytes();
        Key* keys = in_place_ ? reinterpret_cast<Key*>(to) : part.data();
        parts.collect(p, keys);
        sort_keys(keys, parts.size(p), others.data());
        simd().sort_values(rows_.dtype(), keys, parts.size(p), to);
      }
    });
  }

  const Rows& rows_;
  const int64_t n_;
  const bool in_place_;  // the output's memory holds the keys
  const bool short_;
  Scratch<Key> keys_, others_;
};

class PlaceSort {
 public:
  explicit PlaceSort(const Rows& rows) : rows_(rows), ordering_(rows), places_(rows.length()) {}

  void run(const char* row, char* out) {
    ordering_.run(row, places_.data());
    auto* to = reinterpret_cast<uint64_t*>(out);
    parallel_for(rows_.length(), kRowPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        to[i] = *reinterpret_cast<const uint64_t*>(row + places_[i] * rows_.step());
    });
  }

 private:
  const Rows& rows_;
  Ordering ordering_;
  Scratch<uint32_t> places_;
};

template <class Sort>
void sort_rows(const Rows& rows, char* out) {
  for_rows(rows, [&](int64_t begin, int64_t end) {
    Sort sort(rows);
    for (int64_t i = begin; i < end; i++) sort.run(rows.row(i), out + i * rows.length() * rows.bytes());
  });
}

// ---- partition ----

// Writes the window [begin, end) of [keys less than the selected one | equal ones | greater ones], each in order.
template <class Key>
class Placing {
 public:
  Placing(const PartitionAttrs& attrs, const Key* keys, int64_t n, const Selected<Key>& selected)
      : attrs_(attrs), keys_(keys), n_(n), selected_(selected), pieces_(row_pieces(n)) {
    next_.resize(size_t(pieces_), {0, selected.less, selected.not_greater});
    if (pieces_ == 1) return;
    std::vector<Places> counts(static_cast<size_t>(pieces_));
    parallel_for(n, kRowPiece, [&](int64_t begin, int64_t end) {
      Places& count = counts[size_t(begin / kRowPiece)];
      for (int64_t i = begin; i < end; i++)
        count.less += keys[i] < selected.key, count.equal += keys[i] == selected.key;
      count.greater = end - begin - count.less - count.equal;
    });
    for (size_t k = 1; k < next_.size(); k++) {
      next_[k] = {next_[k - 1].less + counts[k - 1].less, next_[k - 1].equal + counts[k - 1].equal,
                  next_[k - 1].greater + counts[k - 1].greater};
    }
  }

  /// Puts element(i) where the i-th key goes.
  template <class Out, class Element>
  void run(Out* out, Element element) const {
    parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
      Places next = next_[size_t(begin / kRowPiece)];
      for (int64_t i = begin; i < end; i++) {
        const bool less = keys_[i] < selected_.key, equal = keys_[i] == selected_.key;
        const int64_t at = (less ? next.less : equal ? next.equal : next.greater) - attrs_.begin;
        next.less += less;
        next.equal += equal;
        next.greater += !less & !equal;
        if (uint64_t(at) < uint64_t(attrs_.end - attrs_.begin)) out[at] = element(i);
      }
    });
  }

 private:
  struct Places {
    int64_t less = 0, equal = 0, greater = 0;
  };
  const PartitionAttrs& attrs_;
  const Key* keys_;
  int64_t n_;
  const Selected<Key>& selected_;
  int64_t pieces_;
  std::vector<Places> next_;  // where each piece's first key of each kind goes
};

template <class Key>
class Partition {
 public:
  Partition(const PartitionAttrs& attrs, const Rows& rows, bool places)
      : attrs_(attrs),
        rows_(rows),
        n_(rows.length()),
        places_(places),
        keys_(n_),
        copy_(n_),
        others_(n_ < kParallelSort ? n_ + kSplitSlack : 1),
        pairs_(paired() ? n_ : 1),
        other_pairs_(paired() && n_ < kParallelSort ? n_ + kSplitSlack : 1) {}

  void run(const char* row, char* out) {
    const SortSpecials specials = rows_.keys(row, keys_.data());
    const Selected<Key> selected = select();
    if (paired()) {
      parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
        simd().pair_keys32(reinterpret_cast<const uint32_t*>(keys_.data()) + begin, begin, end - begin,
                           pairs_.data() + begin);
      });
      const uint64_t low = uint64_t(selected.key) << 32, step = uint64_t(1) << 32;
      auto indices = [&](const uint64_t* pairs, int64_t n, int64_t at) {
        simd().pair_indices(pairs, n, reinterpret_cast<uint32_t*>(out) + at);
      };
      return around(pairs_.data(), low, low + step, other_pairs_.data(), indices);
    }
    const bool lossless = specials.nans == 0 && specials.negative_zeros == 0 && rows_.dtype() != complex64;
    if (!places_ && lossless) {
      auto values = [&](const Key* keys, int64_t n, int64_t at) {
        simd().sort_values(rows_.dtype(), keys, n, out + at * rows_.bytes());
      };
      return around(keys_.data(), selected.key, Key(selected.key + 1), others_.data(), values);
    }
    one_by_one(selected, row, out);
  }

 private:
  // Places of keys of 4 bytes are moved together with them.
  bool paired() const { return places_ && sizeof(Key) == 4; }

  // Selects from a copy of the keys; in parallel where there are many.
  Selected<Key> select() {
    parallel_for(n_, kRowPiece, [&](int64_t begin, int64_t end) {
      std::copy(keys_.data() + begin, keys_.data() + end, copy_.data() + begin);
    });
    if (n_ < kParallelSort) return select_key(copy_.data(), n_, attrs_.kth, others_.data());
    KeyParts<Key> parts(copy_.data(), n_, select_splitters(copy_.data(), n_, attrs_.kth));
    int64_t p = 0;
    while (parts.start(p + 1) <= attrs_.kth) p++;
    Scratch<Key> part(parts.size(p)), others(parts.size(p) + kSplitSlack);
    parts.collect(p, part.data());
    Selected<Key> found = select_key(part.data(), parts.size(p), attrs_.kth - parts.start(p), others.data());
    return {found.key, found.less + parts.start(p), found.not_greater + parts.start(p)};
  }

  // Moves what is below `low` to the front, then what is below `next` (0: there is nothing behind), and calls
  // put(x, n, at) for what stands in the window from place `at` on.
  template <class T, class Put>
  void around(T* x, T low, T next, T* others, Put put) const {
    auto clipped = [&](const T* from, int64_t n, int64_t at) {
      const int64_t first = std::max(at, attrs_.begin), last = std::min(at + n, attrs_.end);
      if (first < last) put(from + (first - at), last - first, first - attrs_.begin);
    };
    if (n_ < kParallelSort) {
      const int64_t less = split(x, n_, low, others);
      if (next != 0) split(x + less, n_ - less, next, others);
      return clipped(x, n_, 0);
    }
    std::vector<T> splitters{low};
    if (next != 0) splitters.push_back(next);
    KeyParts<T>(x, n_, std::move(splitters)).visit(clipped);
  }

  void one_by_one(const Selected<Key>& selected, const char* row, char* out) const {
    Placing<Key> placing(attrs_, keys_.data(), n_, selected);
    if (places_) return placing.run(reinterpret_cast<uint32_t*>(out), [](int64_t i) { return uint32_t(i); });
    auto of = [&](auto bits) {
      using Bits = decltype(bits);
      const int64_t step = rows_.step();
      placing.run(reinterpret_cast<Bits*>(out),
                  [=](int64_t i) { return *reinterpret_cast<const Bits*>(row + i * step); });
    };
    switch (rows_.bytes()) {
      case 1:
        return of(uint8_t());
      case 2:
        return of(uint16_t());
      case 4:
        return of(uint32_t());
      default:
        return of(uint64_t());
    }
  }

  const PartitionAttrs& attrs_;
  const Rows& rows_;
  const int64_t n_;
  const bool places_;
  Scratch<Key> keys_, copy_, others_;
  Scratch<uint64_t> pairs_, other_pairs_;
};

void partition_rows(const Call& call, bool places) {
  const auto& attrs = attrs_as<PartitionAttrs>(call.attrs);
  View& out = call.outputs[0];
  if (call.inputs[0].size() == 0 || out.size() == 0) return;
  Rows rows(call.inputs[0]);
  const int64_t row_bytes = (attrs.end - attrs.begin) * int64_t(size_of(out.dtype));
  with_key(rows.dtype(), [&](auto key) {
    for_rows(rows, [&](int64_t begin, int64_t end) {
      Partition<decltype(key)> partition(attrs, rows, places);
      for (int64_t i = begin; i < end; i++) {
        partition.run(rows.row(i), static_cast<char*>(out.data()) + i * row_bytes);
      }
    });
  });
}

}  // namespace

void sort(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  Rows rows(call.inputs[0]);
  char* to = static_cast<char*>(out.data());
  const bool counted = rows.length() >= counted_from(rows.bytes());
  if (counted && rows.bytes() == 1) return sort_rows<CountedSort<uint8_t>>(rows, to);
  if (counted) return sort_rows<CountedSort<uint16_t>>(rows, to);
  if (rows.dtype() == complex64) return sort_rows<PlaceSort>(rows, to);
  rows.bytes() == 8 ? sort_rows<KeySort<uint64_t>>(rows, to) : sort_rows<KeySort<uint32_t>>(rows, to);
}

void argsort(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  Rows rows(call.inputs[0]);
  for_rows(rows, [&](int64_t begin, int64_t end) {
    Ordering ordering(rows);
    for (int64_t i = begin; i < end; i++) ordering.run(rows.row(i), out.as<uint32_t>() + i * rows.length());
  });
}

void partition(const Call& call) { partition_rows(call, false); }
void argpartition(const Call& call) { partition_rows(call, true); }

}  // namespace melix::cpu
