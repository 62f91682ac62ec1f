// See conv_runs.h. A task makes some results of all groups, or of some columns where there are few results, from one
// table of addresses: all groups use it, each further behind.
//
//   results x taps:    r0  [ x(-1) = zeros ][ x0 ][ x1 ]        each the address of C_in channels
//                      r1  [ x0            ][ x1 ][ x2 ]
//
// The gradient of the weight is cut by taps, and by results where there are many; sums of parts are added in order.
#include "melix/backend/cpu/conv_runs.h"

#include <algorithm>
#include <cstring>

#include "melix/backend/cpu/products.h"
#include "melix/backend/cpu/simd/patches.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"

namespace melix::cpu {
namespace {

constexpr int64_t kShortestRun = 8;    // channels; fewer are better copied together with their neighbours
constexpr int64_t kRows = 256;         // results of a table: with 9 taps 18 KB
constexpr double kTaskWork = 1 << 20;  // products of a task, where there are as many: 10 microseconds
constexpr int64_t kTasks = 64;
constexpr int64_t kFewParts = 8;           // of a gradient, however large
constexpr int64_t kLargestSums = 1 << 24;  // elements of all its parts, where these are more
constexpr int64_t kPartRows = 1024;        // results of a part of a gradient, at least

int64_t up(int64_t n, int64_t by) { return (n + by - 1) / by; }

int64_t wanted_tasks(double work) { return std::clamp<int64_t>(int64_t(work / kTaskWork), 1, kTasks); }

// Sums in the result's dtype.
void store(Dtype dtype, const char* sums, char* to, int64_t n) {
  if (TileProduct::in_place(dtype)) {
    std::memcpy(to, sums, size_t(n) * size_of(dtype));
  } else {
    simd().from_sums(dtype, sums, to, n);
  }
}

class Forward {
 public:
  Forward(const ConvRuns& runs, const ConvPhase& phase, const View& weight, View& out)
      : runs_(runs),
        s_(runs.shape()),
        phase_(phase),
        dtype_(out.dtype),
        sums_(TileProduct::sums(dtype_)),
        sum_bytes_(int64_t(size_of(sums_))),
        bytes_(int64_t(size_of(dtype_))),
        out_(static_cast<char*>(out.data())),
        taps_(int64_t(phase.taps.size())),
        rows_(s_.n * phase.results()),
        width_(simd().pack_width(sums_, s_.group_out)),
        strips_(up(s_.group_out, width_)),
        direct_(s_.simple() && TileProduct::in_place(dtype_)) {
    pack(weight);
  }

  void run() const {
    int64_t tables = up(rows_, kRows), units = s_.groups * strips_;
    double work = double(rows_) * double(taps_) * double(s_.group_in) * double(s_.out_channels);
    int64_t pieces = std::clamp<int64_t>(up(wanted_tasks(work), tables), 1, units);
    int64_t each = up(units, pieces);
    pieces = up(units, each);
    parallel_for(tables * pieces, 1, [&](int64_t begin, int64_t end) {
      ThreadMemory table, sums;
      for (int64_t task = begin; task < end; task++) {
        int64_t row = task / pieces * kRows, rows = std::min(kRows, rows_ - row), unit = task % pieces * each;
        auto** addresses = static_cast<const void**>(table.bytes(rows * taps_ * int64_t(sizeof(void*))));
        runs_.addresses(phase_, row, rows, 0, taps_, addresses);
        make(addresses, row, rows, unit, std::min(units, unit + each), sums);
      }
    });
  }

 private:
  // Strips of all groups, one after the other.
  char* strip(int64_t unit) const { return packed_ + unit * width_ * taps_ * s_.group_in * sum_bytes_; }

  void pack(const View& weight) {
    int64_t depth = taps_ * s_.group_in, units = s_.groups * strips_;
    packed_ = static_cast<char*>(memory_.bytes(units * width_ * depth * sum_bytes_));
    std::vector<int64_t> taps;
    for (const ConvTap& tap : phase_.taps) taps.push_back(tap.weight);
    int64_t column = s_.kernel * s_.group_in;
    const char* from = static_cast<const char*>(weight.data());
    parallel_for(units, 1 + 32768 / (width_ * depth), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        int64_t group = unit / strips_, j = unit % strips_ * width_, first = group * s_.group_out + j;
        simd().pack_columns(dtype_, from + first * column * bytes_, column, taps.data(), taps_, s_.group_in,
                            std::min(width_, s_.group_out - j), width_, strip(unit));
      }
    });
  }

