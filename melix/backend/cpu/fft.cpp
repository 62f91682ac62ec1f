// Kernel of the Fourier transforms: one axis after the other, between memory [outer, n, inner] and lanes.
//
//   short lines    16 or more side by side in lanes (simd/fft.h): columns as they are, rows transposed on the way
//   long lines     one after the other, each in four steps (fft_rows.h); columns are put into rows, 16 at a time
//
// Real lines of even length are complex ones of half the length; others are complex ones with zeros. Which way a line
// goes depends on the shape alone.
#include "melix/ops/fft.h"

#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/fft_rows.h"
#include "melix/backend/cpu/key_sort.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kLongest = 2048;    // elements in lanes: two buffers of 256 KiB
constexpr int64_t kFew = 8;           // fewer lines would leave most lanes empty
constexpr int64_t kShortest = 64;     // from so many elements on a line is worth four steps
constexpr int64_t kTask = 16384;      // complex numbers that are worth a task
constexpr int64_t kWidest = 32;       // blocks of lanes
constexpr int64_t kStage = 16 * 512;  // floats: of 16 lanes 256 columns, of all lanes 8
constexpr int64_t kGathered = 16;     // columns that become rows together

enum class Lines : uint8_t { complex, to_spectrum, from_spectrum };

// Lines in memory: element j of line (o, i) is at (o * n + j) * inner + i.
struct Side {
  float* base;
  int floats;  // of an element
  int64_t n, inner;

  float* at(int64_t line) const { return base + (line / inner * n * inner + line % inner) * floats; }
};

// ---- between a side and lanes ----

// Calls body(first element, count, address, floats between elements) with lines [line, line + lanes) side by side:
// where they are, if they are so, or part after part in `stage`, to which (kLoad) they come or from which they go.
template <bool kLoad, class Body>
void each_stage(const Side& side, int64_t line, int64_t lanes, float* stage, Body body) {
  const int64_t inner = side.inner;
  const bool rows = inner == 1, columns = !rows && line % inner + lanes <= inner;
  if (columns) return body(0, side.n, side.at(line), inner * side.floats);
  const int64_t most = kStage / (lanes * side.floats) & ~int64_t(1), bytes = side.floats * 4;
  for (int64_t first = 0; first < side.n; first += most) {
    const int64_t count = std::min(most, side.n - first);
    auto move = [&] {
      if (rows && kLoad) {
        simd().transpose(int(bytes), side.at(line) + first * side.floats, side.n, stage, lanes, lanes, count);
      } else if (rows) {
        simd().transpose(int(bytes), stage, lanes, side.at(line) + first * side.floats, side.n, count, lanes);
      } else {
        for (int64_t l = 0; l < lanes; l++) {
          float *memory = side.at(line + l) + first * inner * side.floats, *own = stage + l * side.floats;
          kLoad ? simd().copy_strided(int(bytes), memory, inner, own, lanes, count)
                : simd().copy_strided(int(bytes), own, lanes, memory, inner, count);
        }
      }
    };
    if (kLoad) move();
    body(first, count, stage, lanes * side.floats);
    if (!kLoad) move();
  }
}

// Whether lanes are rows of complex numbers in blocks that are all full.
bool in_full_rows(const Side& side, int64_t lanes) {
  return side.floats == 2 && side.inner == 1 && lanes % kFftLanes == 0;
}

// `paired`: elements 2 j and 2 j + 1 of real lines are the parts of a complex number.
void load(const Side& side, int64_t line, int64_t lanes, bool paired, float* stage, float* to) {
  const int64_t row = (lanes + kFftLanes - 1) / kFftLanes * kFftElement;
  if (in_full_rows(side, lanes))
    return simd().fft_load_rows(side.at(line), 2 * side.n, side.n, lanes / kFftLanes, to);
  each_stage<true>(
      side, line, lanes, stage, [&](int64_t first, int64_t count, const float* x, int64_t stride) {
        if (side.floats == 2)
          simd().fft_load(x, stride, count, lanes, to + first * row);
        else if (paired)
          simd().fft_load_real(x, x + stride, 2 * stride, count / 2, lanes, to + first / 2 * row);
        else
          simd().fft_load_real(x, nullptr, stride, count, lanes, to + first * row);
      });
}

void store(const float* from, float scale, bool paired, const Side& side, int64_t line, int64_t lanes,
           float* stage) {
  const int64_t row = (lanes + kFftLanes - 1) / kFftLanes * kFftElement;
  if (in_full_rows(side, lanes))
    return simd().fft_store_rows(from, side.n, lanes / kFftLanes, scale, side.at(line), 2 * side.n);
  each_stage<false>(side, line, lanes, stage, [&](int64_t first, int64_t count, float* x, int64_t stride) {
    if (side.floats == 2)
      simd().fft_store(from + first * row, count, lanes, scale, x, stride);
    else if (paired)
      simd().fft_store_real(from + first / 2 * row, count / 2, lanes, scale, x, x + stride, 2 * stride);
    else
      simd().fft_store_real(from + first * row, count, lanes, scale, x, nullptr, stride);
  });
}

