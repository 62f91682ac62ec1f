// Convolutions and the gradients of their weights, as products of patches that are never in memory as a whole: a task
// copies some rows of the matrix of patches, in parts that fit into L2, and multiplies them.
//
//   conv          patches (results x taps * C_in)             times weight^T  (taps * C_in x C_out)
//   conv_weight   gradients^T (C_out x results)               times patches   (results x taps * C_in)
//
// for each group and phase (conv_shape.h). Tasks follow from shapes alone, as those of matmul.cpp; sums of parts are
// added up in order. Where patches are the input as it lies, this is a product of matrices, and where a group has one
// channel, conv_depthwise.cpp is faster.
#include "melix/ops/conv.h"

#include <algorithm>
#include <cstring>

#include "melix/backend/cpu/conv_depthwise.h"
#include "melix/backend/cpu/conv_runs.h"
#include "melix/backend/cpu/conv_shape.h"
#include "melix/backend/cpu/matmul_shape.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"

namespace melix::cpu {
namespace {

// Products of elements below which tasks are put together.
constexpr int64_t kGrainWork = 1 << 17;
// Elements of patches that are multiplied at once (half of a 1 MB L2, as float32), and of them rows and columns. A
// product packs the weight again for each: fewer rows cost more of that.
constexpr int64_t kPatchElements = 1 << 17;
constexpr int64_t kPatchRows = 256;
constexpr int64_t kShortestPatch = 256;

int64_t up(int64_t n, int64_t by) { return (n + by - 1) / by; }

void zero(const View& v) {
  char* data = static_cast<char*>(v.data());
  constexpr int64_t kPiece = 1 << 18;
  parallel_for(up(int64_t(v.nbytes()), kPiece), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      std::memset(data + i * kPiece, 0, size_t(std::min(kPiece, int64_t(v.nbytes()) - i * kPiece)));
    }
  });
}

// A row-major array as rows of its last axis, and these transposed.
View rows_of(const View& v) {
  View out = v;
  out.shape = {v.size() / v.shape.back(), v.shape.back()};
  out.strides = {v.shape.back(), 1};
  return out;
}
View transposed(View v) {
  std::swap(v.shape[0], v.shape[1]);
  std::swap(v.strides[0], v.strides[1]);
  return v;
}

struct Worker {
  explicit Worker(Dtype dtype) : tile(dtype) {}
  TileProduct tile;
  ThreadMemory patches, sums, rows;
};

// A piece of a product: of which group and part of the sums, from where on, and how large.
struct Piece {
  int64_t group, part, i, j, p, m, n, k;
};

// What both operations share: one phase, for all groups, as products of m x n x k.
class PhaseProducts {
 public:
  PhaseProducts(const ConvShape& shape, const ConvPhase& phase, const View& input, Dtype dtype)
      : s_(shape),
        phase_(phase),
        patches_(shape, phase, input),
        dtype_(dtype),
        bytes_(int64_t(size_of(dtype))),
        sums_(TileProduct::sums(dtype)),
        sum_bytes_(int64_t(size_of(sums_))) {}

 protected:
  void cut(int64_t m, int64_t n, int64_t k) {
    m_ = m, n_ = n, k_ = k;
    grid_ = tile_grid(m, n, k, s_.groups);
  }

  template <class Body>
  void for_pieces(Body body) const {
    double work = double(grid_.tile_m) * double(grid_.tile_n) * double(grid_.part_k);
    int64_t grain = std::max<int64_t>(1, int64_t(double(kGrainWork) / work));
    parallel_for(s_.groups * grid_.tasks(), grain, [&](int64_t begin, int64_t end) {
      Worker worker(dtype_);
      for (int64_t index = begin; index < end; index++) {
        int64_t part = index % grid_.parts, column = index / grid_.parts % grid_.columns;
        int64_t row = index / grid_.parts / grid_.columns % grid_.rows;
        int64_t i = row * grid_.tile_m, j = column * grid_.tile_n, p = part * grid_.part_k;
        body(worker, Piece{index / grid_.tasks(), part, i, j, p, std::min(grid_.tile_m, m_ - i),
                           std::min(grid_.tile_n, n_ - j), std::min(grid_.part_k, k_ - p)});
      }
    });
  }

  // Sums of all parts: (group, part, m, n).
  void allocate_parts() {
    partial_ = static_cast<char*>(memory_.bytes(s_.groups * grid_.parts * m_ * n_ * sum_bytes_));
  }
  char* partial(int64_t group, int64_t part, int64_t i, int64_t j) const {
    return partial_ + (((group * grid_.parts + part) * m_ + i) * n_ + j) * sum_bytes_;
  }
  // Adds the parts of each row, and gives body(worker, group, row, sums).
  template <class Body>
  void join_parts(Body body) const {
    ElementwiseFn add = simd().elementwise(int(Elementwise::add), sums_, sums_);
    int64_t grain = std::max<int64_t>(1, 16384 / (n_ * grid_.parts));
    parallel_for(s_.groups * m_, grain, [&](int64_t begin, int64_t end) {
      Worker worker(dtype_);
      for (int64_t index = begin; index < end; index++) {
        int64_t group = index / m_, i = index % m_;
        char* first = partial(group, 0, i, 0);
        for (int64_t part = 1; part < grid_.parts; part++) {
          add(first, partial(group, part, i, 0), nullptr, first, n_);
        }
        body(worker, group, i, first);
      }
    });
  }

