// Convolutions whose groups have one channel. A task makes stretches of some rows of results, from lines: rows of the
// input, copied with zeros around, as float32 (or float64), every channel once for each of its results, and with a
// stride of s as s lines, of the places 0, s, 2s, ..., 1, s + 1, ... Then what a tap meets for all results of the
// stretch lies one after the other:
//
//   results   r0 r1 r2 r3 (C channels each)      stride 1, three taps, padding 1
//   line       0 x0 x1 x2 x3 0
//   tap 0      ^----------            tap 1 begins C elements later, tap 2 another C
//
// Lines are kept for the next rows of results. Rows are never summed across tasks but for the gradient of the weight,
// whose parts are a fixed number and are added in order.
#include "melix/backend/cpu/conv_depthwise.h"

#include <algorithm>
#include <cstring>

#include "melix/backend/cpu/products.h"
#include "melix/backend/cpu/simd/depthwise.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kLargestGroup = 4;       // results of a channel; with more, a product is faster
constexpr int64_t kStretch = 4096;         // results of a stretch: its lines are in L1 or L2
constexpr int64_t kTaskWork = 1 << 16;     // products of a task, where there are as many: 5 microseconds
constexpr int64_t kParts = 32;             // of a gradient, to keep as many cores busy
constexpr int64_t kLargestSums = 1 << 22;  // of gradients of all parts

int64_t up(int64_t n, int64_t by) { return (n + by - 1) / by; }

class Depthwise {
 public:
  Depthwise(const ConvShape& shape, const ConvPhase& phase, const View& input)
      : s_(shape),
        phase_(phase),
        input_(static_cast<const char*>(input.data())),
        dtype_(input.dtype),
        bytes_(int64_t(size_of(dtype_))),
        sums_(TileProduct::sums(dtype_)),
        sum_bytes_(int64_t(size_of(sums_))),
        c_(shape.out_channels),
        taps_(int64_t(phase.taps.size())) {
    sort_taps();
    int64_t overlap = 0;
    for (const Line& line : lines_) overlap = std::max(overlap, line.last - line.first);
    int64_t length = phase.count[2], rows = phase.count[1];
    stretch_ = std::clamp<int64_t>(std::max(up(kStretch, c_), std::min(4 * overlap, kStretch)), 1, length);
    stretches_ = up(length, stretch_);
    int64_t band = std::max(up(kTaskWork, stretch_ * c_ * taps_), int64_t(rows_.size()) * 4);
    bands_ = up(rows, std::min(band, rows));
    band_ = up(rows, bands_);
    bands_ = up(rows, band_);
    for (Line& line : lines_) {
      line.begin = line_bytes_;
      line_bytes_ += ((stretch_ + line.last - line.first) * c_ + 3 * kDepthwiseSlack) * sum_bytes_;
    }
  }

  int64_t tasks() const { return s_.n * phase_.count[0] * bands_ * stretches_; }

 protected:
  // Places of the last axis with one remainder of the stride: those of number first ... last for the first result.
  struct Line {
    int64_t remainder, first, last, begin;
  };
  // Taps that meet the same row.
  struct Row {
    int64_t z, y;
  };
  struct PlacedTap {
    size_t row, line;
    int64_t number;  // on its line, for the first result
  };

  // Copies of rows, one set of lines in each slot; `keys` says which row is there (-1: zeros).
  struct Worker {
    ThreadMemory memory, staging, sums;
    char* slots = nullptr;
    std::vector<int64_t> keys;
    std::vector<size_t> slot_of;  // of each row of taps
    std::vector<const void*> x;
  };

  // Results [first, first + n) of row q[1] of plane q[0] of an image.
  struct Stretch {
    int64_t image;
    Triple q;
    int64_t n;
  };

  void start(Worker& w) const {
    w.slots = static_cast<char*>(w.memory.bytes(int64_t(rows_.size()) * line_bytes_));
    w.slot_of.resize(rows_.size());
    w.x.resize(size_t(taps_));
  }

