// Reductions: the split of rows and columns into blocks and chunks. Which elements are folded together depends on the
// shape alone: blocks of kBlock by the vector loops (simd/fold.cpp), blocks into chunks and chunks into results one
// after the other, sums of floats in double.
#include <algorithm>
#include <complex>
#include <cstring>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"
#include "melix/ops/reduce.h"

namespace melix::cpu {
namespace {

constexpr int64_t kChunk = 64 * kBlock;   // elements of one row that one task folds
constexpr int64_t kColumns = 8 * kBlock;  // columns that one task folds: rows are read in long runs
constexpr int64_t kRowsPerPass =
    64;                            // rows added up in the accumulators' own precision before they are widened
constexpr int64_t kShortRow = 16;  // fewer columns than this are folded as strided rows

// The type in which results of blocks are put together: `Block` is what a vector loop gives.
template <Fold kFold, class Block>
struct Wide {
  using type = Block;
};
template <>
struct Wide<Fold::sum, float> {
  using type = double;
};
template <>
struct Wide<Fold::sum, complex64_t> {
  using type = std::complex<double>;
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
bool before(T a, T b) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
  } else {
    return a < b;
  }
}

// Puts two results together. Integers wrap through the unsigned type.
template <Fold kFold, class T>
T join(T a, T b) {
  if constexpr (kFold == Fold::max || kFold == Fold::any) {
    return is_nan(a) || (!is_nan(b) && before(b, a)) ? a : b;
  } else if constexpr (kFold == Fold::min || kFold == Fold::all) {
    return is_nan(a) || (!is_nan(b) && before(a, b)) ? a : b;
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return T(kFold == Fold::sum ? U(a) + U(b) : U(a) * U(b));
  } else {
    return kFold == Fold::sum ? a + b : a * b;
  }
}

// How the argument is walked: outer x rows x columns in row-major order. Columns are 1 where the last axis is reduced.
struct Walk {
  Shape shape;              // permuted
  std::vector<View> views;  // broadcast and permuted
  int64_t outer = 1, rows = 1, columns = 1;
};

View permuted(const View& view, const Shape& shape, std::span<const uint32_t> order) {
  Strides strides = broadcast_strides(view.shape, view.strides, shape);
  View out = view;
  out.shape.clear();
  out.strides.clear();
  for (uint32_t d : order) {
    out.shape.push_back(shape[d]);
    out.strides.push_back(strides[d]);
  }
  return out;
}

Walk make_walk(const Call& call) {
  const Shape& shape = call.region ? *call.region_shape : call.inputs[0].shape;
  const Axes& axes = attrs_as<ReduceAttrs>(call.attrs).axes;
  auto is_reduced = [&](uint32_t d) { return std::find(axes.begin(), axes.end(), int(d)) != axes.end(); };
  Walk walk;
  uint32_t behind = shape.size();  // first of the kept axes behind the last reduced one
  while (behind > 0 && !is_reduced(behind - 1)) walk.columns *= shape[--behind];
  if (walk.columns < kShortRow) {
    behind = shape.size();
    walk.columns = 1;
  }
  SmallVector<uint32_t, 8> order;
  for (uint32_t d = 0; d < behind; d++) {
    if (!is_reduced(d)) order.push_back(d), walk.outer *= shape[d];
  }
  for (uint32_t d = 0; d < shape.size(); d++) {
    if (is_reduced(d)) order.push_back(d), walk.rows *= shape[d];
  }
  for (uint32_t d = behind; d < shape.size(); d++) order.push_back(d);
  for (uint32_t d : order) walk.shape.push_back(shape[d]);
  for (const View& view : call.inputs) walk.views.push_back(permuted(view, shape, order));
  return walk;
}

template <Fold kFold, class Block>
class Reduction {
  using Result = typename Wide<kFold, Block>::type;

 public:
  Reduction(const Call& call, Dtype carrier)
      : walk_(make_walk(call)),
        blocks_(call.region, walk_.shape, walk_.views),
        out_(call.outputs[0]),
        fold_block_(simd().fold_block(kFold, carrier)),
        fold_columns_(simd().fold_columns(kFold, carrier)),
        bytes_(int64_t(size_of(carrier))) {}