  // Sums in the result's dtype; for complex64 they are that.
  void store(const char* sums, char* to, int64_t n) const {
    if (TileProduct::in_place(dtype_)) {
      std::memcpy(to, sums, size_t(n * bytes_));
    } else {
      simd().from_sums(dtype_, sums, to, n);
    }
  }

  const ConvShape& s_;
  const ConvPhase& phase_;
  ConvPatches patches_;
  Dtype dtype_;
  int64_t bytes_;
  Dtype sums_;
  int64_t sum_bytes_;
  int64_t m_ = 0, n_ = 0, k_ = 0;
  ProductGrid grid_{};

 private:
  ThreadMemory memory_;
  char* partial_ = nullptr;
};

class Forward : PhaseProducts {
 public:
  Forward(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& weight, View& out)
      : PhaseProducts(shape, phase, input, out.dtype),
        out_(static_cast<char*>(out.data())),
        simple_(shape.simple()) {
    cut(s_.n * phase.results(), s_.group_out, patches_.width());
    direct_ = simple_ && grid_.parts == 1 && TileProduct::in_place(dtype_);
    weight_ = simple_ ? static_cast<const char*>(weight.data()) : pack(weight);
  }

  void run() {
    if (grid_.parts > 1) allocate_parts();
    for_pieces([this](Worker& worker, const Piece& piece) { task(worker, piece); });
    if (grid_.parts == 1) return;
    join_parts([this](Worker&, int64_t group, int64_t i, const char* sums) {
      ConvPosition position(phase_, i);
      store(sums, result(position, group, 0), n_);
    });
  }

 private:
  // The taps of this phase alone: (C_out, taps, channels of a group).
  const char* pack(const View& weight) {
    int64_t run = s_.group_in * bytes_, taps = int64_t(phase_.taps.size());
    char* packed = static_cast<char*>(packed_.bytes(s_.out_channels * taps * run));
    const char* from = static_cast<const char*>(weight.data());
    parallel_for(s_.out_channels, 1 + 65536 / (taps * run + 1), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) {
        for (int64_t t = 0; t < taps; t++) {
          std::memcpy(packed + (c * taps + t) * run,
                      from + (c * s_.kernel + phase_.taps[size_t(t)].weight) * run, size_t(run));
        }
      }
    });
    return packed;
  }

  char* result(const ConvPosition& position, int64_t group, int64_t channel) const {
    int64_t place = position.image() * s_.out[0] * s_.out[1] * s_.out[2] + s_.place(phase_, position.q());
    return out_ + (place * s_.out_channels + group * s_.group_out + channel) * bytes_;
  }

  void task(Worker& worker, const Piece& piece) const {
    int64_t rows = std::min(kPatchRows, piece.m);
    int64_t depth = std::max(kShortestPatch, kPatchElements / rows);
    for (int64_t i = 0; i < piece.m; i += rows) {
      int64_t m = std::min(rows, piece.m - i), row = piece.i + i, into_row = n_;
      char* into;
      if (direct_) {
        into_row = s_.out_channels;
        into = out_ + (row * into_row + piece.group * s_.group_out + piece.j) * bytes_;
      } else if (grid_.parts > 1) {
        into = partial(piece.group, piece.part, row, piece.j);
      } else {
        into_row = piece.n;
        into = static_cast<char*>(worker.sums.bytes(m * piece.n * sum_bytes_));
      }
      for (int64_t p = 0; p < piece.k; p += depth) {
        int64_t k = std::min(depth, piece.k - p), column = piece.p + p;
        void* patches = worker.patches.bytes(m * k * bytes_);
        patches_.copy(piece.group, row, m, column, k, patches);
        const char* w = weight_ + ((piece.group * n_ + piece.j) * k_ + column) * bytes_;
        worker.tile.run({patches, k, 1}, {w, 1, k_}, m, piece.n, k, into, into_row, p > 0);
      }
      if (direct_ || grid_.parts > 1) continue;
      ConvPosition position(phase_, row);
      for (int64_t r = 0; r < m; r++, position.next()) {
        store(into + r * into_row * sum_bytes_, result(position, piece.group, piece.j), piece.n);
      }
    }
  }

  char* out_;
  bool simple_, direct_;
  const char* weight_;
  ThreadMemory packed_;
};

