// Kernel of rope: sines and cosines are computed once for each position and shared by the heads (and by the examples,
// when one offset serves all). The input may have any strides: the transposed projections of attention are read where
// they are.
#include "melix/ops/rope.h"

#include <cmath>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/row_reader.h"
#include "melix/backend/cpu/simd/rope.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kElements = 16384;  // of a task: a few microseconds
constexpr int64_t kRows = 32;         // rows of one head in a task: their part of the tables stays in L1
constexpr int64_t kAngles = 512;      // of a task that fills the tables

template <class To>
std::vector<To> values_of(const View& view) {
  std::vector<To> out;
  with_type(view.dtype, [&](auto type) {
    const auto* from = view.as<decltype(type)>();
    for (int64_t i = 0; i < view.size(); i++) out.push_back(convert_element<To>(from[i * view.strides[0]]));
  });
  return out;
}

class Rope {
 public:
  explicit Rope(const Call& call)
      : attrs_(attrs_as<RopeAttrs>(call.attrs)),
        x_(call.inputs[0]),
        out_(call.outputs[0]),
        offsets_(values_of<int64_t>(call.inputs[1])),
        carrier_(carrier_of(x_.dtype)),
        bytes_(int64_t(size_of(x_.dtype))),
        half_(attrs_.dims / 2),
        width_(x_.shape.back()),
        rows_(x_.shape[x_.shape.size() - 2]) {
    if (call.inputs.size() == 3) turns_ = values_of<double>(call.inputs[2]);
    for (double& wavelength : turns_) wavelength = 1 / wavelength;
    const double step = -2 * std::log(attrs_.base) / double(attrs_.dims);
    for (int64_t i = 0; turns_.size() < size_t(half_); i++) turns_.push_back(std::exp(double(i) * step));
    for (uint32_t d = 1; d + 2 < x_.shape.size(); d++) heads_ *= x_.shape[d];
  }

  void run() {
    if (out_.size() == 0) return;
    const int64_t positions = int64_t(offsets_.size()) * rows_,
                  table = positions * half_ * int64_t(size_of(carrier_));
    RowMemory<char> cosines(table), sines(table);
    parallel_for(positions, std::max<int64_t>(1, kAngles / half_), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const double position = double(offsets_[size_t(p / rows_)]) + double(p % rows_);
        const int64_t at = p * half_ * int64_t(size_of(carrier_));
        simd().rope_table(carrier_, position * attrs_.scale, turns_.data(), half_, cosines.data + at,
                          sines.data + at);
      }
    });
    const int64_t together = std::min(kRows, rows_), pieces = (rows_ + together - 1) / together;
    const int64_t grain = std::max<int64_t>(1, kElements / (together * width_));
    // Neighbouring tasks are heads of the same positions.
    parallel_for(x_.shape[0] * pieces * heads_, grain, [&](int64_t begin, int64_t end) {
      RowMemory<char> gathered(x_.strides.back() == 1 ? 1 : together * width_ * bytes_);
      for (int64_t task = begin; task < end; task++) {
        const int64_t head = task % heads_, example = task / heads_ / pieces,
                      first = task / heads_ % pieces * together;
        turn(example, head, first, std::min(together, rows_ - first), cosines.data, sines.data,
             gathered.data);
      }
    });
  }

 private:
  // Elements from the first one of the input to row `row` of a head.
  int64_t start_of(int64_t example, int64_t head, int64_t row) const {
    const uint32_t n = x_.shape.size();
    int64_t at = example * x_.strides[0] + row * x_.strides[n - 2];
    for (uint32_t d = n - 2; d-- > 1; head /= x_.shape[d]) at += head % x_.shape[d] * x_.strides[d];
    return at;
  }

  void turn(int64_t example, int64_t head, int64_t first, int64_t count, const char* cosines,
            const char* sines, char* gathered) const {
    const uint32_t n = x_.shape.size();
    const char* from = static_cast<const char*>(x_.data()) + start_of(example, head, first) * bytes_;
    int64_t stride = x_.strides[n - 2];
    if (x_.strides[n - 1] != 1) {
      for (int64_t r = 0; r < count; r++) {
        simd().copy_strided(int(bytes_), from + r * stride * bytes_, x_.strides[n - 1],
                            gathered + r * width_ * bytes_, 1, width_);
      }
      from = gathered;
      stride = width_;
    }
    const int64_t own = offsets_.size() == 1 ? 0 : example;
    const int64_t angles = (own * rows_ + first) * half_ * int64_t(size_of(carrier_));
    const int64_t to = ((example * heads_ + head) * rows_ + first) * width_;
    simd().rope_rotate(x_.dtype, {.from = from,
                                  .from_stride = stride,
                                  .to = static_cast<char*>(out_.data()) + to * bytes_,
                                  .to_stride = width_,
                                  .cosines = cosines + angles,
                                  .sines = sines + angles,
                                  .rows = count,
                                  .half = half_,
                                  .tail = width_ - attrs_.dims,
                                  .traditional = attrs_.traditional,
                                  .inverse = attrs_.inverse});
  }

  const RopeAttrs& attrs_;
  const View& x_;
  View& out_;
  std::vector<int64_t> offsets_;
  std::vector<double> turns_;  // radians from position to position
  Dtype carrier_;
  int64_t bytes_, half_, width_, rows_, heads_ = 1;
};

}  // namespace

void rope(const Call& call) { Rope(call).run(); }

}  // namespace melix::cpu