  void run() {
    int64_t results = walk_.outer * walk_.columns;
    if (results == 0) return;
    if (walk_.rows == 0) return start_only(results);
    if (walk_.columns > 1) return columns();
    walk_.rows <= kBlock ? short_rows() : long_rows();
  }

 private:
  void store(int64_t i, Result value) {
    with_type(out_.dtype, [&](auto type) {
      using To = decltype(type);
      if constexpr (std::is_same_v<Result, std::complex<double>>) {
        out_.as<To>()[i] = convert_element<To>(complex64_t(value));
      } else {
        out_.as<To>()[i] = convert_element<To>(value);
      }
    });
  }

  // Nothing to fold: 0 for sums, 1 for products, true for all. (max and min of nothing are refused by their rules.)
  void start_only(int64_t results) {
    bool one = kFold == Fold::prod || kFold == Fold::all;
    for (int64_t i = 0; i < results; i++) store(i, Result(one ? 1 : 0));
  }

  // Several rows to a block.
  void short_rows() {
    int64_t together = kBlock / walk_.rows;
    int64_t tasks = (walk_.outer + together - 1) / together;
    parallel_for(tasks, 16, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      for (int64_t task = begin; task < end; task++) {
        int64_t first = task * together, last = std::min(walk_.outer, first + together);
        const char* x =
            static_cast<const char*>(worker.load(first * walk_.rows, (last - first) * walk_.rows));
        for (int64_t row = first; row < last; row++, x += walk_.rows * bytes_) {
          Block block;
          fold_block_(x, walk_.rows, &block);
          store(row, Result(block));
        }
      }
    });
  }

  Result chunk(Blocks::Worker& worker, int64_t begin, int64_t end) {
    Result total{};
    for (int64_t at = begin; at < end; at += kBlock) {
      int64_t n = std::min(kBlock, end - at);
      Block block;
      fold_block_(worker.load(at, n), n, &block);
      total = at == begin ? Result(block) : join<kFold>(total, Result(block));
    }
    return total;
  }

  void long_rows() {
    int64_t chunks = (walk_.rows + kChunk - 1) / kChunk;
    std::vector<Result> parts(chunks > 1 ? size_t(walk_.outer * chunks) : 0);
    int64_t grain = std::max<int64_t>(1, kChunk / walk_.rows);
    parallel_for(walk_.outer * chunks, grain, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      for (int64_t task = begin; task < end; task++) {
        int64_t row = task / chunks, first = task % chunks * kChunk;
        Result part =
            chunk(worker, row * walk_.rows + first, row * walk_.rows + std::min(walk_.rows, first + kChunk));
        chunks > 1 ? void(parts[size_t(task)] = part) : store(row, part);
      }
    });
    if (chunks > 1) join_parts(parts, walk_.outer, chunks, 1);
  }

  // parts: [outer][chunks][columns], folded over chunks in order.
  void join_parts(const std::vector<Result>& parts, int64_t outer, int64_t chunks, int64_t columns) {
    parallel_for(outer * columns, 8192, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const Result* part = parts.data() + i / columns * chunks * columns + i % columns;
        Result total = *part;
        for (int64_t k = 1; k < chunks; k++) total = join<kFold>(total, part[k * columns]);
        store(i, total);
      }
    });
  }

  // Running results of columns before anything was folded; `x` is the first row, where there is no neutral element.
  void start_pass(const void* x, int64_t n, Block* pass) {
    if constexpr (kFold == Fold::sum || kFold == Fold::prod) {
      std::fill_n(pass, n, Block(kFold == Fold::prod ? 1 : 0));
    } else {
      std::memcpy(pass, x, size_t(n) * sizeof(Block));  // accumulators of choices have the elements' type
    }
  }

  // Folds rows [first, last) of a stripe of n columns into `total`: kRowsPerPass rows in the elements' own precision,
  // passes in the wider one.
  void stripe(Blocks::Worker& worker, int64_t outer, int64_t column, int64_t n, int64_t first, int64_t last,
              Block* pass, Result* total) {
    for (int64_t row = first; row < last; row += kRowsPerPass) {
      int64_t end = std::min(last, row + kRowsPerPass);
      for (int64_t r = row; r < end; r++) {
        for (int64_t c = 0; c < n; c += kBlock) {
          int64_t count = std::min(kBlock, n - c);
          const void* x = worker.load((outer * walk_.rows + r) * walk_.columns + column + c, count);
          if (r == row) start_pass(x, count, pass + c);
          fold_columns_(x, count, pass + c);
        }
      }
      for (int64_t i = 0; i < n; i++)
        total[i] = row == first ? Result(pass[i]) : join<kFold>(total[i], Result(pass[i]));
    }
  }

  void columns() {
    int64_t width = std::min(kColumns, walk_.columns), stripes = (walk_.columns + width - 1) / width;
    // Arguments with few stripes are cut into chunks of rows too.
    int64_t height = std::max<int64_t>(kRowsPerPass, 8 * kChunk / width);
    int64_t chunks = walk_.outer * stripes >= 64 ? 1 : (walk_.rows + height - 1) / height;
    if (chunks == 1) height = walk_.rows;
    std::vector<Result> parts(chunks > 1 ? size_t(walk_.outer * chunks * walk_.columns) : 0);
    int64_t grain = std::max<int64_t>(1, 32768 / (width * height));
    parallel_for(walk_.outer * chunks * stripes, grain, [&](int64_t begin, int64_t end) {
      Blocks::Worker worker(blocks_);
      std::vector<Block> pass(static_cast<size_t>(width));
      std::vector<Result> total(static_cast<size_t>(width));
      for (int64_t task = begin; task < end; task++) {
        int64_t column = task % stripes * width, part = task / stripes, outer = part / chunks;
        int64_t first = part % chunks * height, last = std::min(walk_.rows, first + height);
        int64_t n = std::min(width, walk_.columns - column);
        stripe(worker, outer, column, n, first, last, pass.data(), total.data());
        for (int64_t i = 0; i < n; i++) {
          if (chunks > 1) {
            parts[size_t(part * walk_.columns + column + i)] = total[size_t(i)];
          } else {
            store(outer * walk_.columns + column + i, total[size_t(i)]);
          }
        }
      }
    });
    if (chunks > 1) join_parts(parts, walk_.outer, chunks, walk_.columns);
  }

  Walk walk_;
  Blocks blocks_;
  View& out_;
  FoldFn fold_block_, fold_columns_;
  int64_t bytes_;
};

