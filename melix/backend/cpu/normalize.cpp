// Kernels of the normalisations and their gradients. Rows that fit into L2 are read from memory once: their sums,
// squares and results are passes over what is in cache. Longer ones are cut into chunks of a fixed size, in parallel,
// and read once for each of these. Sums of float32 are kept for kBlock elements and added up in float64.
//
// Gradients of weight and bias are sums over all rows: for parts of so many rows in the elements' precision, over the
// parts in float64.
#include "melix/ops/normalize.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/row_reader.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kResident = 32 * kBlock;  // longest row that is kept in cache
constexpr int64_t kChunk = 16 * kBlock;     // elements of a task, and of a part of a longer row
constexpr int64_t kFew = 16;                // first elements of a row whose mean stands for that of the row
constexpr int64_t kColumns = 256;           // columns of the parts that are added up together

struct Rows {
  explicit Rows(const Shape& shape) : n(shape.back()), count(n == 0 ? 0 : elements(shape) / n) {}
  /// So many rows are read together.
  int64_t batch() const { return std::max<int64_t>(1, kBlock / n); }
  int64_t chunks() const { return (n + kChunk - 1) / kChunk; }
  int64_t n, count;
};

NormMoments operator+(const NormMoments& a, const NormMoments& b) {
  return {a.distances + b.distances, a.squares + b.squares};
}

// The form of a row of n from its mean and the moments about it. Sums of float32 make the mean wrong by a few units;
// the distances from it add up to what it is wrong by.
NormRow corrected(double mean, const NormMoments& moments, int64_t n, double eps) {
  const double off = moments.distances / double(n), variance = moments.squares / double(n) - off * off;
  return {mean + off, 1 / std::sqrt((variance < 0 ? 0 : variance) + eps)};
}

/// Of what a chunk of a row has, or a row.
template <class T>
NormMoments moments_of(const T* x, int64_t n, bool centred, double mean) {
  return centred ? simd().norm_moments(kCarrier<T>, x, n, mean)
                 : NormMoments{0, simd().norm_squares(kCarrier<T>, x, n)};
}

/// Of a whole row in cache. Its moments about the mean of its first elements do, as a rule; where that is further from
/// the mean than the standard deviation (whose digits would cancel), those about the mean are taken.
template <class T>
NormRow form_of(const T* x, int64_t n, bool centred, double eps) {
  const int64_t few = std::min(kFew, n);
  double mean = centred ? simd().norm_sum(kCarrier<T>, x, few) / double(few) : 0;
  NormMoments moments = moments_of(x, n, centred, mean);
  const double off = moments.distances / double(n);
  if (!(2 * off * off <= moments.squares / double(n))) {
    mean += off;
    moments = moments_of(x, n, centred, mean);
  }
  return corrected(mean, moments, n, eps);
}

/// For each row the sum, in order, of part(reader, row, first element, how many) over its chunks.
template <class Reader, class Part>
auto sums_of(const Rows& rows, Reader&& reader, Part part) {
  const int64_t chunks = rows.chunks();
  using Sum = decltype(part(std::declval<decltype(reader())&>(), 0, 0, 0));
  std::vector<Sum> parts(size_t(rows.count * chunks)), sums(static_cast<size_t>(rows.count));
  parallel_for(rows.count * chunks, 1, [&](int64_t begin, int64_t end) {
    auto own = reader();
    for (int64_t task = begin; task < end; task++) {
      const int64_t first = task % chunks * kChunk;
      parts[size_t(task)] = part(own, task / chunks, first, std::min(kChunk, rows.n - first));
    }
  });
  for (size_t i = 0; i < parts.size(); i++) sums[i / size_t(chunks)] = sums[i / size_t(chunks)] + parts[i];
  return sums;
}

// The forms of long rows.
template <class T>
std::vector<NormRow> forms_of(const Rows& rows, const RowSource<T>& source, bool centred, double eps) {
  using Reader = typename RowSource<T>::Reader;
  auto reader = [&] { return Reader(source, kChunk); };
  std::vector<double> means(static_cast<size_t>(rows.count));
  if (centred) {
    means = sums_of(rows, reader, [&](Reader& x, int64_t row, int64_t k, int64_t m) {
      return simd().norm_sum(kCarrier<T>, x.read(row * rows.n + k, m), m) / double(rows.n);
    });
  }
  const auto moments = sums_of(rows, reader, [&](Reader& x, int64_t row, int64_t k, int64_t m) {
    return moments_of(x.read(row * rows.n + k, m), m, centred, means[size_t(row)]);
  });
  std::vector<NormRow> forms;
  for (size_t r = 0; r < means.size(); r++) forms.push_back(corrected(means[r], moments[r], rows.n, eps));
  return forms;
}

// A vector of the last axis in the carrier; null: there is none.
template <class T>
class Vector {
 public:
  explicit Vector(const View* view) {
    if (!view || view->size() == 0) return;
    source_.emplace(*view);
    reader_.emplace(*source_, view->size());
    data = reader_->read(0, view->size());
  }
  const T* from(int64_t k) const { return data ? data + k : nullptr; }
  const T* data = nullptr;