  // body(stretch) for each stretch of a task, with w.x ready.
  template <class Body>
  void run_task(Worker& w, int64_t index, Body body) const {
    int64_t stretch = index % stretches_, band = index / stretches_ % bands_;
    int64_t plane = index / stretches_ / bands_ % phase_.count[0];
    Stretch at{index / stretches_ / bands_ / phase_.count[0], {plane, 0, stretch * stretch_}, 0};
    at.n = std::min(stretch_, phase_.count[2] - at.q[2]);
    w.keys.assign(rows_.size(), -2);
    int64_t end = std::min(phase_.count[1], (band + 1) * band_);
    for (at.q[1] = band * band_; at.q[1] < end; at.q[1]++) {
      find_rows(w, at);
      for (size_t t = 0; t < taps_placed_.size(); t++) {
        const PlacedTap& tap = taps_placed_[t];
        const Line& line = lines_[tap.line];
        w.x[t] = w.slots + int64_t(w.slot_of[tap.row]) * line_bytes_ + line.begin +
                 (tap.number - line.first) * c_ * sum_bytes_;
      }
      body(at);
    }
  }

  // The place of a result in one image.
  int64_t place(const Stretch& at) const {
    return at.image * s_.out[0] * s_.out[1] * s_.out[2] + s_.place(phase_, at.q);
  }

  const ConvShape& s_;
  const ConvPhase& phase_;
  const char* input_;
  Dtype dtype_;
  int64_t bytes_;
  Dtype sums_;
  int64_t sum_bytes_;
  int64_t c_, taps_;

 private:
  void sort_taps() {
    int64_t step = phase_.input_step[2];
    for (const ConvTap& tap : phase_.taps) {
      PlacedTap placed{};
      for (placed.row = 0; placed.row < rows_.size(); placed.row++) {
        const Row& row = rows_[placed.row];
        if (row.z == tap.at[0] && row.y == tap.at[1]) break;
      }
      if (placed.row == rows_.size()) rows_.push_back({tap.at[0], tap.at[1]});
      int64_t remainder = ((tap.at[2] % step) + step) % step;
      placed.number = (tap.at[2] - remainder) / step;
      for (placed.line = 0; placed.line < lines_.size(); placed.line++) {
        if (lines_[placed.line].remainder == remainder) break;
      }
      if (placed.line == lines_.size()) lines_.push_back({remainder, placed.number, placed.number, 0});
      Line& line = lines_[placed.line];
      line.first = std::min(line.first, placed.number);
      line.last = std::max(line.last, placed.number);
      taps_placed_.push_back(placed);
    }
  }

  // Finds a slot with each row that the taps meet, or makes it in one that no other row of these is in.
  void find_rows(Worker& w, const Stretch& at) const {
    SmallVector<int64_t, 16> wanted;
    for (const Row& row : rows_) {
      int64_t z = at.q[0] * phase_.input_step[0] + row.z, y = at.q[1] * phase_.input_step[1] + row.y;
      bool inside = z >= 0 && z < s_.in[0] && y >= 0 && y < s_.in[1];
      wanted.push_back(inside ? z * s_.in[1] + y : -1);
    }
    SmallVector<bool, 16> kept(w.keys.size(), false);
    for (size_t r = 0; r < rows_.size(); r++) {
      auto found = std::find(w.keys.begin(), w.keys.end(), wanted[r]);
      w.slot_of[r] = size_t(found - w.keys.begin());
      if (found != w.keys.end()) kept[w.slot_of[r]] = true;
    }
    for (size_t r = 0; r < rows_.size(); r++) {
      if (w.slot_of[r] < w.keys.size()) continue;
      auto made = std::find(w.keys.begin(), w.keys.end(), wanted[r]);  // for a row before this one
      size_t slot = size_t(made - w.keys.begin());
      if (made == w.keys.end()) {
        slot = size_t(std::find(kept.begin(), kept.end(), false) - kept.begin());
        w.keys[slot] = wanted[r];
        kept[slot] = true;
        make_lines(w, at, wanted[r], w.slots + int64_t(slot) * line_bytes_);
      }
      w.slot_of[r] = slot;
    }
  }

