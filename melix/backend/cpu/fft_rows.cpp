// Long rows. A length n = n1 * n2 in four steps, all of them in lanes:
//
//   x[j1][j2]   columns of n1 elements, 16 side by side      -> y[k1][j2]
//   y[k1][j2] * exp(-2 pi i j2 k1 / n), before it is stored
//   y[k1][j2]   rows of n2 elements, 16 side by side         -> x[k2][k1]
//
// so that memory is read and written twice, whatever n is, and tasks are independent. Other lengths are convolutions.
#include "melix/backend/cpu/fft_rows.h"

#include <algorithm>

#include "melix/backend/cpu/key_sort.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kTask = 16384;       // complex numbers that are worth a task
constexpr int64_t kStageColumns = 64;  // of 16 rows that are transposed: 8 KiB

// Blocks of lanes that go together: enough for the loops to be worth their calls, and no more than there are.
int64_t width_of(int64_t n, int64_t lanes) {
  return std::clamp<int64_t>(256 / n, 1, (lanes + kFftLanes - 1) / kFftLanes);
}

// exp(-2 pi i (first + lane) * k / n) for k < count, as the factors of fft_twist.
void fill_twists(const FftRoots& roots, int64_t first, int64_t lanes, int64_t count, int64_t width,
                 double* outer, double* inner) {
  const int64_t row = width * kFftElement;
  for (int64_t l = 0; l < width * kFftLanes; l++) {
    const int64_t j = first + std::min(l, lanes - 1), at = l / kFftLanes * kFftElement + l % kFftLanes;
    for (int64_t a = 0; a * 16 < count; a++) {
      double* to = outer + a * row + at;
      roots.power(j * a * 16, to, to + kFftLanes);
    }
    for (int64_t b = 0; b < std::min<int64_t>(16, count); b++) {
      double* to = inner + b * row + at;
      roots.power(j * b, to, to + kFftLanes);
    }
  }
}

// Rows side by side: lane l reads the row `stride` pairs behind that of lane l - 1.
void load_rows(const float* from, int64_t stride, int64_t n, int64_t lanes, int64_t width, float* to) {
  if (lanes == width * kFftLanes) return simd().fft_load_rows(from, 2 * stride, n, width, to);
  alignas(64) float stage[kStageColumns * kFftElement];
  for (int64_t b = 0; b < width; b++) {
    const int64_t count = std::min<int64_t>(kFftLanes, lanes - b * kFftLanes);
    const float* rows = from + b * kFftLanes * stride * 2;
    for (int64_t c = 0; c < n; c += kStageColumns) {
      const int64_t columns = std::min(kStageColumns, n - c);
      simd().transpose(8, rows + 2 * c, stride, stage, count, count, columns);
      if (width == 1) {
        simd().fft_load(stage, 2 * count, columns, count, to + c * kFftElement);
        continue;
      }
      for (int64_t j = 0; j < columns; j++)
        simd().fft_load(stage + 2 * j * count, 0, 1, count, to + ((c + j) * width + b) * kFftElement);
    }
  }
}

}  // namespace

float* fft_passes(const FftPlan& plan, int64_t width, bool inverse, float* a, float* b) {
  for (const FftPass& pass : plan.passes) {
    simd().fft_pass(pass, width, fft_lanes(a, inverse), fft_lanes(b, inverse));
    std::swap(a, b);
  }
  return a;
}

FftRow::FftRow(int64_t n) : n_(n) {
  if (!fft_is_smooth(n)) {
    chirp_ = fft_table<FftChirp>(n);
    padded_ = std::make_unique<const FftRow>(chirp_->padded);
    return;
  }
  first_ = fft_small_factor(n);
  second_ = n / first_;
  first_plan_ = fft_table<FftPlan>(first_);
  second_plan_ = fft_table<FftPlan>(second_);
  roots_ = fft_table<FftRoots>(n);
}

void FftRow::run(const float* from, float* to, bool inverse, float scale) const {
  chirp_ ? convolve(from, to, inverse, scale) : four_steps(from, to, inverse, scale);
}

