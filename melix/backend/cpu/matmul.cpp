// Matrix products over all threads. A task makes one tile of the result from whole rows of a and columns of b, or,
// where k is long and the result small, the sums of one part of k, which are then added up in order. What a task is
// follows from the shape alone, so bits do not depend on threads.
//
//   few rows (or columns): the other factor is read once, at the speed of memory       simd/matmul_skinny.cpp
//   else: tiles, each one call of OpenBLAS or of our packed kernel                     products.cpp
#include "melix/ops/matmul.h"

#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/backend/cpu/matmul_shape.h"
#include "melix/backend/cpu/simd/product.h"
#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"

namespace melix::cpu {
namespace {

// Products of elements below which tasks are put together.
constexpr int64_t kGrainWork = 1 << 17;

// Fewer elements of a row or a dot product are better packed for tiles.
constexpr int64_t kShortestRow = 64;
constexpr int64_t kShortestDot = 16;

// Rows up to which the skinny kernels win over tiles. A complex row is two.
int64_t skinny_limit(Dtype dtype) { return dtype == complex64 ? 8 : 16; }

enum class Form : uint8_t { tiles, skinny_rows, skinny_columns };

class Multiplication {
 public:
  Multiplication(const View& a, const View& b, View& out, const Addend* addend)
      : s_(a, b, out, addend ? &addend->c : nullptr),
        addend_(addend),
        bytes_(int64_t(size_of(s_.dtype))),
        sums_(TileProduct::sums(s_.dtype)),
        sum_bytes_(int64_t(size_of(sums_))) {
    choose_form();
    grid_ = form_ == Form::tiles ? tile_grid(s_.m, s_.n, s_.k, s_.batches())
                                 : skinny_grid(s_, form_ == Form::skinny_rows);
    direct_ = grid_.parts == 1 && !addend && s_.out.column == 1 && TileProduct::in_place(s_.dtype) &&
              (form_ == Form::tiles || s_.dtype != complex64);
  }

  void run() {
    if (grid_.parts > 1)
      partial_ = static_cast<char*>(memory_.bytes(s_.batches() * grid_.parts * s_.m * s_.n * sum_bytes_));
    double work = double(grid_.tile_m) * double(grid_.tile_n) * double(std::max<int64_t>(grid_.part_k, 1));
    int64_t grain = std::max<int64_t>(1, int64_t(double(kGrainWork) / work));
    parallel_for(s_.batches() * grid_.tasks(), grain, [&](int64_t begin, int64_t end) {
      Worker worker(s_.dtype);
      for (int64_t i = begin; i < end; i++) task(worker, i);
    });
    if (grid_.parts > 1) add_parts();
  }

 private:
  struct Worker {
    explicit Worker(Dtype dtype) : tile(dtype) {}
    TileProduct tile;
    ThreadMemory sums, x, y, row;
  };

  // Elements of one matrix of the batch.
  struct Offsets {
    int64_t a = 0, b = 0, c = 0, out = 0;
  };

  Offsets offsets(int64_t batch) const {
    Offsets at;
    for (size_t d = s_.batch.size(); d-- > 0;) {
      int64_t i = batch % s_.batch[d];
      batch /= s_.batch[d];
      at.a += i * s_.step.a[d];
      at.b += i * s_.step.b[d];
      at.c += i * s_.step.c[d];
      at.out += i * s_.step.out[d];
    }
    return at;
  }

  // Few rows: the other factor is read once, along k where it is contiguous, else in rows if those are long.
  void choose_form() {
    int64_t limit = skinny_limit(s_.dtype);
    auto along_k = [this] { return s_.b.row == 1 || s_.k == 1; };
    if (s_.k > 0 && std::min(s_.m, s_.n) <= limit) {
      if (s_.m > limit) s_.transpose();
      if (!along_k() && s_.n <= limit && (s_.a.column == 1 || s_.k == 1)) s_.transpose();
      if (along_k() && s_.k >= kShortestDot) form_ = Form::skinny_columns;
      if (!along_k() && s_.n >= kShortestRow) {
        if (s_.b.column != 1) compact(s_.b, s_.b_view, s_.step.b, s_.k, s_.n);
        form_ = Form::skinny_rows;
      }
      if (form_ != Form::tiles) return;
    }
    if (!blas_for(s_.dtype)) return;  // ours takes any strides
    if (!blas_takes(s_.a, s_.m, s_.k)) compact(s_.a, s_.a_view, s_.step.a, s_.m, s_.k);
    if (!blas_takes(s_.b, s_.k, s_.n)) compact(s_.b, s_.b_view, s_.step.b, s_.k, s_.n);
  }