  void make_lines(Worker& w, const Stretch& at, int64_t row, char* slot) const {
    int64_t step = phase_.input_step[2];
    for (const Line& line : lines_) {
      char* to = slot + line.begin;
      // Numbers [first, first + n) of this remainder, of which the input has [0, exist).
      int64_t first = at.q[2] + line.first, n = at.n + line.last - line.first;
      int64_t exist = row < 0 ? 0 : up(std::max<int64_t>(s_.in[2] - line.remainder, 0), step);
      int64_t low = std::clamp<int64_t>(-first, 0, n), high = std::clamp(exist - first, low, n);
      int64_t size = c_ * sum_bytes_;
      std::memset(to, 0, size_t(low * size));
      if (low < high) {
        int64_t place =
            (at.image * s_.in[0] * s_.in[1] + row) * s_.in[2] + (first + low) * step + line.remainder;
        copy_places(w, input_ + place * s_.channels * bytes_, high - low, to + low * size);
      }
      std::memset(to + high * size, 0, size_t((n - high) * size + 2 * kDepthwiseSlack * sum_bytes_));
    }
  }

  // n places of the input, a step apart, as sums; each channel as often as it has results.
  void copy_places(Worker& w, const char* from, int64_t n, char* to) const {
    int64_t step = phase_.input_step[2], c = s_.channels, repeats = s_.group_out;
    char* wide = repeats == 1 ? to : static_cast<char*>(w.staging.bytes(n * c * sum_bytes_));
    if (step == 1 || c == 1) {
      simd().to_sums(dtype_, from, c == 1 ? step : 1, wide, n * c);
    } else {
      for (int64_t i = 0; i < n; i++) {
        simd().to_sums(dtype_, from + i * step * c * bytes_, 1, wide + i * c * sum_bytes_, c);
      }
    }
    for (int64_t j = 0; j < repeats && repeats > 1; j++) {
      simd().copy_strided(int(sum_bytes_), wide, 1, to + j * sum_bytes_, repeats, n * c);
    }
  }

  std::vector<Row> rows_;
  std::vector<Line> lines_;
  std::vector<PlacedTap> taps_placed_;
  int64_t stretch_, stretches_, band_, bands_, line_bytes_ = 0;
};

class DepthwiseForward : Depthwise {
 public:
  DepthwiseForward(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& weight,
                   View& out)
      : Depthwise(shape, phase, input),
        out_(static_cast<char*>(out.data())),
        weight_step_(c_ == 1 ? 1 : c_ + kDepthwiseSlack),
        weights_(static_cast<char*>(memory_.bytes(taps_ * weight_step_ * sum_bytes_))) {
    const char* from = static_cast<const char*>(weight.data());
    for (int64_t t = 0; t < taps_; t++) {
      char* to = weights_ + t * weight_step_ * sum_bytes_;
      simd().to_sums(dtype_, from + phase.taps[size_t(t)].weight * bytes_, s_.kernel, to, c_);
      for (int64_t i = c_; i < weight_step_; i++) {
        std::memcpy(to + i * sum_bytes_, to + (i - c_) * sum_bytes_, size_t(sum_bytes_));
      }
    }
  }

  void run() const {
    bool neighbours = phase_.step[2] == 1, direct = neighbours && TileProduct::in_place(dtype_);
    parallel_for(tasks(), 1, [&](int64_t begin, int64_t end) {
      Worker w;
      start(w);
      for (int64_t task = begin; task < end; task++) {
        run_task(w, task, [&](Stretch& at) {
          int64_t n = at.n * c_;
          char* to = out_ + place(at) * c_ * bytes_;
          void* sums = direct ? to : w.sums.bytes(n * sum_bytes_);
          simd().depthwise_row(sums_, {n, c_, taps_, w.x.data(), weights_, weight_step_, sums});
          if (direct) return;
          int64_t together = neighbours ? at.n : 1, distance = neighbours ? n : phase_.step[2] * c_;
          for (int64_t i = 0; i < at.n; i += together, to += distance * bytes_) {
            simd().from_sums(dtype_, static_cast<char*>(sums) + i * c_ * sum_bytes_, to, together * c_);
          }
        });
      }
    });
  }

