// Rows to be sorted: their elements as keys, in order, and put back. Shared by the kernels of ops/sort.
#pragma once

#include "melix/backend/cpu/key_sort.h"
#include "melix/graph/array.h"

namespace melix::cpu {

/// Elements that a thread takes at a time from a long row.
inline constexpr int64_t kRowPiece = int64_t(1) << 16;
inline int64_t row_pieces(int64_t n) { return (n + kRowPiece - 1) / kRowPiece; }

/// The rows along the last axis of a window of any strides.
class Rows {
 public:
  explicit Rows(const View& view);

  int64_t count() const { return count_; }
  int64_t length() const { return length_; }
  Dtype dtype() const { return dtype_; }
  int64_t bytes() const { return bytes_; }
  /// Bytes from one element of a row to the next.
  int64_t step() const { return stride_ * bytes_; }
  const char* row(int64_t i) const;

  /// Keys of elements [begin, end) of a row.
  template <class Key>
  void keys(const char* row, int64_t begin, int64_t end, Key* to, SortSpecials* specials) const {
    static_assert(sizeof(Key) >= 4);
    load(row, begin, end, reinterpret_cast<char*>(to), sizeof(Key), specials);
  }
  /// All keys of a row, in parallel where it is long.
  template <class Key>
  SortSpecials keys(const char* row, Key* to) const {
    return load_all(row, reinterpret_cast<char*>(to), sizeof(Key));
  }

 private:
  void load(const char* row, int64_t begin, int64_t end, char* to, int64_t key_bytes,
            SortSpecials* specials) const;
  SortSpecials load_all(const char* row, char* to, int64_t key_bytes) const;

  const char* base_;
  Dtype dtype_;
  int64_t bytes_, count_ = 1, length_, stride_;
  Shape outer_;
  Strides strides_;
};

/// Runs body(begin, end) for ranges of all rows: short ones in parallel, long ones in one range on the caller (each is
/// parallel in itself).
void for_rows(const Rows& rows, function_ref<void(int64_t begin, int64_t end)> body);

/// The places of a row's elements in order, in parallel where it is long. Keeps its memory for the next row.
class Ordering {
 public:
  explicit Ordering(const Rows& rows);
  void run(const char* row, uint32_t* places);

 private:
  void pair(const char* row, int64_t begin, int64_t end);
  void finish(uint64_t* pairs, int64_t n, uint64_t* others, uint32_t* places) const;
  void order_ties(uint64_t* pairs, int64_t n, uint64_t* others) const;

  const Rows& rows_;
  const int64_t n_;
  const bool wide_;
  Scratch<uint64_t> keys_, pairs_, others_;
  // Of 64-bit keys a pair has what they are more than base_, without the lowest shift_ bits.
  uint64_t base_ = 0;
  int shift_ = 0;
};

/// Calls body(Key()) with the type of the keys of a dtype.
template <class Body>
void with_key(Dtype dtype, Body&& body) {
  size_of(dtype) <= 4 ? body(uint32_t()) : body(uint64_t());
}

}  // namespace melix::cpu
