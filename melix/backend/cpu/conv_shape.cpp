// See conv_shape.h.
#include "melix/backend/cpu/conv_shape.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace melix::cpu {
namespace {

// A phase along one axis.
struct AxisPhase {
  int64_t first, step, count, input_step;
  std::vector<std::pair<int64_t, int64_t>> taps;  // number in the kernel, place of the input
};

// Phases of an axis that have taps. Result o and tap k meet at place (o * stride + k * dilation - low) / input
// dilation where that is whole: the remainders of o repeat after `period` results.
std::vector<AxisPhase> axis_phases(const ConvAttrs& a, size_t d, int64_t out) {
  int64_t stride = a.stride[d], holes = a.input_dilation[d], common = std::gcd(stride, holes);
  int64_t period = holes / common;
  std::vector<AxisPhase> phases;
  for (int64_t r = 0; r < std::min(period, out); r++) {
    AxisPhase phase{r, period, (out - r - 1) / period + 1, stride / common, {}};
    for (int64_t w = 0; w < a.kernel[d]; w++) {
      int64_t k = a.flip ? a.kernel[d] - 1 - w : w;
      int64_t at = r * stride + k * a.kernel_dilation[d] - a.padding_low[d];
      if (at % holes == 0) phase.taps.emplace_back(w, at / holes);
    }
    if (!phase.taps.empty()) phases.push_back(std::move(phase));
  }
  return phases;
}

ConvPhase joined(const std::array<const AxisPhase*, 3>& axes, const Triple& kernel) {
  ConvPhase out;
  for (size_t d = 0; d < 3; d++) {
    out.first[d] = axes[d]->first;
    out.step[d] = axes[d]->step;
    out.count[d] = axes[d]->count;
    out.input_step[d] = axes[d]->input_step;
  }
  for (auto [i, z] : axes[0]->taps) {
    for (auto [j, y] : axes[1]->taps) {
      for (auto [k, x] : axes[2]->taps) out.taps.push_back({(i * kernel[1] + j) * kernel[2] + k, {z, y, x}});
    }
  }
  return out;
}

}  // namespace

ConvShape::ConvShape(const ConvAttrs& a, const Shape& input, const Shape& result)
    : n(input[0]),
      channels(input.back()),
      out_channels(result.back()),
      groups(a.groups),
      group_in(channels / groups),
      group_out(out_channels / groups),
      in{1, 1, 1},
      out{1, 1, 1},
      kernel(elements(a.kernel)) {
  size_t dims = a.kernel.size(), missing = 3 - dims;
  Triple sizes{1, 1, 1};
  std::vector<AxisPhase> along[3];
  for (size_t d = 0; d < 3; d++) {
    if (d < missing) {
      along[d] = {{0, 1, 1, 1, {{0, 0}}}};
      continue;
    }
    size_t from = d - missing;
    in[d] = input[from + 1];
    out[d] = result[from + 1];
    sizes[d] = a.kernel[from];
    along[d] = axis_phases(a, from, out[d]);
  }
  for (const AxisPhase& z : along[0]) {
    for (const AxisPhase& y : along[1]) {
      for (const AxisPhase& x : along[2]) phases.push_back(joined({&z, &y, &x}, sizes));
    }
  }
}

bool ConvShape::simple() const {
  return phases.size() == 1 && phases[0].count == out && int64_t(phases[0].taps.size()) == kernel;
}

bool ConvShape::complete() const {
  int64_t results = 0;
  for (const ConvPhase& phase : phases) results += phase.results();
  return results == out[0] * out[1] * out[2];
}

bool ConvShape::pointwise() const {
  const Triple zero{0, 0, 0}, one{1, 1, 1};
  return simple() && kernel == 1 && phases[0].taps[0].at == zero && phases[0].input_step == one && in == out;
}

int64_t ConvShape::place(const ConvPhase& phase, const Triple& q) const {
  int64_t at = 0;
  for (size_t d = 0; d < 3; d++) at = at * out[d] + phase.first[d] + q[d] * phase.step[d];
  return at;
}

ConvPosition::ConvPosition(const ConvPhase& phase, int64_t number) : phase_(phase) {
  for (size_t d = 3; d-- > 0;) {
    q_[d] = number % phase.count[d];
    number /= phase.count[d];
  }
  image_ = number;
}

void ConvPosition::next() {
  for (size_t d = 3; d-- > 0;) {
    if (++q_[d] < phase_.count[d]) return;
    q_[d] = 0;
  }
  image_++;
}

ConvPatches::ConvPatches(const ConvShape& shape, const ConvPhase& phase, const View& input)
    : shape_(shape),
      phase_(phase),
      input_(static_cast<const char*>(input.data())),
      bytes_(int64_t(size_of(input.dtype))) {
  for (const ConvTap& tap : phase.taps) {
    if (!runs_.empty() && shape.groups == 1) {
      Run& last = runs_.back();
      Triple next{last.at[0], last.at[1], last.at[2] + last.taps};
      if (tap.at == next) {
        last.taps++;
        width_ += shape.group_in;
        last.end = width_;
        continue;
      }
    }
    runs_.push_back({tap.at, 1, width_, width_ + shape.group_in});
    width_ += shape.group_in;
  }
}

// Columns [begin, end) of one run; `from` is where the patch begins, in an image at `base`.
char* ConvPatches::copy_run(const Run& run, const char* base, const Triple& from, int64_t begin, int64_t end,
                            char* to) const {
  int64_t z = from[0] + run.at[0], y = from[1] + run.at[1], x = from[2] + run.at[2];
  const Triple& in = shape_.in;
  size_t size = size_t((end - begin) * bytes_);
  if (z < 0 || z >= in[0] || y < 0 || y >= in[1]) {
    std::memset(to, 0, size);
    return to + size;
  }
  // Elements of the run that the input has.
  int64_t low = begin, high = end, c = shape_.group_in;
  if (x < 0 || x + run.taps > in[2]) {
    int64_t first = std::clamp<int64_t>(-x, 0, run.taps), last = std::clamp<int64_t>(in[2] - x, 0, run.taps);
    low = std::clamp(first * c, begin, end);
    high = std::clamp(last * c, low, end);
    std::memset(to, 0, size);
    if (low == high) return to + size;
  }
  int64_t at = ((z * in[1] + y) * in[2] + x) * shape_.channels + low;
  std::memcpy(to + (low - begin) * bytes_, base + at * bytes_, size_t((high - low) * bytes_));
  return to + size;
}

void ConvPatches::copy(int64_t group, int64_t row, int64_t rows, int64_t column, int64_t columns,
                       void* to) const {
  int64_t image = shape_.in[0] * shape_.in[1] * shape_.in[2] * shape_.channels;
  const char* base = input_ + group * shape_.group_in * bytes_;
  auto first = std::upper_bound(runs_.begin(), runs_.end(), column,
                                [](int64_t value, const Run& run) { return value < run.end; });
  char* place = static_cast<char*>(to);
  ConvPosition position(phase_, row);
  for (int64_t i = 0; i < rows; i++, position.next()) {
    const char* from = base + position.image() * image * bytes_;
    const Triple &q = position.q(), &step = phase_.input_step;
    Triple corner{q[0] * step[0], q[1] * step[1], q[2] * step[2]};
    for (auto run = first; run != runs_.end() && run->begin < column + columns; ++run) {
      int64_t begin = std::max(run->begin, column) - run->begin;
      int64_t end = std::min(run->end, column + columns) - run->begin;
      place = copy_run(*run, from, corner, begin, end, place);
    }
  }
}

}  // namespace melix::cpu
