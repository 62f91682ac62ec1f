// Kernel of softmax. The axes are [outer, n, inner] in memory:
//
//   inner = 1   rows. One that fits into L2 is read once: maximum, exponentials and their sum, scaling, each over what
//               the one before left in cache. Longer ones are cut into chunks of a fixed size, in parallel; they are
//               read twice: for maximum and sum of each chunk, and for the results.
//   otherwise   stripes of neighbours run along n side by side, their exponentials kept in the output.
//
// float32 sums are kept for blocks of kBlock elements, and added up in float64.
#include "melix/ops/softmax.h"

#include <limits>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/core/allocator.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kResident = 32 * kBlock;  // longest row that is kept in cache
constexpr int64_t kChunk = 16 * kBlock;     // elements of a part of a longer one
constexpr int64_t kStripe = 256;            // columns that run together

template <class T>
class Softmax {
 public:
  explicit Softmax(const Call& call)
      : shape_(call.region ? *call.region_shape : call.inputs[0].shape),
        blocks_(call.region, shape_, call.inputs),
        out_(call.outputs[0]),
        stored_(int64_t(size_of(out_.dtype))),
        half_(is_half(out_.dtype)),
        max_block_(simd().fold_block(Fold::max, kDtype)),
        max_columns_(simd().fold_columns(Fold::max, kDtype)) {
    const Axes& axes = attrs_as<SoftmaxAttrs>(call.attrs).axes;
    for (int d = 0; d < int(shape_.size()); d++) {
      (d < axes[0] ? outer_ : d > axes.back() ? inner_ : n_) *= shape_[uint32_t(d)];
    }
  }

  void run() {
    if (outer_ * n_ * inner_ == 0) return;
    if (inner_ > 1) return columns();
    n_ <= kBlock ? short_rows() : n_ <= kResident ? rows() : long_rows();
  }

 private:
  static constexpr Dtype kDtype = sizeof(T) == 8 ? float64 : float32;

  char* at(int64_t i) const { return static_cast<char*>(out_.data()) + i * stored_; }
  /// Where elements from i on may be computed: in the output, unless it is of 16 bits.
  T* place(int64_t i, T* scratch) const { return half_ ? scratch : reinterpret_cast<T*>(at(i)); }
  void finish(T* values, int64_t n, double factor, int64_t i) const {
    simd().softmax_scale(kDtype, values, n, factor);
    if (half_) simd().narrow(out_.dtype, reinterpret_cast<const float*>(values), at(i), n);
  }

  T max_of(const T* x, int64_t n) const {
    T max;
    max_block_(x, n, &max);
    return max;
  }
  static T join(T a, T b) { return a != a || a > b ? a : b; }