  // Copies a factor whose strides no kernel reads into rows; batch axes that it repeats stay repeated.
  void compact(Factor& factor, const View* view, Strides& steps, int64_t rows, int64_t columns) {
    View from = *view;
    from.shape = s_.batch;
    from.strides = steps;
    for (size_t d = 0; d < steps.size(); d++) {
      if (steps[d] == 0) from.shape[d] = 1;
    }
    from.shape.insert(from.shape.end(), {rows, columns});
    from.strides.insert(from.strides.end(), {factor.row, factor.column});
    View& to = copies_.emplace_back(allocate_view(from.shape, s_.dtype));
    copy(from, to);
    for (size_t d = 0; d < steps.size(); d++) {
      if (steps[d] != 0) steps[d] = to.strides[d];
    }
    factor = {to.data(), columns, 1};
  }

  const void* at(const Factor& f, int64_t offset, int64_t i, int64_t j) const {
    return static_cast<const char*>(f.data) + (offset + i * f.row + j * f.column) * bytes_;
  }

  void task(Worker& worker, int64_t index) const {
    int64_t part = index % grid_.parts, column = index / grid_.parts % grid_.columns;
    int64_t row = index / grid_.parts / grid_.columns % grid_.rows, batch = index / grid_.tasks();
    int64_t i = row * grid_.tile_m, j = column * grid_.tile_n, p = part * grid_.part_k;
    int64_t m = std::min(grid_.tile_m, s_.m - i), n = std::min(grid_.tile_n, s_.n - j),
            k = std::min(grid_.part_k, s_.k - p);
    Offsets o = offsets(batch);
    char* into;
    int64_t into_row = s_.n;
    if (direct_) {
      into_row = s_.out.row;
      into = s_.out.data + (o.out + i * into_row + j) * bytes_;
    } else if (grid_.parts > 1) {
      into = partial_ + (((batch * grid_.parts + part) * s_.m + i) * s_.n + j) * sum_bytes_;
    } else {
      into_row = n;
      into = static_cast<char*>(worker.sums.bytes(m * n * sum_bytes_));
    }
    Factor a{at(s_.a, o.a, i, p), s_.a.row, s_.a.column}, b{at(s_.b, o.b, p, j), s_.b.row, s_.b.column};
    if (form_ == Form::tiles) {
      worker.tile.run(a, b, m, n, k, into, into_row);
    } else if (s_.dtype == complex64) {
      complex_skinny(worker, a, b, n, k, reinterpret_cast<complex64_t*>(into), into_row);
    } else {
      skinny(worker, a, b, n, k, into, into_row);
    }
    if (!direct_ && grid_.parts == 1) store(worker, into, into_row, o, i, j, m, n);
  }

  void run_skinny(Dtype dtype, const SkinnyProduct& product) const {
    form_ == Form::skinny_rows ? simd().skinny_rows(dtype, product) : simd().skinny_columns(dtype, product);
  }

  void skinny(Worker& worker, const Factor& a, const Factor& b, int64_t n, int64_t k, void* into,
              int64_t row) const {
    const void* x = a.data;
    int64_t x_row = a.row;
    if (!TileProduct::in_place(s_.dtype) || a.column != 1) {
      char* packed = static_cast<char*>(worker.x.bytes(s_.m * k * sum_bytes_));
      for (int64_t i = 0; i < s_.m; i++) {
        simd().to_sums(s_.dtype, static_cast<const char*>(x) + i * a.row * bytes_, a.column,
                       packed + i * k * sum_bytes_, k);
      }
      x = packed;
      x_row = k;
    }
    int64_t b_row = form_ == Form::skinny_rows ? b.row : b.column;
    run_skinny(s_.dtype, {s_.m, n, k, x, x_row, b.data, b_row, into, row});
  }