// ---- lines along one axis ----

class Axis {
 public:
  // `n` is the number of real elements, or of complex ones where both sides are complex.
  Axis(Lines lines, int64_t n, int64_t count, const Side& from, const Side& to, bool inverse, float scale)
      : lines_(lines), n_(n), count_(count), from_(from), to_(to), inverse_(inverse), scale_(scale) {
    halved_ = lines != Lines::complex && n % 2 == 0;
    // Pairs of neighbours in a row are complex numbers as they are.
    if (halved_) {
      for (Side* side : {&from_, &to_}) {
        if (side->floats == 1 && side->inner == 1) *side = {side->base, 2, n / 2, 1};
      }
    }
    length_ = halved_ ? n / 2 : n;
    smooth_ = fft_is_smooth(length_);
    padded_ = smooth_ ? length_ : fft_padded(length_);
  }

  void run() const {
    const bool fits = padded_ <= kLongest;
    if (length_ >= kShortest && (!fits || count_ < kFew))
      in_rows();
    else
      in_lanes();
  }

 private:
  // ---- lanes ----

  struct Tables {
    std::shared_ptr<const FftPlan> plan;
    std::shared_ptr<const FftChirp> chirp;
    std::shared_ptr<const FftHalf> half;
  };

  void in_lanes() const {
    Tables tables{fft_table<FftPlan>(padded_), nullptr, nullptr};
    if (!smooth_) tables.chirp = fft_table<FftChirp>(length_);
    if (halved_) tables.half = fft_table<FftHalf>(n_);
    const int64_t blocks = (count_ + kFftLanes - 1) / kFftLanes;
    const int64_t width = std::clamp<int64_t>(256 / padded_, 1, std::min(kWidest, blocks));
    const int64_t group = width * kFftLanes, room = std::max(padded_, length_ + 1) * width * kFftElement;
    parallel_for((count_ + group - 1) / group, std::max<int64_t>(1, kTask / (padded_ * group)),
                 [&](int64_t begin, int64_t end) {
                   Scratch<float> memory(2 * room + kStage);
                   float *a = memory.data(), *b = a + room, *stage = b + room;
                   for (int64_t g = begin; g < end; g++) {
                     const int64_t lanes = std::min(group, count_ - g * group);
                     lanes_of(tables, g * group, lanes, a, b, stage);
                   }
                 });
  }

  void lanes_of(const Tables& tables, int64_t line, int64_t lanes, float* a, float* b, float* stage) const {
    const int64_t width = (lanes + kFftLanes - 1) / kFftLanes;
    load(from_, line, lanes, halved_, stage, a);
    if (lines_ == Lines::from_spectrum) {
      if (halved_) {
        simd().fft_join_lanes(a, length_, width, tables.half->numbers.data(), b);
        std::swap(a, b);
      } else {
        simd().fft_mirror_lanes(length_, width, a);
      }
    }
    float* x = transform(tables, width, a, b);
    if (lines_ == Lines::to_spectrum && halved_) {
      float* y = x == a ? b : a;
      simd().fft_split_lanes(x, length_, width, tables.half->numbers.data(), y);
      x = y;
    }
    store(x, scale_, halved_, to_, line, lanes, stage);
  }

  float* transform(const Tables& tables, int64_t width, float* a, float* b) const {
    if (smooth_) return fft_passes(*tables.plan, width, inverse_, a, b);
    const float *chirp = tables.chirp->chirp.data(), *spectrum = tables.chirp->spectrum.data();
    const int64_t row = width * kFftElement;
    simd().fft_multiply_lanes(chirp, length_, width, fft_lanes(a, inverse_));
    std::fill(a + length_ * row, a + padded_ * row, 0.0f);
    float* x = fft_passes(*tables.plan, width, inverse_, a, b);
    simd().fft_multiply_lanes(spectrum, padded_, width, fft_lanes(x, inverse_));
    x = fft_passes(*tables.plan, width, !inverse_, x, x == a ? b : a);
    simd().fft_multiply_lanes(chirp, length_, width, fft_lanes(x, inverse_));
    return x;
  }

  // ---- long lines ----