 private:
  std::optional<RowSource<T>> source_;
  std::optional<typename RowSource<T>::Reader> reader_;
};

/// Where results go: computed in the output's memory, or, for 16-bit ones, in scratch and then rounded.
template <class T>
class Writer {
 public:
  Writer(View& out, int64_t most) : out_(out), half_(is_half(out.dtype)), scratch_(half_ ? most : 1) {}
  T* place(int64_t i) { return half_ ? scratch_.data : out_.as<T>() + i; }
  void done(int64_t i, int64_t n) {
    if (half_)
      simd().narrow(out_.dtype, reinterpret_cast<const float*>(scratch_.data), out_.as<uint16_t>() + i, n);
  }

 private:
  View& out_;
  bool half_;
  RowMemory<T> scratch_;
};

template <class T>
class Forward {
  using Reader = typename RowSource<T>::Reader;

 public:
  Forward(const Call& call, bool centred)
      : attrs_(attrs_as<NormAttrs>(call.attrs)),
        centred_(centred),
        rows_(call.outputs[0].shape),
        vectors_(call.inputs.last(size_t(attrs_.weight + attrs_.bias))),
        x_(call.region, call.outputs[0].shape, call.inputs.first(call.inputs.size() - vectors_.size())),
        weight_(attrs_.weight ? &vectors_.front() : nullptr),
        bias_(attrs_.bias ? &vectors_.back() : nullptr),
        out_(call.outputs[0]) {}

  void run() {
    if (rows_.count > 0) rows_.n <= kResident ? resident() : chunks();
  }

 private:
  void resident() {
    const int64_t n = rows_.n, batch = rows_.batch(), tasks = (rows_.count + batch - 1) / batch;
    parallel_for(tasks, std::max<int64_t>(1, kChunk / (batch * n)), [&](int64_t begin, int64_t end) {
      Reader reader(x_, batch * n);
      Writer<T> writer(out_, batch * n);
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task * batch, count = std::min(batch, rows_.count - first);
        const T* x = reader.read(first * n, count * n);
        T* y = writer.place(first * n);
        for (int64_t i = 0; i < count * n; i += n) {
          const NormRow form = form_of(x + i, n, centred_, attrs_.eps);
          simd().norm_write(kCarrier<T>, x + i, n, form, weight_.data, bias_.data, y + i);
        }
        writer.done(first * n, count * n);
      }
    });
  }

  void chunks() {
    const int64_t n = rows_.n, chunks = rows_.chunks();
    const std::vector<NormRow> forms = forms_of(rows_, x_, centred_, attrs_.eps);
    parallel_for(rows_.count * chunks, 1, [&](int64_t begin, int64_t end) {
      Reader reader(x_, kChunk);
      Writer<T> writer(out_, kChunk);
      for (int64_t task = begin; task < end; task++) {
        const int64_t row = task / chunks, k = task % chunks * kChunk, m = std::min(kChunk, n - k),
                      i = row * n + k;
        simd().norm_write(kCarrier<T>, reader.read(i, m), m, forms[size_t(row)], weight_.from(k),
                          bias_.from(k), writer.place(i));
        writer.done(i, m);
      }
    });
  }

  const NormAttrs& attrs_;
  bool centred_;
  Rows rows_;
  std::span<const View> vectors_;
  RowSource<T> x_;
  Vector<T> weight_, bias_;
  View& out_;
};

template <class T>
class Gradient {
  using Reader = typename RowSource<T>::Reader;

 public:
  Gradient(const Call& call, bool centred)
      : attrs_(attrs_as<NormGradAttrs>(call.attrs)),
        centred_(centred),
        rows_(call.inputs[0].shape),
        x_(call.inputs[0]),
        g_(call.inputs[1]),
        weight_(attrs_.weight ? &call.inputs[2] : nullptr),
        out_(call.outputs),
        sums_(size_t(attrs_.of_weight + attrs_.of_bias)) {}

  void run() {
    if (rows_.count == 0) return no_rows();
    rows_.n <= kResident ? resident() : chunks();
  }

 private:
  void no_rows() {
    for (View& view : out_.subspan(1)) std::memset(view.data(), 0, view.nbytes());
  }

  NormSlopes slopes(const T* x, const T* g, const NormRow& form, int64_t k = 0) const {
    return {x, g, weight_.from(k), form};
  }
  // Where the sums of weight and bias are, of `sums` with n elements each.
  void add_vectors(const NormSlopes& of, int64_t n, T* sums, int64_t stride) const {
    T* bias = attrs_.of_bias ? sums + (attrs_.of_weight ? stride : 0) : nullptr;
    simd().norm_add_weights(kCarrier<T>, of, n, attrs_.of_weight ? sums : nullptr, bias);
  }