  // Several rows to a block.
  void short_rows() const {
    const int64_t together = kBlock / n_, tasks = (outer_ + together - 1) / together;
    parallel_for(tasks, 16, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      T scratch[kBlock];
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task * together, last = std::min(outer_, first + together);
        const int64_t count = (last - first) * n_;
        T* y = place(first * n_, scratch);
        simd().softmax_rows(kDtype, worker.load(first * n_, count), last - first, n_, y);
        if (half_) simd().narrow(out_.dtype, reinterpret_cast<const float*>(y), at(first * n_), count);
      }
    });
  }

  void rows() const {
    parallel_for(outer_, std::max<int64_t>(1, kChunk / n_), [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      Row row(half_ ? n_ : 1);
      for (int64_t r = begin; r < end; r++) {
        T* y = place(r * n_, row.data);
        const T max = read(worker, r * n_, n_, y);
        finish(y, n_, 1 / exponentials(y, n_, max, y), r * n_);
      }
    });
  }

  // Copies n elements from i on to y, and gives their maximum.
  T read(Blocks::Worker& worker, int64_t i, int64_t n, T* y) const {
    T max = -std::numeric_limits<T>::infinity();
    for (int64_t k = 0; k < n; k += kBlock) {
      const int64_t m = std::min(kBlock, n - k);
      const T* x = static_cast<const T*>(worker.load(i + k, m));
      max = k == 0 ? max_of(x, m) : join(max, max_of(x, m));
      std::copy(x, x + m, y + k);
    }
    return max;
  }
  double exponentials(const T* x, int64_t n, T max, T* y) const {
    double sum = 0;
    for (int64_t k = 0; k < n; k += kBlock) {
      sum += simd().softmax_exp(kDtype, x + k, &max, std::min(kBlock, n - k), y + k);
    }
    return sum;
  }

  struct Part {
    T max;
    double sum;  // of the exponentials, less the maximum
  };

  void long_rows() const {
    const int64_t chunks = (n_ + kChunk - 1) / kChunk;
    std::vector<Part> parts(size_t(outer_ * chunks)), totals(static_cast<size_t>(outer_));
    parallel_for(outer_ * chunks, 1, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      Row values(kChunk);
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task % chunks * kChunk, n = std::min(kChunk, n_ - first);
        const T max = read(worker, task / chunks * n_ + first, n, values.data);
        parts[size_t(task)] = {max, exponentials(values.data, n, max, values.data)};
      }
    });
    for (int64_t row = 0; row < outer_; row++)
      totals[size_t(row)] = total_of(&parts[size_t(row * chunks)], chunks);
    parallel_for(outer_ * chunks, 1, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      T scratch[kBlock];
      for (int64_t task = begin; task < end; task++) {
        const int64_t row = task / chunks, first = task % chunks * kChunk,
                      last = std::min(n_, first + kChunk);
        const Part& total = totals[size_t(row)];
        for (int64_t k = first; k < last; k += kBlock) {
          const int64_t m = std::min(kBlock, last - k), i = row * n_ + k;
          T* y = place(i, scratch);
          simd().softmax_exp(kDtype, worker.load(i, m), &total.max, m, y);
          finish(y, m, 1 / total.sum, i);
        }
      }
    });
  }

  static Part total_of(const Part* parts, int64_t chunks) {
    Part total{parts[0].max, 0};
    for (int64_t c = 1; c < chunks; c++) total.max = join(total.max, parts[c].max);
    const T nothing = -std::numeric_limits<T>::infinity();
    for (int64_t c = 0; c < chunks; c++) {
      if (parts[c].max == nothing && total.max != nothing) continue;  // its own sum is NaN
      T weight;
      simd().softmax_exp(kDtype, &parts[c].max, &total.max, 1, &weight);
      total.sum += parts[c].sum * double(weight);
    }
    return total;
  }

  void columns() const {
    const int64_t width = std::min(kStripe, inner_), stripes = (inner_ + width - 1) / width;
    parallel_for(outer_ * stripes, std::max<int64_t>(1, kChunk / (width * n_)),
                 [&](int64_t begin, int64_t end) {
                   Blocks::Worker worker(blocks_);
                   Row values(half_ ? width * n_ : 1);
                   for (int64_t task = begin; task < end; task++) {
                     const int64_t first = task % stripes * width;
                     stripe(worker, task / stripes * n_ * inner_ + first, std::min(width, inner_ - first),
                            values.data);
                   }
                 });
  }

  // `width` columns from element i on.
  void stripe(Blocks::Worker& worker, int64_t i, int64_t width, T* scratch) const {
    T max[kStripe];
    double sums[kStripe] = {};
    for (int64_t k = 0; k < n_; k++) {
      const T* x = static_cast<const T*>(worker.load(i + k * inner_, width));
      T* y = half_ ? scratch + k * width : place(i + k * inner_, nullptr);
      std::copy(x, x + width, y);
      k == 0 ? void(std::copy(x, x + width, max)) : max_columns_(x, width, max);
    }
    for (int64_t k = 0; k < n_; k++) {
      T* y = half_ ? scratch + k * width : place(i + k * inner_, nullptr);
      simd().softmax_exp_columns(kDtype, y, max, width, y, sums);
    }
    for (int64_t c = 0; c < width; c++) sums[c] = 1 / sums[c];
    for (int64_t k = 0; k < n_; k++) {
      T* y = half_ ? scratch + k * width : place(i + k * inner_, nullptr);
      simd().softmax_scale_columns(kDtype, y, width, sums);
      if (half_) simd().narrow(out_.dtype, reinterpret_cast<const float*>(y), at(i + k * inner_), width);
    }
  }

  struct Row {
    explicit Row(int64_t n) : data(static_cast<T*>(memory::allocate(size_t(n) * sizeof(T), &capacity))) {}
    ~Row() { memory::deallocate(data, capacity); }
    Row(const Row&) = delete;
    Row& operator=(const Row&) = delete;
    size_t capacity;
    T* data;
  };

  const Shape& shape_;
  Blocks blocks_;
  View& out_;
  int64_t stored_;
  bool half_;
  FoldFn max_block_, max_columns_;
  int64_t outer_ = 1, n_ = 1, inner_ = 1;
};

}  // namespace

void softmax(const Call& call) {
  call.outputs[0].dtype == float64 ? Softmax<double>(call).run() : Softmax<float>(call).run();
}

}  // namespace melix::cpu
