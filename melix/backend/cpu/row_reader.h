// Row kernels' view of an operand: contiguous elements of the carrier (float32 or float64), wherever they come from:
// memory as it is, strided or 16-bit memory, a fused region. And memory of their own.
#pragma once

#include <algorithm>

#include "melix/backend/cpu/blocks.h"
#include "melix/core/allocator.h"

namespace melix::cpu {

/// Uninitialised memory for n elements. Throws Code::memory.
template <class T>
struct RowMemory {
  explicit RowMemory(int64_t n) : data(static_cast<T*>(memory::allocate(size_t(n) * sizeof(T), &capacity))) {}
  ~RowMemory() { memory::deallocate(data, capacity); }
  RowMemory(const RowMemory&) = delete;
  RowMemory& operator=(const RowMemory&) = delete;
  size_t capacity;
  T* data;
};

template <class T>
inline constexpr Dtype kCarrier = sizeof(T) == 8 ? float64 : float32;

/// An operand over `shape`: the one view of `inputs`, or a region of them. Everything passed must outlive the object.
template <class T>
class RowSource {
 public:
  RowSource(const Region* region, const Shape& shape, std::span<const View> inputs)
      : blocks_(region, shape, inputs) {
    const View& view = inputs[0];
    if (!region && view.dtype == kCarrier<T> && view.row_major()) direct_ = view.as<T>();
  }
  explicit RowSource(const View& view) : RowSource(nullptr, view.shape, {&view, 1}) {}

  /// One thread's way to read it, at most `most` elements at a time.
  class Reader {
   public:
    Reader(const RowSource& source, int64_t most)
        : direct_(source.direct_), worker_(source.blocks_), scratch_(direct_ || most <= kBlock ? 1 : most) {}
    /// Elements [begin, begin + n) in row-major order; they hold until the next call.
    const T* read(int64_t begin, int64_t n) {
      if (direct_) return direct_ + begin;
      if (n <= kBlock) return static_cast<const T*>(worker_.load(begin, n));
      for (int64_t k = 0; k < n; k += kBlock) {
        const int64_t count = std::min(kBlock, n - k);
        const T* from = static_cast<const T*>(worker_.load(begin + k, count));
        std::copy(from, from + count, scratch_.data + k);
      }
      return scratch_.data;
    }

   private:
    const T* direct_;
    Blocks::Worker worker_;
    RowMemory<T> scratch_;
  };

 private:
  Blocks blocks_;
  const T* direct_ = nullptr;
};

}  // namespace melix::cpu
