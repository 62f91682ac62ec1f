// Blocks: a region evaluated a block at a time in L1. Every operation is one vectorised loop over the block; memory is
// read and written once for the whole region.
//
//   inputs in memory          scratch (per thread)                  outputs in memory
//   x  contiguous   ------------------------------>  v3 = x * v1  -----> direct
//   s  scalar       --fill-->  v1 [s s s s ...]
//   t  transposed   --gather-> v2 [.........]        v4 = v3 + v2
#pragma once

#include <vector>

#include "melix/backend/cpu/simd/simd.h"
#include "melix/graph/region.h"

namespace melix::cpu {

/// Elements of a block. Reductions rely on it being the same for every region: partial sums end at its multiples.
inline constexpr int64_t kBlock = 1024;

class Blocks {
 public:
  /// A region over `shape`; the inputs broadcast to it and may have any strides. Null: the one value is inputs[0].
  /// Everything passed must outlive the object.
  Blocks(const Region* region, std::span<const int64_t> shape, std::span<const View> inputs);

  /// What one thread needs to evaluate blocks. Throws Code::memory.
  class Worker {
   public:
    explicit Worker(const Blocks& blocks);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Evaluates elements [begin, begin + n) in row-major order, n <= kBlock. Output k of the region goes to out[k]
    /// (an address in memory of its stored dtype).
    void store(int64_t begin, int64_t n, void* const* out);
    /// Evaluates the same for a region of one output and gives its address, in the carrier dtype.
    const void* load(int64_t begin, int64_t n);

   private:
    void inputs(int64_t begin, int64_t n);
    void run(int64_t n, void* const* out);

    const Blocks& blocks_;
    char* scratch_;
    size_t capacity_;
    SmallVector<const void*, 16> values_;  // where each value of the region is
  };

 private:
  enum class Access : uint8_t { direct, scalar, gather };

  struct Source {
    const char* base;
    Dtype dtype;
    Access access;
    uint32_t place;    // scratch slot
    uint32_t staging;  // second slot, for 16-bit elements before they are widened
    Shape shape;       // collapsed, for gather
    Strides strides;
  };

  struct Operation {
    ElementwiseFn kernel;
    Dtype round;              // 16-bit dtype the result is rounded to, or float32
    int16_t output;           // number of the region's output, or -1
    bool last_use_is_output;  // nobody reads the value after it is stored
    uint8_t arity;
    uint16_t args[3];
    uint32_t place;
  };

  uint32_t new_slot() { return slots_++; }
  void add_source(const View& view, std::span<const int64_t> shape);
  void add_operations(const Region& region);
  void gather(const Source& source, int64_t begin, int64_t n, char* to) const;

  SmallVector<Source, 4> sources_;
  SmallVector<Operation, 8> operations_;
  uint32_t slots_ = 0;
  uint16_t output_ = 0;  // value that load gives
};

/// Backend functions (see backend.h).
void run_region(const Region& region, const Shape& shape, std::span<const View> inputs,
                std::span<View> outputs);
void copy(const View& from, View& to);

}  // namespace melix::cpu