void FftRow::four_steps(const float* from, float* to, bool inverse, float scale) const {
  Scratch<float> between(2 * n_);
  float* const y = between.data();
  const int64_t n1 = first_, n2 = second_;
  auto groups = [](int64_t n, int64_t lanes, auto body) {  // body(first lane, lanes, width, two buffers)
    const int64_t width = width_of(n, lanes), group = width * kFftLanes, room = n * width * kFftElement;
    parallel_for((lanes + group - 1) / group, std::max<int64_t>(1, kTask / (n * group)),
                 [&](int64_t b, int64_t e) {
                   Scratch<float> x(2 * room);
                   for (int64_t g = b; g < e; g++) {
                     const int64_t count = std::min(group, lanes - g * group);
                     body(g * group, count, (count + kFftLanes - 1) / kFftLanes, x.data(), x.data() + room);
                   }
                 });
  };
  groups(n1, n2, [&](int64_t j, int64_t lanes, int64_t width, float* a, float* b) {
    const int64_t row = width * kFftElement, outer = (n1 + 15) / 16;
    Scratch<double> twists((outer + 16) * row);
    fill_twists(*roots_, j, lanes, n1, width, twists.data(), twists.data() + outer * row);
    simd().fft_load(from + 2 * j, 2 * n2, n1, lanes, a);
    float* x = fft_passes(*first_plan_, width, inverse, a, b);
    simd().fft_twist(twists.data(), twists.data() + outer * row, n1, width, fft_lanes(x, inverse));
    simd().fft_store(x, n1, lanes, 1, y + 2 * j, 2 * n2);
  });
  groups(n2, n1, [&](int64_t k, int64_t lanes, int64_t width, float* a, float* b) {
    load_rows(y + 2 * k * n2, n2, n2, lanes, width, a);
    float* x = fft_passes(*second_plan_, width, inverse, a, b);
    simd().fft_store(x, n2, lanes, scale, to + 2 * k, 2 * n1);
  });
}

// Everything is conjugated for the inverse.
void FftRow::convolve(const float* from, float* to, bool inverse, float scale) const {
  const int64_t m = chirp_->padded;
  Scratch<float> room(2 * m);
  float* x = room.data();
  auto times = [&](const float* a, const std::vector<float>& table, int64_t n, float factor, float* y) {
    parallel_for(n, kTask, [&](int64_t b, int64_t e) {
      simd().fft_multiply_row(a + 2 * b, table.data() + 2 * b, e - b, inverse, factor, y + 2 * b);
    });
  };
  times(from, chirp_->chirp, n_, 1, x);
  std::fill(x + 2 * n_, x + 2 * m, 0.0f);
  padded_->run(x, x, inverse, 1);
  times(x, chirp_->spectrum, m, 1, x);
  padded_->run(x, x, !inverse, 1);
  times(x, chirp_->chirp, n_, scale, to);
}

FftChirp::FftChirp(int64_t n) : padded(fft_padded(n)), chirp(size_t(2 * n)), spectrum(size_t(2 * padded)) {
  const auto roots = fft_table<FftRoots>(2 * n);
  double re, im;
  for (int64_t k = 0, square = 0; k < n; k++) {  // square = k^2 modulo 2 n
    roots->power(square, &re, &im);
    float* at = &chirp[size_t(2 * k)];
    at[0] = float(re);
    at[1] = float(im);
    for (int64_t place : {k, k ? padded - k : 0}) {
      spectrum[size_t(2 * place)] = float(re / double(padded));
      spectrum[size_t(2 * place) + 1] = float(-im / double(padded));
    }
    square = (square + 2 * k + 1) % (2 * n);
  }
  if (padded >= 64) {
    FftRow(padded).run(spectrum.data(), spectrum.data(), false, 1);
  } else {
    const auto plan = fft_table<FftPlan>(padded);
    Scratch<float> x(2 * padded * kFftElement);
    simd().fft_load(spectrum.data(), 2, padded, 1, x.data());
    float* y = fft_passes(*plan, 1, false, x.data(), x.data() + padded * kFftElement);
    simd().fft_store(y, padded, 1, 1, spectrum.data(), 2);
  }
}

// body(first, last, outer, inner) for parts of the elements 1 ... half / 2, with the powers that split and join want.
template <class Body>
void FftRealRow::each_part(Body body) const {
  double inner[kFftElement];
  for (int64_t l = 0; l < kFftLanes; l++) roots_->power(std::min(l, half_), inner + l, inner + kFftLanes + l);
  const int64_t last = half_ / 2 + 1;
  parallel_for((last + 14) / 16, kTask / 32, [&](int64_t b, int64_t e) {
    double outer[kTask / 16];
    for (int64_t i = b; i < e; i++) roots_->power(1 + 16 * i, outer + 2 * (i - b), outer + 2 * (i - b) + 1);
    body(1 + 16 * b, std::min(last, 1 + 16 * e), outer, inner);
  });
}

void FftRealRow::forward(const float* from, float* to, float scale) const {
  Scratch<float> room(2 * half_);
  float* z = room.data();
  row_.run(from, z, false, 1);
  to[0] = (z[0] + z[1]) * scale;
  to[2 * half_] = (z[0] - z[1]) * scale;
  to[1] = to[2 * half_ + 1] = 0;
  each_part([&](int64_t first, int64_t last, const double* outer, const double* inner) {
    simd().fft_split_row(z, half_, first, last, outer, inner, scale, to);
  });
}

void FftRealRow::inverse(const float* from, float* to, float scale) const {
  Scratch<float> room(2 * half_);
  float* z = room.data();
  z[0] = from[0] + from[2 * half_];
  z[1] = from[0] - from[2 * half_];
  each_part([&](int64_t first, int64_t last, const double* outer, const double* inner) {
    simd().fft_join_row(from, half_, first, last, outer, inner, z);
  });
  row_.run(z, to, true, scale);
}

}  // namespace melix::cpu
