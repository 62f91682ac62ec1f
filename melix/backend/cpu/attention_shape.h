// What the kernels of attention share: the shape of the problem, where keys and values of a head lie, which of them a
// query sees, and how queries and masks get into panels (simd/attention.cpp).
#pragma once

#include "melix/backend/backend.h"
#include "melix/backend/cpu/products.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/ops/attention.h"

namespace melix::cpu {

/// Queries (or keys, for their gradients) of a task, in panels; and rows that meet a panel at once, so that a panel,
/// their scores and sums are in 48 KB of L1 for heads of 128.
inline constexpr int64_t kAttentionLanes = 64, kAttentionRows = 128;

/// Positions [begin, end) of the keys that a query sees.
struct KeyRange {
  int64_t begin, end;
};

/// A matrix of one head: rows at any distance, elements at any distance, perhaps in pages.
struct HeadRows {
  const char* base = nullptr;
  int64_t row = 0, column = 0;  // in elements
  int64_t width = 0;            // elements of a row
  Dtype dtype = float32;
  const int32_t* table = nullptr;              // pages of the sequence; null: rows follow each other
  int64_t page = 0, page_size = 0, pages = 0;  // distance between pages in elements, rows of one, how many

  const char* at(int64_t i) const { return base + i * int64_t(size_of(dtype)); }
  /// Calls body(address, n, offset) for the rows [begin, begin + n), in runs of equal distance.
  template <class Body>
  void runs(int64_t begin, int64_t n, Body body) const {
    if (!table) return body(at(begin * row), n, int64_t(0));
    for (int64_t done = 0; done < n;) {
      int64_t j = begin + done, within = j % page_size, id = table[j / page_size];
      id = id < 0 ? id + pages : id;
      id = id < 0 ? 0 : id >= pages ? pages - 1 : id;
      int64_t length = page_size - within < n - done ? page_size - within : n - done;
      body(at(id * page + within * row), length, done);
      done += length;
    }
  }
  /// Rows [begin, begin + n) in the carrier type: as they lie, or copied to `scratch` (n x width). `distance` is set.
  const void* rows(int64_t begin, int64_t n, void* scratch, int64_t* distance) const;
};

/// The shape of an attention, and its operands by head.
struct AttentionShape {
  AttentionShape(const Call& call, const AttentionAttrs& attrs);
  AttentionShape(const Call& call, const PagedAttentionAttrs& attrs);

  Dtype dtype, carrier;
  int64_t width;         // lanes of a panel
  int64_t b, h, groups;  // groups: heads of q for each of k
  int64_t l, s, d, dv;
  double scale;
  bool causal;
  int64_t window;
  const View *q, *k, *v, *mask = nullptr, *sinks = nullptr;
  const View *table = nullptr, *lengths = nullptr;  // int32, of contiguous rows
  Strides mask_steps;                               // of the mask as (B, H, L, S)

  int64_t kv_heads() const { return h / groups; }
  /// Rows of q that meet one head of k: query i of head g of the group is row g * l + i.
  int64_t rows() const { return groups * l; }
  int64_t keys(int64_t batch) const;
  KeyRange seen(int64_t batch, int64_t query) const;
  /// Row r of head `head` of k in a (B, H, L, ...) array.
  char* row_of(const View& view, int64_t batch, int64_t head, int64_t r) const;
  HeadRows head_of(const View& view, int64_t batch, int64_t head) const;
  /// Score of the sink of a head.
  double sink(int64_t batch, int64_t head) const;
  int64_t head_of_row(int64_t head, int64_t r) const { return head * groups + r / l; }
  /// The mask of a row of q at keys [begin, begin + n) as numbers to be added.
  void bias(int64_t batch, int64_t head, int64_t r, int64_t begin, int64_t n, void* to) const;

  /// n rows of a (B, H, L, ...) array from row `first` on, times factor: as a panel, lanes behind them 0, or as rows.
  /// `scratch` holds as many rows as a panel has lanes.
  void pack(const View& view, int64_t batch, int64_t head, int64_t first, int64_t n, double factor,
            void* scratch, void* panel) const;
  void pack_rows(const View& view, int64_t batch, int64_t head, int64_t first, int64_t n, double factor,
                 void* rows) const;
  /// The mask of n rows at keys [begin, begin + count), as a panel.
  void pack_bias(int64_t batch, int64_t head, int64_t first, int64_t n, int64_t begin, int64_t count,
                 void* scratch, void* panel) const;

 private:
  void set_sizes();
};

/// Memory of a thread, cut into pieces of whole cache lines.
class Pieces {
 public:
  template <class T>
  T* add(int64_t n) {
    char* out = base_ + used_;
    used_ += (n * int64_t(sizeof(T)) + 63) / 64 * 64;
    return base_ ? reinterpret_cast<T*>(out) : nullptr;
  }
  /// First add() what is needed, then make() and add() the same again.
  void make() {
    base_ = static_cast<char*>(memory_.bytes(used_ + 64));
    used_ = 0;
  }

 private:
  ThreadMemory memory_;
  char* base_ = nullptr;
  int64_t used_ = 0;
};

}  // namespace melix::cpu
