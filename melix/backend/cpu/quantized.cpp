// Products with quantized weights, quantize, dequantize and the 8-bit floats, over all threads.
//
// Rows of x that meet the same matrix of the weight are multiplied together:
//   up to kFewRows   each row of the weight is read once and met in registers          simd/quant_dot.cpp
//   more, or x @ w   pieces of the weight become float32 (float64) in a panel that stays in L2, and are multiplied by
//                    the kernels of dense products; sums of parts of k are added in order
// Which of them, and the pieces, follow from shapes (and for gathers from which rows share a matrix), never threads.
#include "melix/ops/quantized.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/products.h"
#include "melix/backend/cpu/simd/quant.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kFewRows = kQuantRows;
constexpr int64_t kDotWork = 1 << 16;  // weights of a task of few rows
constexpr int64_t kPartOfK = 1024;     // of a panel: 128 rows of them, or columns of 256, are 512 or 1024 KB
constexpr int64_t kPanelRowsOfW = 128;
constexpr int64_t kPanelColumns = 256;  // a multiple of every block
constexpr int64_t kRowsOfTile = 512;    // of x, for which a panel is unpacked once
constexpr int64_t kGrain = 1 << 14;     // elements of a task of quantize and dequantize

// The matrices of a quantized weight in memory.
struct Weights {
  QuantLayout layout;
  QuantPart base;
  int64_t rows, columns;  // of the values of one matrix
  QuantPart at(int64_t row) const {
    return {base.packed + row * layout.row_bytes, base.scales + row * layout.row_scales,
            base.biases + row * layout.row_scales};
  }
  // A part of a row, from a column on.
  QuantPart at(int64_t row, int64_t column) const {
    QuantPart p = at(row);
    const QuantFacts& f = facts_of(layout.format);
    const int64_t scale_bytes = f.kind == QuantKind::affine ? int64_t(size_of(layout.dtype)) : 1;
    p.packed += column / f.elements * f.bytes;
    if (f.kind == QuantKind::blocks) return p;
    p.scales += column / layout.group * scale_bytes;
    p.biases += column / layout.group * scale_bytes;
    return p;
  }
};

float global_factor(std::span<const View> in, size_t i) {
  constexpr float kReach = 448.0f * 6.0f;  // the largest scale times the largest code
  return in.size() > i ? *in[i].as<float>() / kReach : 1.0f;
}

Weights weights_of(const QuantAttrs& at, std::span<const View> in) {
  const QuantFacts& f = facts_of(at.format);
  const View& w = in[0];
  Weights out;
  out.rows = w.shape[w.shape.size() - 2];
  out.layout = {at.format, float32, at.group, 1.0f, w.shape.back() * int64_t(size_of(w.dtype)), 0};
  out.columns = out.layout.row_bytes / f.bytes * f.elements;
  // Blocks have no scales: their addresses go along with the bytes, and are not read.
  out.base = {w.as<uint8_t>(), w.as<uint8_t>(), w.as<uint8_t>()};
  if (f.kind != QuantKind::blocks) {
    out.layout.dtype = in[1].dtype;
    out.layout.row_scales = out.columns / at.group * int64_t(size_of(in[1].dtype));
    out.base.scales = out.base.biases = in[1].as<uint8_t>();
    if (f.kind == QuantKind::affine) out.base.biases = in[2].as<uint8_t>();
    if (f.kind == QuantKind::e4m3) out.layout.global = global_factor(in, 2);
  }
  return out;
}

// Which row of x meets which matrix and gives which row of the result.
struct Pairing {
  int64_t x, out;
};
// Rows that share a matrix: pairs [begin, end).
struct Job {
  int64_t matrix, begin, end;
};

class Product {
 public:
  Product(const QuantAttrs& at, const View& x, std::span<const View> weight, View& out)
      : w_(weights_of(at, weight)),
        transpose_(at.transpose),
        x_(x),
        out_(out),
        k_(x.shape.back()),
        n_(out.shape.back()),
        m_(x.shape[x.shape.size() - 2]),
        dtype_(carrier_of(out.dtype)),
        bytes_(int64_t(size_of(dtype_))) {}

  // Matrix `matrix` of the weight meets m rows of x from matrix `from` on, for result number `to`.
  void pair(int64_t from, int64_t matrix, int64_t to) { met_.push_back({matrix, from, to}); }