  void in_rows() const {
    std::unique_ptr<const FftRow> row;
    std::unique_ptr<const FftRealRow> real;
    if (halved_)
      real = std::make_unique<const FftRealRow>(n_);
    else
      row = std::make_unique<const FftRow>(n_);
    auto one = [&](const float* from, float* to) {
      if (!halved_)
        whole_row(*row, from, to);
      else if (lines_ == Lines::to_spectrum)
        real->forward(from, to, scale_);
      else
        real->inverse(from, to, scale_);
    };
    // Lines side by side on the threads, or one after the other, each with all threads: the bits are the same.
    auto each_line = [&](int64_t n, auto body) {
      parallel_for(n, n < kFew ? n : 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) body(i);
      });
    };
    if (from_.inner == 1) return each_line(count_, [&](int64_t line) { one(from_.at(line), to_.at(line)); });
    const int64_t inner = from_.inner, parts = (inner + kGathered - 1) / kGathered;
    each_line(count_ / inner * parts, [&](int64_t part) {
      const int64_t first = part % parts * kGathered, columns = std::min(kGathered, inner - first);
      const int64_t line = part / parts * inner + first;
      const int64_t in = from_.n * from_.floats, out = to_.n * to_.floats;
      Scratch<float> rows(kGathered * (in + out));
      float *x = rows.data(), *y = x + kGathered * in;
      simd().transpose(4 * from_.floats, from_.at(line), inner, x, from_.n, from_.n, columns);
      for (int64_t c = 0; c < columns; c++) one(x + c * in, y + c * out);
      simd().transpose(4 * to_.floats, y, to_.n, to_.at(line), inner, columns, to_.n);
    });
  }

  // Complex rows, and real ones of odd length, which are complex ones for a while.
  void whole_row(const FftRow& row, const float* from, float* to) const {
    if (lines_ == Lines::complex) return row.run(from, to, inverse_, scale_);
    Scratch<float> room(2 * n_);
    float* x = room.data();
    if (lines_ == Lines::to_spectrum) {
      for (int64_t i = 0; i < n_; i++) {
        x[2 * i] = from[i];
        x[2 * i + 1] = 0;
      }
      row.run(x, x, false, scale_);
      std::copy(x, x + 2 * to_.n, to);
      return;
    }
    x[0] = from[0];
    x[1] = 0;
    for (int64_t k = 1; k <= n_ / 2; k++) {
      x[2 * k] = x[2 * (n_ - k)] = from[2 * k];
      x[2 * k + 1] = from[2 * k + 1];
      x[2 * (n_ - k) + 1] = -from[2 * k + 1];
    }
    row.run(x, x, true, scale_);
    for (int64_t i = 0; i < n_; i++) to[i] = x[2 * i];
  }

  Lines lines_;
  int64_t n_, count_;
  Side from_, to_;
  bool inverse_;
  float scale_;
  bool halved_, smooth_;
  int64_t length_, padded_;  // of the complex transform, and of that which the passes do
};

struct Place {
  float* base;
  int floats;
  const Shape* shape;

  Side side(int axis) const {
    Side out{base, floats, (*shape)[uint32_t(axis)], 1};
    for (uint32_t d = uint32_t(axis) + 1; d < shape->size(); d++) out.inner *= (*shape)[d];
    return out;
  }
};

}  // namespace

void fft(const Call& call) {
  const auto& attrs = attrs_as<FftAttrs>(call.attrs);
  const View &in = call.inputs[0], &out = call.outputs[0];
  if (out.size() == 0) return;
  Place from{in.as<float>(), in.dtype == complex64 ? 2 : 1, &in.shape};
  const Place to{out.as<float>(), out.dtype == complex64 ? 2 : 1, &out.shape};
  const uint32_t axes = attrs.axes.size();
  // A half spectrum is made along the last axis first, and becomes real again along it at the end: until then the
  // other axes need memory, as the result has not their type.
  const bool last_first = attrs.real && !attrs.inverse, back = attrs.real && attrs.inverse && axes > 1;
  Scratch<float> room(back ? 2 * in.size() : 1);
  for (uint32_t step = 0; step < axes; step++) {
    const bool final_step = step + 1 == axes;
    const int axis = attrs.axes[last_first ? axes - 1 - step : step];
    const bool real = attrs.real && (last_first ? step == 0 : final_step);
    const Place into = back && !final_step ? Place{room.data(), 2, &in.shape} : to;
    const Side a = from.side(axis), b = into.side(axis);
    const Lines lines = !real ? Lines::complex : attrs.inverse ? Lines::from_spectrum : Lines::to_spectrum;
    const int64_t n = lines == Lines::to_spectrum ? a.n : b.n;
    const int64_t count = elements(*from.shape) / a.n;
    Axis(lines, n, count, a, b, attrs.inverse, final_step ? float(attrs.scale) : 1.0f).run();
    from = into;
  }
}

}  // namespace melix::cpu