  void resident() {
    const int64_t n = rows_.n, width = int64_t(sums_) * n;
    const int64_t together = std::clamp<int64_t>(kChunk * 4 / n, 8, 64),
                  parts = (rows_.count + together - 1) / together;
    RowMemory<T> sums(parts * width + 1);
    parallel_for(parts, std::max<int64_t>(1, kChunk / (together * n)), [&](int64_t begin, int64_t end) {
      const int64_t batch = std::min(together, rows_.batch());
      Reader xs(x_, batch * n), gs(g_, batch * n);
      Writer<T> writer(out_[0], batch * n);
      for (int64_t part = begin; part < end; part++) {
        T* own = sums.data + part * width;
        std::fill(own, own + width, T(0));
        const int64_t last = std::min(rows_.count, (part + 1) * together);
        for (int64_t row = part * together; row < last; row += batch) {
          const int64_t size = std::min(batch, last - row) * n;
          const T *x = xs.read(row * n, size), *g = gs.read(row * n, size);
          T* to = writer.place(row * n);
          for (int64_t i = 0; i < size; i += n) {
            const NormSlopes of = slopes(x + i, g + i, form_of(x + i, n, centred_, attrs_.eps));
            double dots[2] = {};
            simd().norm_dots(kCarrier<T>, of, n, centred_, dots);
            simd().norm_back(kCarrier<T>, of, n, dots[0] / double(n), dots[1] / double(n), to + i);
            if (sums_ > 0) add_vectors(of, n, own, n);
          }
          writer.done(row * n, size);
        }
      }
    });
    if (sums_ > 0) add_parts(sums.data, parts);
  }

  // parts: [parts][outputs][n]
  void add_parts(const T* parts, int64_t count) {
    const int64_t n = rows_.n, width = int64_t(sums_) * n, stripes = (n + kColumns - 1) / kColumns;
    parallel_for(int64_t(sums_) * stripes, 1 + kChunk / (kColumns * count), [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t k = task % stripes * kColumns, m = std::min(kColumns, n - k);
        double total[kColumns] = {};
        const T* part = parts + task / stripes * n + k;
        for (int64_t p = 0; p < count; p++, part += width) {
          for (int64_t i = 0; i < m; i++) total[i] += double(part[i]);
        }
        store(size_t(task / stripes), k, m, total);
      }
    });
  }

  void store(size_t output, int64_t k, int64_t m, const double* total) {
    Writer<T> writer(out_[1 + output], m);
    std::transform(total, total + m, writer.place(k), [](double value) { return T(value); });
    writer.done(k, m);
  }

  struct Readers {
    Reader x, g;
  };
  void chunks() {
    const int64_t n = rows_.n, chunks = rows_.chunks();
    const std::vector<NormRow> forms = forms_of(rows_, x_, centred_, attrs_.eps);
    auto readers = [&] { return Readers{Reader(x_, kChunk), Reader(g_, kChunk)}; };
    auto at = [&](Readers& in, int64_t row, int64_t k, int64_t m) {
      return slopes(in.x.read(row * n + k, m), in.g.read(row * n + k, m), forms[size_t(row)], k);
    };
    auto dot = [&](int which) {
      return sums_of(rows_, readers, [&](Readers& in, int64_t row, int64_t k, int64_t m) {
        double dots[2] = {};
        simd().norm_dots(kCarrier<T>, at(in, row, k, m), m, which == 0, dots);
        return dots[which];
      });
    };
    const std::vector<double> along = dot(1), means = centred_ ? dot(0) : std::vector<double>(along.size());
    parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
      Readers in = readers();
      Writer<T> writer(out_[0], kChunk);
      RowMemory<T> sums(2 * kChunk);
      for (int64_t chunk = begin; chunk < end; chunk++) {
        const int64_t k = chunk * kChunk, m = std::min(kChunk, n - k);
        std::vector<double> totals(sums_ * size_t(m));
        for (int64_t row = 0; row < rows_.count; row++) {
          const NormSlopes of = at(in, row, k, m);
          const size_t r = size_t(row);
          simd().norm_back(kCarrier<T>, of, m, means[r] / double(n), along[r] / double(n),
                           writer.place(row * n + k));
          writer.done(row * n + k, m);
          if (sums_ == 0) continue;
          std::fill(sums.data, sums.data + int64_t(sums_) * m, T(0));
          add_vectors(of, m, sums.data, m);
          for (size_t i = 0; i < totals.size(); i++) totals[i] += double(sums.data[i]);
        }
        for (size_t output = 0; output < sums_; output++)
          store(output, k, m, totals.data() + int64_t(output) * m);
      }
    });
  }

  const NormGradAttrs& attrs_;
  bool centred_;
  Rows rows_;
  RowSource<T> x_, g_;
  Vector<T> weight_;
  std::span<View> out_;
  size_t sums_;  // how many of weight and bias are wanted
};

template <template <class> class Kernel>
void run(const Call& call, bool centred) {
  call.outputs[0].dtype == float64 ? Kernel<double>(call, centred).run() : Kernel<float>(call, centred).run();
}

}  // namespace

void rms_norm(const Call& call) { run<Forward>(call, false); }
void layer_norm(const Call& call) { run<Forward>(call, true); }
void rms_norm_grad(const Call& call) { run<Gradient>(call, false); }
void layer_norm_grad(const Call& call) { run<Gradient>(call, true); }

}  // namespace melix::cpu
