// Transforms of one long row of complex numbers: all threads work on it, through transforms of about sqrt(n) elements
// in lanes. Not for many short rows (fft_lanes.h).
#pragma once

#include <memory>

#include "melix/backend/cpu/fft_tables.h"

namespace melix::cpu {

/// Runs the passes of a plan on lanes in `a`, with as much room in `b`, and says which of them has the result.
float* fft_passes(const FftPlan& plan, int64_t width, bool inverse, float* a, float* b);

/// The addresses of lanes for the transform or its inverse (see simd/fft.h).
inline FftLanes fft_lanes(float* x, bool inverse) {
  return inverse ? FftLanes{x + kFftLanes, x} : FftLanes{x, x + kFftLanes};
}

class FftRow {
 public:
  /// For n >= 64.
  explicit FftRow(int64_t n);

  /// to = scale * transform of from, n pairs of floats each; both may be one. Throws Code::memory.
  void run(const float* from, float* to, bool inverse, float scale) const;

 private:
  void four_steps(const float* from, float* to, bool inverse, float scale) const;
  void convolve(const float* from, float* to, bool inverse, float scale) const;

  int64_t n_, first_ = 1, second_ = 1;  // n = first * second, where every factor has a butterfly
  std::shared_ptr<const FftPlan> first_plan_, second_plan_;
  std::shared_ptr<const FftRoots> roots_;
  std::shared_ptr<const FftChirp> chirp_;
  std::unique_ptr<const FftRow> padded_;
};

/// Between a row of n real numbers, n even, and its spectrum of n / 2 + 1 complex ones: one way each.
class FftRealRow {
 public:
  explicit FftRealRow(int64_t n) : half_(n / 2), row_(half_), roots_(fft_table<FftRoots>(n)) {}
  void forward(const float* from, float* to, float scale) const;
  void inverse(const float* from, float* to, float scale) const;

 private:
  template <class Body>
  void each_part(Body body) const;

  int64_t half_;
  FftRow row_;
  std::shared_ptr<const FftRoots> roots_;
};

}  // namespace melix::cpu