  // Results [row, row + rows) of strips [unit, end).
  void make(const void* const* addresses, int64_t row, int64_t rows, int64_t unit, int64_t end,
            ThreadMemory& memory) const {
    while (unit < end) {
      int64_t group = unit / strips_, strip_in_group = unit % strips_;
      int64_t count = std::min(end - unit, strips_ - strip_in_group), j = strip_in_group * width_;
      int64_t n = std::min(count * width_, s_.group_out - j), channel = group * s_.group_out + j;
      char* into = direct_ ? out_ + (row * s_.out_channels + channel) * bytes_
                           : static_cast<char*>(memory.bytes(rows * n * sum_bytes_));
      int64_t into_row = direct_ ? s_.out_channels : n;
      simd().patch_product(sums_, {rows, n, taps_, s_.group_in, addresses, group * s_.group_in, strip(unit),
                                   width_, into, into_row});
      if (!direct_) scatter(into, row, rows, channel, n);
      unit += count;
    }
  }

  void scatter(const char* sums, int64_t row, int64_t rows, int64_t channel, int64_t n) const {
    int64_t image = s_.out[0] * s_.out[1] * s_.out[2];
    ConvPosition position(phase_, row);
    for (int64_t r = 0; r < rows; r++, position.next()) {
      int64_t place = position.image() * image + s_.place(phase_, position.q());
      store(dtype_, sums + r * n * sum_bytes_, out_ + (place * s_.out_channels + channel) * bytes_, n);
    }
  }

  const ConvRuns& runs_;
  const ConvShape& s_;
  const ConvPhase& phase_;
  Dtype dtype_, sums_;
  int64_t sum_bytes_, bytes_;
  char* out_;
  int64_t taps_, rows_, width_, strips_;
  bool direct_;
  ThreadMemory memory_;
  char* packed_ = nullptr;
};

class WeightGradient {
 public:
  WeightGradient(const ConvRuns& runs, const ConvPhase& phase, const View& gradient, View& out)
      : runs_(runs),
        s_(runs.shape()),
        phase_(phase),
        dtype_(out.dtype),
        sums_(TileProduct::sums(dtype_)),
        sum_bytes_(int64_t(size_of(sums_))),
        bytes_(int64_t(size_of(dtype_))),
        gradient_(static_cast<const char*>(gradient.data())),
        out_(static_cast<char*>(out.data())),
        taps_(int64_t(phase.taps.size())),
        rows_(s_.n * phase.results()),
        width_(taps_ * s_.group_in) {
    double work = double(rows_) * double(width_) * double(s_.out_channels);
    int64_t tasks = wanted_tasks(work);
    tap_pieces_ = std::min(taps_, tasks);
    each_taps_ = up(taps_, tap_pieces_);
    tap_pieces_ = up(taps_, each_taps_);
    int64_t most = std::max(kFewParts, kLargestSums / std::max<int64_t>(s_.out_channels * width_, 1));
    parts_ = std::clamp<int64_t>(rows_ / kPartRows, 1, std::min(most, up(tasks, tap_pieces_)));
    each_rows_ = up(up(rows_, parts_), kRows) * kRows;
    parts_ = up(rows_, each_rows_);
    direct_ = s_.simple() && parts_ == 1 && TileProduct::in_place(dtype_);
  }

  void run() {
    int64_t size = s_.out_channels * width_ * sum_bytes_;
    ThreadMemory memory;
    char* all = direct_ ? out_ : static_cast<char*>(memory.bytes(parts_ * size));
    parallel_for(parts_ * tap_pieces_, 1, [&](int64_t begin, int64_t end) {
      ThreadMemory table, rows;
      for (int64_t task = begin; task < end; task++) {
        int64_t part = task / tap_pieces_, tap = task % tap_pieces_ * each_taps_;
        add_part(table, rows, all + part * size, part * each_rows_, tap, std::min(each_taps_, taps_ - tap));
      }
    });
    if (!direct_) join(all, size);
  }

 private:
  // The sums of one part of the results, for some taps.
  void add_part(ThreadMemory& table, ThreadMemory& copied, char* sums, int64_t first, int64_t tap,
                int64_t taps) const {
    sums += tap * s_.group_in * sum_bytes_;
    for (int64_t c = 0; c < s_.out_channels; c++) {
      std::memset(sums + c * width_ * sum_bytes_, 0, size_t(taps * s_.group_in * sum_bytes_));
    }
    int64_t end = std::min(rows_, first + each_rows_);
    for (int64_t row = first; row < end; row += kRows) {
      int64_t rows = std::min(kRows, end - row);
      auto** addresses = static_cast<const void**>(table.bytes(rows * taps * int64_t(sizeof(void*))));
      runs_.addresses(phase_, row, rows, tap, taps, addresses);
      const char* y = gradients(copied, row, rows);
      for (int64_t g = 0; g < s_.groups; g++) {
        simd().patch_gradient(sums_, {rows, s_.group_out, taps, s_.group_in, addresses, taps, g * s_.group_in,
                                      y + g * s_.group_out * sum_bytes_, s_.out_channels,
                                      sums + g * s_.group_out * width_ * sum_bytes_, width_});
      }
    }
  }

