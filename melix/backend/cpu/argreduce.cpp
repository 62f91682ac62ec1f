// Kernels of argmax and argmin. A block of a long row is searched for its best element only when that is better than
// all before: in the end the search costs little more than max. An axis with many elements behind it is searched in
// stripes of neighbours; one with few is read with gaps.
#include "melix/ops/argreduce.h"

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kChunk = 64 * kBlock;  // elements of one row that one task searches
constexpr int64_t kWideInner = 16;       // fewer columns than this are read as rows with gaps

// How the argument is walked: outer x n x inner in row-major order, the axis in the middle.
struct Walk {
  Shape shape;
  std::vector<View> views;  // broadcast to the shape
  int64_t outer = 1, n = 1, inner = 1;

  Walk(const Call& call, int axis) : shape(call.region ? *call.region_shape : call.inputs[0].shape) {
    for (int d = 0; d < int(shape.size()); d++) {
      (axis < 0 || d == axis ? n : d < axis ? outer : inner) *= shape[uint32_t(d)];
    }
    for (View view : call.inputs) {
      view.strides = broadcast_strides(view.shape, view.strides, shape);
      view.shape = shape;
      views.push_back(std::move(view));
    }
    if (axis < 0 || inner == 1 || inner >= kWideInner) return;
    auto to_the_end = [axis](auto& values) {
      auto value = values[uint32_t(axis)];
      values.erase(values.begin() + axis);
      values.push_back(value);
    };
    to_the_end(shape);
    for (View& view : views) {
      to_the_end(view.strides);
      view.shape = shape;
    }
    outer *= inner;
    inner = 1;
  }
};

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return x.real() != x.real() || x.imag() != x.imag();
  } else {
    return x != x;
  }
}

template <class T>
bool less(T a, T b) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
  } else {
    return a < b;
  }
}

template <bool kLargest, class T>
class ArgReduction {
 public:
  ArgReduction(const Call& call, Dtype carrier)
      : walk_(call, attrs_as<ArgReduceAttrs>(call.attrs).axis),
        blocks_(call.region, walk_.shape, walk_.views),
        out_(call.outputs[0].as<uint32_t>()),
        carrier_(carrier) {}

  void run() {
    if (walk_.outer * walk_.inner == 0) return;
    if (walk_.inner > 1) return columns();
    walk_.n <= kBlock ? short_rows() : long_rows();
  }

 private:
  struct Best {
    T value;
    int64_t index;
  };

  static bool before(T a, T b) { return !is_nan(b) && (is_nan(a) || (kLargest ? less(b, a) : less(a, b))); }

  // Searches n elements, the first of which has number `at`.
  void search(const T* x, int64_t n, int64_t at, Best* best) const {
    T value;
    simd().choose_value(kLargest, carrier_, x, n, &value);
    if (at > best->index && !before(value, best->value)) return;
    *best = {value, at + simd().find_first(carrier_, x, n, &value)};
  }

  // Several rows to a block.
  void short_rows() const {
    const int64_t together = kBlock / walk_.n, tasks = (walk_.outer + together - 1) / together;
    parallel_for(tasks, 16, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task * together, last = std::min(walk_.outer, first + together);
        const void* x = worker.load(first * walk_.n, (last - first) * walk_.n);
        simd().choose_rows(kLargest, carrier_, x, last - first, walk_.n, out_ + first);
      }
    });
  }

  void long_rows() const {
    const int64_t chunks = (walk_.n + kChunk - 1) / kChunk;
    std::vector<Best> parts(static_cast<size_t>(walk_.outer * chunks));
    const int64_t grain = std::max<int64_t>(1, kChunk / walk_.n);
    parallel_for(walk_.outer * chunks, grain, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      for (int64_t task = begin; task < end; task++) {
        const int64_t row = task / chunks, first = task % chunks * kChunk,
                      last = std::min(walk_.n, first + kChunk);
        Best best{T(), first};
        for (int64_t at = first; at < last; at += kBlock) {
          const int64_t n = std::min(kBlock, last - at);
          search(static_cast<const T*>(worker.load(row * walk_.n + at, n)), n, at, &best);
        }
        parts[size_t(task)] = best;
      }
    });
    for (int64_t row = 0; row < walk_.outer; row++) {
      const Best* part = &parts[size_t(row * chunks)];
      Best best = part[0];
      for (int64_t c = 1; c < chunks; c++) best = before(part[c].value, best.value) ? part[c] : best;
      out_[row] = uint32_t(best.index);
    }
  }

  void columns() const {
    const int64_t width = std::min(kBlock, walk_.inner), stripes = (walk_.inner + width - 1) / width;
    const int64_t grain = std::max<int64_t>(1, 32768 / (width * walk_.n));
    parallel_for(walk_.outer * stripes, grain, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      T best[kBlock];
      for (int64_t task = begin; task < end; task++) {
        const int64_t row = task / stripes, column = task % stripes * width,
                      n = std::min(width, walk_.inner - column);
        uint32_t* index = out_ + row * walk_.inner + column;
        for (int64_t k = 0; k < walk_.n; k++) {
          const void* x = worker.load((row * walk_.n + k) * walk_.inner + column, n);
          if (k == 0) {
            std::copy_n(static_cast<const T*>(x), n, best);
            std::fill_n(index, n, 0u);
          } else {
            simd().choose_columns(kLargest, carrier_, x, n, uint32_t(k), best, index);
          }
        }
      }
    });
  }

  Walk walk_;
  Blocks blocks_;
  uint32_t* out_;
  Dtype carrier_;
};

template <bool kLargest>
void arg_reduce(const Call& call) {
  const Dtype carrier =
      carrier_of(call.region ? call.region->dtype(call.region->outputs[0]) : call.inputs[0].dtype);
  switch (carrier) {
    case bool_:
    case uint8:
      return ArgReduction<kLargest, uint8_t>(call, carrier).run();
    case uint16:
      return ArgReduction<kLargest, uint16_t>(call, carrier).run();
    case uint32:
      return ArgReduction<kLargest, uint32_t>(call, carrier).run();
    case uint64:
      return ArgReduction<kLargest, uint64_t>(call, carrier).run();
    case int8:
      return ArgReduction<kLargest, int8_t>(call, carrier).run();
    case int16:
      return ArgReduction<kLargest, int16_t>(call, carrier).run();
    case int32:
      return ArgReduction<kLargest, int32_t>(call, carrier).run();
    case int64:
      return ArgReduction<kLargest, int64_t>(call, carrier).run();
    case float64:
      return ArgReduction<kLargest, double>(call, carrier).run();
    case complex64:
      return ArgReduction<kLargest, complex64_t>(call, carrier).run();
    default:
      return ArgReduction<kLargest, float>(call, carrier).run();
  }
}

}  // namespace

void argmax(const Call& call) { arg_reduce<true>(call); }
void argmin(const Call& call) { arg_reduce<false>(call); }

}  // namespace melix::cpu