  void run() {
    group_pairs();
    widen_x();
    make_tasks();
    parallel_for(int64_t(tasks_.size()), 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(dtype_);
      for (int64_t i = begin; i < end; i++) {
        const Task& task = tasks_[size_t(i)];
        task.few ? few_rows(task, scratch) : panels(task, scratch);
      }
    });
  }

 private:
  struct Met {
    int64_t matrix, from, to;
  };
  struct Task {
    int64_t matrix, begin, end;  // pairs
    int64_t first, count;        // columns of the result
    bool few;
  };
  struct Scratch {
    explicit Scratch(Dtype dtype) : tile(dtype) {}
    TileProduct tile;
    ThreadMemory panel, x, y, part, row;
  };

  void group_pairs() {
    std::stable_sort(met_.begin(), met_.end(),
                     [](const Met& a, const Met& b) { return a.matrix < b.matrix; });
    pairs_.reserve(met_.size() * size_t(m_));
    for (const Met& met : met_) {
      if (jobs_.empty() || jobs_.back().matrix != met.matrix) {
        jobs_.push_back({met.matrix, int64_t(pairs_.size()), int64_t(pairs_.size())});
      }
      for (int64_t r = 0; r < m_; r++) pairs_.push_back({met.from * m_ + r, met.to * m_ + r});
      jobs_.back().end = int64_t(pairs_.size());
    }
  }

  bool is_few(const Job& job) const {
    return transpose_ && dtype_ == float32 && job.end - job.begin <= kFewRows;
  }

  // x as what products are made in, and the sums of its steps where biases multiply them.
  void widen_x() {
    const int64_t rows = elements(x_.shape) / std::max<int64_t>(k_, 1);
    const bool half = is_half(x_.dtype);
    wide_ = x_.as<char>();
    if (half) wide_ = static_cast<char*>(wide_memory_.bytes(rows * k_ * 4));
    const bool few = std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) { return is_few(job); });
    const bool sums = few && facts_of(w_.layout.format).biased;
    step_ = simd().quant_step(w_.layout.format, w_.layout.group);
    sums_row_ = (k_ / step_ + kQuantPad - 1) / kQuantPad * kQuantPad;
    if (sums) sums_ = static_cast<float*>(sums_memory_.bytes(rows * sums_row_ * 4));
    if (!half && !sums) return;
    parallel_for(
        rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(k_, 1)), [&](int64_t begin, int64_t end) {
          if (half)
            simd().widen(x_.dtype, x_.as<uint16_t>() + begin * k_, wide_row(begin), (end - begin) * k_);
          if (!sums) return;
          for (int64_t r = begin; r < end; r++)
            simd().quant_sums(wide_row(r), k_, step_, sums_ + r * sums_row_);
        });
  }

  float* wide_row(int64_t r) const { return reinterpret_cast<float*>(wide_ + r * k_ * bytes_); }

  void make_tasks() {
    for (const Job& job : jobs_) {
      const bool few = is_few(job);
      const int64_t columns = few          ? std::max<int64_t>(1, kDotWork / std::max<int64_t>(k_, 1))
                              : transpose_ ? kPanelRowsOfW
                                           : kPanelColumns;
      const int64_t rows = few ? job.end - job.begin : kRowsOfTile;
      for (int64_t i = job.begin; i < job.end; i += rows) {
        for (int64_t j = 0; j < n_; j += columns) {
          tasks_.push_back({job.matrix, i, std::min(i + rows, job.end), j, std::min(columns, n_ - j), few});
        }
      }
    }
  }

  void few_rows(const Task& t, Scratch& scratch) const {
    const int64_t m = t.end - t.begin;
    const float *x[kQuantRows], *sums[kQuantRows];
    for (int64_t i = 0; i < m; i++) {
      const int64_t row = pairs_[size_t(t.begin + i)].x;
      x[i] = wide_row(row);
      sums[i] = sums_ ? sums_ + row * sums_row_ : nullptr;
    }
    float* y = static_cast<float*>(scratch.y.bytes(m * t.count * 4));
    simd().quant_dots({&w_.layout, w_.at(t.matrix * w_.rows + t.first), t.count, k_, x, sums, m, y, t.count});
    for (int64_t i = 0; i < m; i++) store(y + i * t.count, t, i);
  }

  void store(const void* sums, const Task& t, int64_t i) const {
    const int64_t at = pairs_[size_t(t.begin + i)].out * n_ + t.first;
    simd().from_sums(out_.dtype, sums, out_.as<char>() + at * int64_t(size_of(out_.dtype)), t.count);
  }

  // Rows of x that lie one after the other are read in place, others are gathered.
  const char* rows_of_x(const Task& t, Scratch& scratch) const {
    const Pairing* p = pairs_.data() + t.begin;
    const int64_t m = t.end - t.begin;
    bool in_place = true;
    for (int64_t i = 1; i < m; i++) in_place &= p[i].x == p[0].x + i;
    if (in_place) return wide_ + p[0].x * k_ * bytes_;
    char* rows = static_cast<char*>(scratch.x.bytes(m * k_ * bytes_));
    for (int64_t i = 0; i < m; i++)
      std::copy_n(wide_ + p[i].x * k_ * bytes_, k_ * bytes_, rows + i * k_ * bytes_);
    return rows;
  }

  void panels(const Task& t, Scratch& scratch) const {
    const int64_t m = t.end - t.begin, part = std::min(kPartOfK, k_);
    char* sums = static_cast<char*>(scratch.y.bytes(m * t.count * bytes_));
    if (k_ == 0) std::fill_n(sums, m * t.count * bytes_, char(0));
    char* panel = static_cast<char*>(scratch.panel.bytes(part * t.count * bytes_));
    char* more = static_cast<char*>(scratch.part.bytes(m * t.count * bytes_));
    const char* x = rows_of_x(t, scratch);
    for (int64_t p = 0; p < k_; p += part) {
      const int64_t depth = std::min(part, k_ - p);
      unpack(t, p, depth, panel);
      Factor b = transpose_ ? Factor{panel, 1, depth} : Factor{panel, t.count, 1};
      scratch.tile.run({x + p * bytes_, k_, 1}, b, m, t.count, depth, p == 0 ? sums : more, t.count);
      if (p > 0) simd().axpby(dtype_, 1, sums, 1, more, sums, m * t.count);
    }
    for (int64_t i = 0; i < m; i++) store(sums + i * t.count * bytes_, t, i);
  }

  void unpack(const Task& t, int64_t p, int64_t depth, char* panel) const {
    const int64_t first = t.matrix * w_.rows;
    const int64_t rows = transpose_ ? t.count : depth, length = transpose_ ? depth : t.count;
    for (int64_t r = 0; r < rows; r++) {
      const QuantPart part = transpose_ ? w_.at(first + t.first + r, p) : w_.at(first + p + r, t.first);
      simd().quant_values(w_.layout, part, length, float32, panel + r * length * bytes_, dtype_);
    }
  }

  Weights w_;
  bool transpose_;
  const View& x_;
  View& out_;
  int64_t k_, n_, m_;
  Dtype dtype_;
  int64_t bytes_;
  std::vector<Met> met_;
  std::vector<Pairing> pairs_;
  std::vector<Job> jobs_;
  std::vector<Task> tasks_;
  ThreadMemory wide_memory_, sums_memory_;
  char* wide_ = nullptr;
  float* sums_ = nullptr;
  int64_t step_ = 0, sums_row_ = 0;
};