  // Rows of the results' gradients: as they lie, or copied where results are left out.
  const char* gradients(ThreadMemory& copied, int64_t row, int64_t rows) const {
    int64_t image = s_.out[0] * s_.out[1] * s_.out[2], size = s_.out_channels * sum_bytes_;
    if (phase_.results() == image) return gradient_ + row * size;
    char* to = static_cast<char*>(copied.bytes(rows * size));
    ConvPosition position(phase_, row);
    for (int64_t r = 0; r < rows; r++, position.next()) {
      int64_t place = position.image() * image + s_.place(phase_, position.q());
      std::memcpy(to + r * size, gradient_ + place * size, size_t(size));
    }
    return to;
  }

  void join(char* all, int64_t size) const {
    ElementwiseFn add = simd().elementwise(int(Elementwise::add), sums_, sums_);
    parallel_for(s_.out_channels, 1 + 16384 / (width_ * parts_), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) {
        char* first = all + c * width_ * sum_bytes_;
        for (int64_t part = 1; part < parts_; part++) add(first, first + part * size, nullptr, first, width_);
        for (int64_t t = 0; t < taps_; t++) {
          int64_t place = c * s_.kernel + phase_.taps[size_t(t)].weight;
          store(dtype_, first + t * s_.group_in * sum_bytes_, out_ + place * s_.group_in * bytes_,
                s_.group_in);
        }
      }
    });
  }

  const ConvRuns& runs_;
  const ConvShape& s_;
  const ConvPhase& phase_;
  Dtype dtype_, sums_;
  int64_t sum_bytes_, bytes_;
  const char* gradient_;
  char* out_;
  int64_t taps_, rows_, width_;
  int64_t tap_pieces_, each_taps_, parts_, each_rows_;
  bool direct_;
};

}  // namespace

View as_sums(const View& v) {
  if (!is_half(v.dtype)) return v;
  View out = allocate_view(v.shape, float32);
  constexpr int64_t kPiece = 1 << 16;
  parallel_for(up(v.size(), kPiece), 1, [&](int64_t begin, int64_t end) {
    int64_t first = begin * kPiece, last = std::min(v.size(), end * kPiece);
    simd().to_sums(v.dtype, v.as<uint16_t>() + first, 1, out.as<float>() + first, last - first);
  });
  return out;
}

bool takes_runs(const ConvShape& shape, Dtype dtype) {
  return dtype != complex64 && (shape.group_in >= kShortestRun || shape.groups > 1);
}

ConvRuns::ConvRuns(const ConvShape& shape, const View& input) : shape_(shape), input_(as_sums(input)) {
  bytes_ = int64_t(size_of(input_.dtype));
  int64_t places = shape.n * shape.in[0] * shape.in[1] * shape.in[2], c = shape.channels;
  int64_t repeated = std::min(places, up(kPatchSlack, c) + 1);
  first_in_tail_ = places - repeated;
  auto padded = [&](int64_t n) {
    View v = allocate_view({n + kPatchSlack}, input_.dtype);
    std::memset(v.data(), 0, v.nbytes());
    return v;
  };
  zeros_ = padded(c);
  tail_ = padded(repeated * c);
  std::memcpy(tail_.data(), static_cast<const char*>(input_.data()) + first_in_tail_ * c * bytes_,
              size_t(repeated * c * bytes_));
}

void ConvRuns::addresses(const ConvPhase& phase, int64_t row, int64_t rows, int64_t tap, int64_t taps,
                         const void** to) const {
  const Triple &in = shape_.in, &step = phase.input_step;
  const char *base = static_cast<const char*>(input_.data()), *tail = static_cast<const char*>(tail_.data());
  int64_t size = shape_.channels * bytes_;
  ConvPosition position(phase, row);
  for (int64_t i = 0; i < rows; i++, position.next()) {
    const Triple& q = position.q();
    int64_t z0 = q[0] * step[0], y0 = q[1] * step[1], x0 = q[2] * step[2];
    for (int64_t t = tap; t < tap + taps; t++) {
      const Triple& at = phase.taps[size_t(t)].at;
      int64_t z = z0 + at[0], y = y0 + at[1], x = x0 + at[2];
      bool inside =
          uint64_t(z) < uint64_t(in[0]) && uint64_t(y) < uint64_t(in[1]) && uint64_t(x) < uint64_t(in[2]);
      int64_t place = ((position.image() * in[0] + z) * in[1] + y) * in[2] + x;
      *to++ = !inside                   ? zeros_.data()
              : place >= first_in_tail_ ? tail + (place - first_in_tail_) * size
                                        : base + place * size;
    }
  }
}

void conv_runs(const ConvRuns& runs, const ConvPhase& phase, const View& weight, View& out) {
  Forward(runs, phase, weight, out).run();
}

void conv_weight_runs(const ConvRuns& runs, const ConvPhase& phase, const View& gradient, View& out) {
  WeightGradient(runs, phase, gradient, out).run();
}

}  // namespace melix::cpu