template <Fold kFold>
void reduce(const Call& call) {
  Dtype in = call.region ? call.region->dtype(call.region->outputs[0]) : call.inputs[0].dtype;
  Dtype carrier = carrier_of(in);
  constexpr bool kArithmetic = kFold == Fold::sum || kFold == Fold::prod;
  if constexpr (kFold == Fold::all || kFold == Fold::any) return Reduction<kFold, uint8_t>(call, bool_).run();
  // Short integers are added up and multiplied in 32 bits; bool too.
  switch (carrier) {
    case bool_:
      return Reduction<kFold, std::conditional_t<kArithmetic, int32_t, uint8_t>>(call, carrier).run();
    case uint8:
      return Reduction<kFold, std::conditional_t<kArithmetic, uint32_t, uint8_t>>(call, carrier).run();
    case uint16:
      return Reduction<kFold, std::conditional_t<kArithmetic, uint32_t, uint16_t>>(call, carrier).run();
    case uint32:
      return Reduction<kFold, uint32_t>(call, carrier).run();
    case uint64:
      return Reduction<kFold, uint64_t>(call, carrier).run();
    case int8:
      return Reduction<kFold, std::conditional_t<kArithmetic, int32_t, int8_t>>(call, carrier).run();
    case int16:
      return Reduction<kFold, std::conditional_t<kArithmetic, int32_t, int16_t>>(call, carrier).run();
    case int32:
      return Reduction<kFold, int32_t>(call, carrier).run();
    case int64:
      return Reduction<kFold, int64_t>(call, carrier).run();
    case float64:
      return Reduction<kFold, double>(call, carrier).run();
    case complex64:
      return Reduction<kFold, complex64_t>(call, carrier).run();
    default:
      return Reduction<kFold, float>(call, carrier).run();
  }
}

}  // namespace

void sum(const Call& call) { reduce<Fold::sum>(call); }
void prod(const Call& call) { reduce<Fold::prod>(call); }
void max(const Call& call) { reduce<Fold::max>(call); }
void min(const Call& call) { reduce<Fold::min>(call); }
void all(const Call& call) { reduce<Fold::all>(call); }
void any(const Call& call) { reduce<Fold::any>(call); }

}  // namespace melix::cpu