 private:
  char* out_;
  int64_t weight_step_;
  ThreadMemory memory_;
  char* weights_;
};

// Channels of which sums are made at once: few are several places together, so that vectors are full.
int64_t together(int64_t channels) { return channels * up(kDepthwiseSlack, channels); }

class DepthwiseWeight : Depthwise {
 public:
  DepthwiseWeight(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& gradient,
                  View& out)
      : Depthwise(shape, phase, input),
        gradient_(static_cast<const char*>(gradient.data())),
        out_(static_cast<char*>(out.data())),
        width_(together(c_)),
        sum_step_(width_ + kDepthwiseSlack) {}

  void run() {
    int64_t each = up(tasks(), kParts), parts = up(tasks(), each), size = taps_ * sum_step_ * sum_bytes_;
    ThreadMemory memory;
    char* all = static_cast<char*>(memory.bytes(parts * size));
    parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      Worker w;
      start(w);
      for (int64_t part = begin; part < end; part++) {
        char* sums = all + part * size;
        std::memset(sums, 0, size_t(size));
        for (int64_t task = part * each; task < std::min(tasks(), (part + 1) * each); task++) {
          run_task(w, task, [&](const Stretch& at) { add(w, at, sums); });
        }
      }
    });
    for (int64_t t = 0; t < taps_; t++) {
      if (sums_ == float64) {
        finish<double>(all + t * sum_step_ * 8, parts, size, phase_.taps[size_t(t)].weight);
      } else {
        finish<float>(all + t * sum_step_ * 4, parts, size, phase_.taps[size_t(t)].weight);
      }
    }
  }

 private:
  void add(Worker& w, const Stretch& at, char* sums) const {
    int64_t n = at.n * c_, full = up(n, width_) * width_;
    char* y = static_cast<char*>(w.sums.bytes((full + kDepthwiseSlack) * sum_bytes_));
    const char* from = gradient_ + place(at) * c_ * bytes_;
    if (phase_.step[2] == 1) {
      simd().to_sums(dtype_, from, 1, y, n);
    } else {
      for (int64_t i = 0; i < at.n; i++) {
        simd().to_sums(dtype_, from + i * phase_.step[2] * c_ * bytes_, 1, y + i * c_ * sum_bytes_, c_);
      }
    }
    std::memset(y + n * sum_bytes_, 0, size_t((full + kDepthwiseSlack - n) * sum_bytes_));
    simd().depthwise_gradient(sums_, {full, width_, taps_, w.x.data(), y, sums, sum_step_});
  }

  // One tap of all channels: parts, then places, added up in order.
  template <class T>
  void finish(char* first, int64_t parts, int64_t size, int64_t weight) const {
    std::vector<T> total(size_t(c_), T(0));
    for (int64_t part = 0; part < parts; part++) {
      const T* sums = reinterpret_cast<const T*>(first + part * size);
      for (int64_t i = 0; i < width_; i++) total[size_t(i % c_)] += sums[i];
    }
    for (int64_t c = 0; c < c_; c++) {
      simd().from_sums(dtype_, &total[size_t(c)], out_ + (c * s_.kernel + weight) * bytes_, 1);
    }
  }

  const char* gradient_;
  char* out_;
  int64_t width_, sum_step_;
};

}  // namespace

bool takes_depthwise(const ConvShape& shape, Dtype dtype) {
  return shape.group_in == 1 && shape.group_out <= kLargestGroup && dtype != complex64;
}

bool takes_depthwise_weight(const ConvShape& shape, Dtype dtype) {
  return takes_depthwise(shape, dtype) &&
         shape.kernel * together(shape.out_channels) * kParts <= kLargestSums;
}

void depthwise(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& weight,
               View& out) {
  DepthwiseForward(shape, phase, input, weight, out).run();
}

void depthwise_weight(const ConvShape& shape, const ConvPhase& phase, const View& input, const View& gradient,
                      View& out) {
  DepthwiseWeight(shape, phase, input, gradient, out).run();
}

}  // namespace melix::cpu