Shape leading(const View& v) { return Shape(v.shape.begin(), v.shape.end() - 2); }

}  // namespace

void quantized_matmul(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const View& x = call.inputs[0];
  Product product(attrs_as<QuantAttrs>(call.attrs), x, call.inputs.subspan(1), out);
  const Shape batch = leading(out), of_x = leading(x), of_w = leading(call.inputs[1]);
  const Strides step_x = broadcast_strides(of_x, row_major(of_x), batch);
  const Strides step_w = broadcast_strides(of_w, row_major(of_w), batch);
  const int64_t n = elements(batch);
  for (int64_t i = 0; i < n; i++) {
    int64_t rest = i, from = 0, matrix = 0;
    for (size_t d = batch.size(); d-- > 0; rest /= batch[d]) {
      from += rest % batch[d] * step_x[d];
      matrix += rest % batch[d] * step_w[d];
    }
    product.pair(from, matrix, i);
  }
  product.run();
}

void gather_qmm(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const View& x = call.inputs[0];
  Product product(attrs_as<QuantAttrs>(call.attrs), x, call.inputs.subspan(3), out);
  const int64_t matrices[] = {elements(leading(x)), elements(leading(call.inputs[3]))};
  auto index = [&](int which, int64_t i) {
    int64_t at = call.inputs[size_t(1 + which)].as<int64_t>()[i];
    if (at < 0) at += matrices[which];
    return std::clamp<int64_t>(at, 0, matrices[which] - 1);
  };
  const int64_t n = call.inputs[1].size();
  for (int64_t i = 0; i < n; i++) product.pair(index(0, i), index(1, i), i);
  product.run();
}