  // As a real product of 2 m rows. Where rows of b are contiguous, b is k x 2n as it lies and the rows of x are the
  // real parts and the imaginary parts; where columns are, b is 2k x n and the rows are (re, -im, ...) and (im, re,
  // ...).
  void complex_skinny(Worker& worker, const Factor& a, const Factor& b, int64_t n, int64_t k,
                      complex64_t* into, int64_t row) const {
    bool rows = form_ == Form::skinny_rows;
    int64_t length = rows ? k : 2 * k, width = rows ? 2 * n : n;
    float* x = static_cast<float*>(worker.x.bytes(2 * s_.m * length * 4));
    float* y = static_cast<float*>(worker.y.bytes(2 * s_.m * width * 4));
    for (int64_t i = 0; i < s_.m; i++) {
      const complex64_t* from = static_cast<const complex64_t*>(a.data) + i * a.row;
      float *one = x + 2 * i * length, *two = one + length;
      for (int64_t p = 0; p < k; p++) {
        complex64_t z = from[p * a.column];
        if (rows) {
          one[p] = z.real(), two[p] = z.imag();
        } else {
          one[2 * p] = z.real(), one[2 * p + 1] = -z.imag();
          two[2 * p] = z.imag(), two[2 * p + 1] = z.real();
        }
      }
    }
    int64_t b_row = 2 * (rows ? b.row : b.column);
    run_skinny(float32, {2 * s_.m, width, length, x, length, b.data, b_row, y, width});
    for (int64_t i = 0; i < s_.m; i++) {
      const float *one = y + 2 * i * width, *two = one + width;
      for (int64_t j = 0; j < n; j++) {
        into[i * row + j] = rows ? complex64_t(one[2 * j] - two[2 * j + 1], one[2 * j + 1] + two[2 * j])
                                 : complex64_t(one[j], two[j]);
      }
    }
  }

  // Sums of a tile as results: alpha and beta, one rounding, strides.
  void store(Worker& worker, char* sums, int64_t sums_row, const Offsets& o, int64_t i, int64_t j, int64_t m,
             int64_t n) const {
    bool in_place = TileProduct::in_place(s_.dtype);
    char* row = static_cast<char*>(worker.row.bytes(n * sum_bytes_));
    for (int64_t r = 0; r < m; r++) {
      char* from = sums + r * sums_row * sum_bytes_;
      if (addend_) add(from, s_.c.data + (o.c + (i + r) * s_.c.row + j * s_.c.column) * bytes_, row, n);
      char* to = s_.out.data + (o.out + (i + r) * s_.out.row + j * s_.out.column) * bytes_;
      if (s_.out.column == 1) {
        simd().from_sums(s_.dtype, from, to, n);
      } else {
        if (!in_place) simd().from_sums(s_.dtype, from, row, n);
        simd().copy_strided(int(bytes_), in_place ? from : row, 1, to, s_.out.column, n);
      }
    }
  }

  // sums = alpha * sums + beta * c, for n elements; `row` is scratch.
  void add(char* sums, const char* c, char* row, int64_t n) const {
    const void* added = c;
    bool is_complex = s_.dtype == complex64;
    if (is_complex && s_.c.column != 1) {
      simd().copy_strided(int(bytes_), c, s_.c.column, row, 1, n);
      added = row;
    } else if (!is_complex && (s_.c.column != 1 || is_half(s_.dtype))) {
      simd().to_sums(s_.dtype, c, s_.c.column, row, n);
      added = row;
    }
    simd().axpby(is_complex ? float32 : sums_, addend_->alpha, sums, addend_->beta, added, sums,
                 is_complex ? 2 * n : n);
  }

  void add_parts() const {
    ElementwiseFn add_rows = simd().elementwise(int(Elementwise::add), sums_, sums_);
    int64_t grain = std::max<int64_t>(1, 16384 / (s_.n * grid_.parts));
    parallel_for(s_.batches() * s_.m, grain, [&](int64_t begin, int64_t end) {
      Worker worker(s_.dtype);
      for (int64_t index = begin; index < end; index++) {
        int64_t batch = index / s_.m, i = index % s_.m;
        char* first = partial_ + (batch * grid_.parts * s_.m + i) * s_.n * sum_bytes_;
        for (int64_t part = 1; part < grid_.parts; part++) {
          add_rows(first, first + part * s_.m * s_.n * sum_bytes_, nullptr, first, s_.n);
        }
        store(worker, first, s_.n, offsets(batch), i, 0, 1, s_.n);
      }
    });
  }

  ProductShape s_;
  const Addend* addend_;
  int64_t bytes_;
  Dtype sums_;
  int64_t sum_bytes_;
  Form form_ = Form::tiles;
  ProductGrid grid_;
  bool direct_;  // kernels write results themselves
  SmallVector<View, 2> copies_;
  ThreadMemory memory_;
  char* partial_ = nullptr;  // sums of parts of k: (batch, part, m, n)
};

}  // namespace

void product(const View& a, const View& b, View& out, const Addend* addend) {
  if (out.size() == 0) return;
  Multiplication(a, b, out, addend).run();
}

void matmul(const Call& call) { product(call.inputs[0], call.inputs[1], call.outputs[0]); }

void addmm(const Call& call) {
  const auto& attrs = attrs_as<AddmmAttrs>(call.attrs);
  Addend addend{call.inputs[0], attrs.alpha, attrs.beta};
  product(call.inputs[1], call.inputs[2], call.outputs[0], &addend);
}

}  // namespace melix::cpu
