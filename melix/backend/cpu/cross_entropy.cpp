// Kernels of cross_entropy and its gradient. Of a row, the maximum and the sum of exponentials less it are found in one
// reading, block by block: what a block adds is weighed by how far its maximum is from that of those before.
//
// The gradient reads rows twice, the second time from cache unless they are longer than kResident and few; then chunks
// of them are shared by the threads.
#include "melix/ops/cross_entropy.h"

#include <cmath>
#include <limits>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/row_reader.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kResident = 32 * kBlock;  // longest row that one thread takes, if there are few
constexpr int64_t kChunk = 16 * kBlock;     // elements of a task, and of a part of a longer row
constexpr int64_t kManyRows = 64;           // enough of them for all threads

template <class T>
struct Part {
  T max = -std::numeric_limits<T>::infinity();
  double sum = 0;  // of the exponentials, less the maximum
};

template <class T>
Part<T> join(const Part<T>& a, const Part<T>& b) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  if (a.max == -infinity || b.max != b.max) return b;
  if (b.max == -infinity || a.max != a.max) return a;
  const T max = std::max(a.max, b.max);
  if (max == infinity) return {max, 1};
  return {max, a.sum * std::exp(double(a.max) - double(max)) + b.sum * std::exp(double(b.max) - double(max))};
}

template <class T>
class CrossEntropy {
  using Reader = typename RowSource<T>::Reader;

 public:
  // `others` are the class numbers and, for the gradient, the cotangent.
  CrossEntropy(const Call& call, const Shape& shape, size_t others)
      : n_(shape.back()),
        count_(elements(shape) / n_),
        x_(call.region, shape, call.inputs.first(call.inputs.size() - others)),
        max_(simd().fold_block(Fold::max, kCarrier<T>)),
        targets_(places(call.inputs[call.inputs.size() - others])) {}

  void losses(View& out) {
    T* loss = out.as<T>();
    auto store = [&](int64_t row, const Part<T>& of, Reader& reader) {
      const int64_t target = std::clamp<int64_t>(targets_[size_t(row)], 0, n_ - 1);
      loss[row] = T((double(of.max) - double(*reader.read(row * n_ + target, 1))) + std::log(of.sum));
    };
    if (!shared()) {
      return parallel_for(count_, grain(), [&](int64_t begin, int64_t end) {
        Reader reader(x_, kBlock);
        for (int64_t row = begin; row < end; row++) store(row, part_of(reader, row * n_, n_), reader);
      });
    }
    const std::vector<Part<T>> parts = parts_of_rows();
    Reader reader(x_, kBlock);
    for (int64_t row = 0; row < count_; row++) store(row, parts[size_t(row)], reader);
  }

  void gradient(const View& slopes, View& out) {
    RowSource<T> source(slopes);
    if (!shared()) {
      return parallel_for(count_, grain(), [&](int64_t begin, int64_t end) {
        Reader reader(x_, kBlock), slope(source, 1);
        for (int64_t row = begin; row < end; row++)
          write(reader, row, 0, n_, part_of(reader, row * n_, n_), double(*slope.read(row, 1)), out);
      });
    }
    const std::vector<Part<T>> parts = parts_of_rows();
    parallel_for(count_ * chunks(), 1, [&](int64_t begin, int64_t end) {
      Reader reader(x_, kBlock), slope(source, 1);
      for (int64_t task = begin; task < end; task++) {
        const int64_t row = task / chunks(), first = task % chunks() * kChunk;
        write(reader, row, first, std::min(n_, first + kChunk), parts[size_t(row)],
              double(*slope.read(row, 1)), out);
      }
    });
  }

 private:
  bool shared() const { return n_ > kResident && count_ < kManyRows; }
  int64_t grain() const { return std::max<int64_t>(1, kChunk / n_); }
  int64_t chunks() const { return (n_ + kChunk - 1) / kChunk; }

  // Class numbers, negative ones wrapped once.
  std::vector<int64_t> places(const View& targets) const {
    View plain = targets;
    if (!targets.row_major()) copy(targets, plain = allocate_view(targets.shape, targets.dtype));
    std::vector<int64_t> out(static_cast<size_t>(count_));
    with_type(plain.dtype, [&](auto type) {
      for (size_t i = 0; i < out.size(); i++) {
        const int64_t at = convert_element<int64_t>(plain.as<decltype(type)>()[i]);
        out[i] = at < 0 ? at + n_ : at;
      }
    });
    return out;
  }

  Part<T> part_of(Reader& reader, int64_t begin, int64_t n) const {
    Part<T> total;
    T exponentials[kBlock];
    for (int64_t k = 0; k < n; k += kBlock) {
      const int64_t m = std::min(kBlock, n - k);
      const T* x = reader.read(begin + k, m);
      Part<T> part;
      max_(x, m, &part.max);
      const bool finite = std::isfinite(part.max);
      part.sum = finite ? simd().softmax_exp(kCarrier<T>, x, &part.max, m, exponentials) : 1;
      total = k == 0 ? part : join(total, part);
    }
    return total;
  }

  // Of rows that are shared by the threads.
  std::vector<Part<T>> parts_of_rows() const {
    std::vector<Part<T>> parts(size_t(count_ * chunks())), rows(static_cast<size_t>(count_));
    parallel_for(count_ * chunks(), 1, [&](int64_t begin, int64_t end) {
      Reader reader(x_, kBlock);
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task % chunks() * kChunk;
        parts[size_t(task)] = part_of(reader, task / chunks() * n_ + first, std::min(kChunk, n_ - first));
      }
    });
    for (size_t i = 0; i < parts.size(); i++) {
      Part<T>& row = rows[i / size_t(chunks())];
      row = i % size_t(chunks()) == 0 ? parts[i] : join(row, parts[i]);
    }
    return rows;
  }

  // Elements [first, last) of the gradient of a row.
  void write(Reader& reader, int64_t row, int64_t first, int64_t last, const Part<T>& of, double slope,
             View& out) const {
    const bool half = is_half(out.dtype);
    T scratch[kBlock];
    for (int64_t k = first; k < last; k += kBlock) {
      const int64_t m = std::min(kBlock, last - k), i = row * n_ + k, target = targets_[size_t(row)] - k;
      T* y = half ? scratch : out.as<T>() + i;
      simd().softmax_exp(kCarrier<T>, reader.read(i, m), &of.max, m, y);
      simd().softmax_scale(kCarrier<T>, y, m, slope / of.sum);
      if (target >= 0 && target < m) y[target] -= T(slope);
      if (half) simd().narrow(out.dtype, reinterpret_cast<const float*>(y), out.as<uint16_t>() + i, m);
    }
  }

  int64_t n_, count_;
  RowSource<T> x_;
  FoldFn max_;
  std::vector<int64_t> targets_;
};

template <class Run>
void with_carrier(Dtype dtype, Run run) {
  dtype == float64 ? run(double()) : run(float());
}

}  // namespace

void cross_entropy(const Call& call) {
  const Shape& shape = call.region ? *call.region_shape : call.inputs[0].shape;
  if (elements(shape) == 0) return;
  with_carrier(call.outputs[0].dtype,
               [&](auto type) { CrossEntropy<decltype(type)>(call, shape, 1).losses(call.outputs[0]); });
}

void cross_entropy_grad(const Call& call) {
  const Shape& shape = call.inputs[0].shape;
  if (elements(shape) == 0) return;
  with_carrier(call.outputs[0].dtype, [&](auto type) {
    CrossEntropy<decltype(type)>(call, shape, 2).gradient(call.inputs[2], call.outputs[0]);
  });
}

}  // namespace melix::cpu
