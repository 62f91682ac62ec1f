// Convolutions that read the channels of the input where they lie: patches are tables of addresses, not copies.
#pragma once

#include "melix/backend/cpu/conv_shape.h"

namespace melix::cpu {

/// Whether the two functions below are the fast way: runs of enough channels, real numbers.
bool takes_runs(const ConvShape& shape, Dtype dtype);

/// What both read: the input, of 16-bit floats as float32.
class ConvRuns {
 public:
  ConvRuns(const ConvShape& shape, const View& input);
  const ConvShape& shape() const { return shape_; }
  /// Addresses of rows [row, row + rows) of a phase and taps [tap, tap + taps), in the first channel of all.
  void addresses(const ConvPhase& phase, int64_t row, int64_t rows, int64_t tap, int64_t taps,
                 const void** to) const;

 private:
  const ConvShape& shape_;
  View input_;
  View zeros_;  // what lies outside of the input: channels, and what kernels read behind them
  View tail_;   // the last places again, with room behind them
  int64_t bytes_, first_in_tail_;
};

/// The results of one phase; the weight is (C_out, spatial..., C_in / groups).
void conv_runs(const ConvRuns& runs, const ConvPhase& phase, const View& weight, View& out);

/// The gradient of the weight's taps of one phase; `gradient` is that of the results, as ConvRuns has the input.
void conv_weight_runs(const ConvRuns& runs, const ConvPhase& phase, const View& gradient, View& out);

/// The same elements in the type in which products are summed: float32 for 16-bit floats, else the array itself.
View as_sums(const View& v);

}  // namespace melix::cpu