class WeightGradient : PhaseProducts {
 public:
  WeightGradient(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& gradient,
                 View& out)
      : PhaseProducts(shape, phase, input, out.dtype),
        gradient_(static_cast<const char*>(gradient.data())),
        out_(static_cast<char*>(out.data())),
        simple_(shape.simple()) {
    cut(s_.group_out, patches_.width(), s_.n * phase.results());
    direct_ = simple_ && grid_.parts == 1 && TileProduct::in_place(dtype_);
  }

  void run() {
    if (!direct_) allocate_parts();
    for_pieces([this](Worker& worker, const Piece& piece) { task(worker, piece); });
    if (direct_) return;
    join_parts([this](Worker&, int64_t group, int64_t i, const char* sums) {
      char* to = out_ + (group * s_.group_out + i) * s_.kernel * s_.group_in * bytes_;
      if (simple_) return store(sums, to, n_);
      for (const ConvTap& tap : phase_.taps) {
        store(sums, to + tap.weight * s_.group_in * bytes_, s_.group_in);
        sums += s_.group_in * sum_bytes_;
      }
    });
  }

 private:
  // Rows [p, p + k) and columns [c, c + m) of the gradients: as they lie, or copied where results are left out.
  Factor gradients(Worker& worker, int64_t c, int64_t m, int64_t p, int64_t k) const {
    if (phase_.results() == s_.out[0] * s_.out[1] * s_.out[2]) {
      return {gradient_ + (p * s_.out_channels + c) * bytes_, 1, s_.out_channels};
    }
    char* rows = static_cast<char*>(worker.rows.bytes(k * m * bytes_));
    int64_t image = s_.out[0] * s_.out[1] * s_.out[2];
    ConvPosition position(phase_, p);
    for (int64_t r = 0; r < k; r++, position.next()) {
      int64_t place = position.image() * image + s_.place(phase_, position.q());
      std::memcpy(rows + r * m * bytes_, gradient_ + (place * s_.out_channels + c) * bytes_,
                  size_t(m * bytes_));
    }
    return {rows, 1, m};
  }

  void task(Worker& worker, const Piece& piece) const {
    char* into;
    if (direct_) {
      into = out_ + ((piece.group * m_ + piece.i) * n_ + piece.j) * bytes_;
    } else {
      into = partial(piece.group, piece.part, piece.i, piece.j);
    }
    int64_t depth = std::clamp(kPatchElements / piece.n, kShortestPatch / 2, 2 * kShortestPatch);
    for (int64_t p = 0; p < piece.k; p += depth) {
      int64_t k = std::min(depth, piece.k - p), row = piece.p + p;
      void* patches = worker.patches.bytes(k * piece.n * bytes_);
      patches_.copy(piece.group, row, k, piece.j, piece.n, patches);
      Factor a = gradients(worker, piece.group * m_ + piece.i, piece.m, row, k);
      worker.tile.run(a, {patches, piece.n, 1}, piece.m, piece.n, k, into, n_, p > 0);
    }
  }

  const char* gradient_;
  char* out_;
  bool simple_, direct_;
};

}  // namespace

void conv(const Call& call) {
  const View &x = call.inputs[0], &w = call.inputs[1];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  ConvShape shape(attrs_as<ConvAttrs>(call.attrs), x.shape, out.shape);
  if (!shape.complete() || shape.group_in == 0) zero(out);
  if (shape.group_in == 0) return;
  if (shape.groups == 1 && shape.pointwise()) {
    View rows = rows_of(out);
    return product(rows_of(x), transposed(rows_of(w)), rows);
  }
  if (takes_depthwise(shape, out.dtype)) {
    for (const ConvPhase& phase : shape.phases) depthwise(shape, phase, x, w, out);
  } else if (takes_runs(shape, out.dtype)) {
    ConvRuns runs(shape, x);
    for (const ConvPhase& phase : shape.phases) conv_runs(runs, phase, w, out);
  } else {
    for (const ConvPhase& phase : shape.phases) Forward(shape, phase, x, w, out).run();
  }
}

void conv_weight(const Call& call) {
  const View &x = call.inputs[0], &gradient = call.inputs[1];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  ConvShape shape(attrs_as<ConvAttrs>(call.attrs), x.shape, gradient.shape);
  if (!shape.simple() || shape.n == 0) zero(out);
  if (shape.n == 0) return;
  if (shape.groups == 1 && shape.pointwise()) {
    View rows = rows_of(out);
    return product(transposed(rows_of(gradient)), rows_of(x), rows);
  }
  if (takes_depthwise_weight(shape, out.dtype)) {
    for (const ConvPhase& phase : shape.phases) depthwise_weight(shape, phase, x, gradient, out);
  } else if (takes_runs(shape, out.dtype)) {
    ConvRuns runs(shape, x);
    View sums = as_sums(gradient);
    for (const ConvPhase& phase : shape.phases) conv_weight_runs(runs, phase, sums, out);
  } else {
    for (const ConvPhase& phase : shape.phases) WeightGradient(shape, phase, x, gradient, out).run();
  }
}

}  // namespace melix::cpu
