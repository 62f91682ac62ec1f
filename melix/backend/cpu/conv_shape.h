// The geometry of a convolution as its kernels see it: which elements of the input meet which element of the weight.
// Everything here follows from shapes and attributes; no element is touched but to copy it.
//
// Input dilation leaves holes between elements, which are never multiplied: results are sorted into phases, in each of
// which the same elements of the weight (taps) meet elements of the input, at places that grow evenly.
//
//   stride 1, input dilation 2, three taps      result   0    1    2    3    4
//   (the gradient of a stride of 2)             taps     1   0,2   1   0,2   1       phases (0, 2, 4) and (1, 3)
#pragma once

#include <array>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/ops/conv.h"

namespace melix::cpu {

/// One number for each spatial axis; axes that a convolution does not have are the first, of length 1.
using Triple = std::array<int64_t, 3>;

/// An element of the weight, and the place of the input that it meets for the first result of a phase.
struct ConvTap {
  int64_t weight;  // its number in the kernel
  Triple at;
};

/// Result q of a phase is result first + q * step; there, a tap meets the input at `at` + q * input_step.
struct ConvPhase {
  Triple first, step, count, input_step;
  std::vector<ConvTap> taps;  // in the order of the weight
  int64_t results() const { return count[0] * count[1] * count[2]; }
};

struct ConvShape {
  /// `input` and `result` are (N, spatial..., C).
  ConvShape(const ConvAttrs& attrs, const Shape& input, const Shape& result);

  int64_t n, channels, out_channels, groups;
  int64_t group_in, group_out;  // channels of a group
  Triple in, out;               // spatial shapes
  int64_t kernel;               // elements of the kernel
  std::vector<ConvPhase> phases;

  /// Whether there is one phase, which has every result and every tap.
  bool simple() const;
  /// Whether every result belongs to a phase; where it does not, it is 0.
  bool complete() const;
  /// Whether the input, as it lies, is the matrix of patches: kernels of one element that meet every place.
  bool pointwise() const;
  /// The number of the result at `q` of a phase, in one image.
  int64_t place(const ConvPhase& phase, const Triple& q) const;
};

/// Results of a phase over all images, counted in row-major order.
class ConvPosition {
 public:
  ConvPosition(const ConvPhase& phase, int64_t number);
  int64_t image() const { return image_; }
  const Triple& q() const { return q_; }
  void next();

 private:
  const ConvPhase& phase_;
  int64_t image_;
  Triple q_;
};

/// Patches: a matrix with a row for each result of a phase, and in it the elements of the input that the taps meet,
/// (taps, channels of the group), zero outside of the input. It is never made as a whole.
class ConvPatches {
 public:
  ConvPatches(const ConvShape& shape, const ConvPhase& phase, const View& input);

  /// Columns of the matrix.
  int64_t width() const { return width_; }
  /// Copies rows [row, row + rows) and columns [column, column + columns) of a group's matrix, without gaps.
  void copy(int64_t group, int64_t row, int64_t rows, int64_t column, int64_t columns, void* to) const;

 private:
  // Taps that meet neighbours along the last axis, with all their channels: one copy.
  struct Run {
    Triple at;
    int64_t taps;
    int64_t begin, end;  // columns
  };
  char* copy_run(const Run& run, const char* base, const Triple& from, int64_t begin, int64_t end,
                 char* to) const;

  const ConvShape& shape_;
  const ConvPhase& phase_;
  const char* input_;
  int64_t bytes_, width_ = 0;
  std::vector<Run> runs_;
};

}  // namespace melix::cpu