void dequantize(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const auto& at = attrs_as<QuantAttrs>(call.attrs);
  const Weights w = weights_of(at, call.inputs);
  const bool blocks = facts_of(at.format).kind == QuantKind::blocks;
  const Dtype round = blocks || !is_half(out.dtype) ? float32 : out.dtype, wide = carrier_of(out.dtype);
  const int64_t columns = w.columns, rows = out.size() / columns, bytes = int64_t(size_of(out.dtype));
  const int64_t pieces = (columns + kGrain - 1) / kGrain;
  parallel_for(rows * pieces, std::max<int64_t>(1, kGrain / columns), [&](int64_t begin, int64_t end) {
    ThreadMemory memory;
    for (int64_t i = begin; i < end; i++) {
      const int64_t row = i / pieces, from = i % pieces * kGrain, n = std::min(kGrain, columns - from);
      char* to = out.as<char>() + (row * columns + from) * bytes;
      void* values = is_half(out.dtype) ? memory.bytes(n * 4) : to;
      simd().quant_values(w.layout, w.at(row, from), n, round, values, wide);
      if (is_half(out.dtype)) simd().narrow(out.dtype, static_cast<float*>(values), to, n);
    }
  });
}

void quantize(const Call& call) {
  const auto& at = attrs_as<QuantAttrs>(call.attrs);
  const QuantFacts& f = facts_of(at.format);
  const View& x = call.inputs[0];
  const Dtype dtype = x.dtype;
  const int64_t piece = std::max(at.group, f.elements), n = x.size() / piece, groups = piece / at.group;
  if (n == 0) return;
  QuantLayout layout{
      at.format, float32, at.group, f.kind == QuantKind::e4m3 ? global_factor(call.inputs, 1) : 1, 0, 0};
  const int64_t packed_bytes = piece / f.elements * f.bytes, x_bytes = int64_t(size_of(dtype));
  auto as_float = [&](const char* from, int64_t count, ThreadMemory& memory) -> const float* {
    if (dtype == float32) return reinterpret_cast<const float*>(from);
    float* to = static_cast<float*>(memory.bytes(count * 4));
    if (dtype != float64) {
      simd().widen(dtype, from, to, count);
    } else {
      std::copy_n(reinterpret_cast<const double*>(from), count, to);
    }
    return to;
  };
  auto store_floats = [&](const float* from, int64_t count, char* to) {
    if (dtype == float64) {
      std::copy_n(from, count, reinterpret_cast<double*>(to));
    } else {
      simd().from_sums(dtype, from, to, count);
    }
  };
  parallel_for(n, std::max<int64_t>(1, kGrain / piece), [&](int64_t begin, int64_t end) {
    ThreadMemory values, scales;
    const int64_t count = end - begin;
    const float* from = as_float(x.as<char>() + begin * piece * x_bytes, count * piece, values);
    uint8_t* packed = call.outputs[0].as<uint8_t>() + begin * packed_bytes;
    if (f.kind == QuantKind::affine) {
      float* s = static_cast<float*>(scales.bytes(2 * count * 4));
      simd().quant_pack(layout, from, count * piece, packed, s, s + count);
      store_floats(s, count, call.outputs[1].as<char>() + begin * x_bytes);
      store_floats(s + count, count, call.outputs[2].as<char>() + begin * x_bytes);
    } else {
      void* s = call.outputs.size() > 1 ? call.outputs[1].as<uint8_t>() + begin * groups : nullptr;
      simd().quant_pack(layout, from, count * piece, packed, s, nullptr);
    }
  });
}

void to_fp8(const Call& call) {
  const View& x = call.inputs[0];
  parallel_for(x.size(), kGrain, [&](int64_t begin, int64_t end) {
    simd().fp8_encode(x.as<float>() + begin, end - begin, call.outputs[0].as<uint8_t>() + begin);
  });
}

void from_fp8(const Call& call) {
  const View& x = call.inputs[0];
  parallel_for(x.size(), kGrain, [&](int64_t begin, int64_t end) {
    simd().fp8_decode(x.as<uint8_t>() + begin, end - begin, call.outputs[0].as<float>() + begin);
  });
}

}  // namespace melix::cpu
