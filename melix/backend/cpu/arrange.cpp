// Arrays put together: every input is copied, with any strides, into its window of the result.
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/core/threads.h"
#include "melix/ops/arrange.h"

namespace melix::cpu {
namespace {

// Inputs from this size on are copied by all threads together, smaller ones each by one.
constexpr int64_t kLarge = 65536;

// The part of a row-major result that begins at `start` and has a shape.
View window(const View& out, const Shape& start, const Shape& shape) {
  View part = out;
  part.shape = shape;
  for (uint32_t d = 0; d < shape.size(); d++) part.offset += start[d] * out.strides[d];
  return part;
}

}  // namespace

void concatenate(const Call& call) {
  auto axis = uint32_t(attrs_as<ConcatenateAttrs>(call.attrs).axis);
  const View& out = call.outputs[0];
  std::vector<std::pair<const View*, View>> small;
  Shape start(out.shape.size(), 0);
  for (const View& in : call.inputs) {
    View part = window(out, start, in.shape);
    start[axis] += in.shape[axis];
    if (in.size() >= kLarge) {
      copy(in, part);
    } else if (in.size() > 0) {
      small.emplace_back(&in, std::move(part));
    }
  }
  parallel_for(int64_t(small.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) copy(*small[size_t(i)].first, small[size_t(i)].second);
  });
}

// The frame around the input, as two boxes for each axis: of the full width along the axes behind it, of the width of
// the input along those before it.
//
//   b b b b b
//   c a a a c     a: input; b: boxes of axis 0; c: boxes of axis 1
//   b b b b b
void pad(const Call& call) {
  const auto& pad = attrs_as<PadAttrs>(call.attrs);
  const View& out = call.outputs[0];
  Shape start(out.shape.size(), 0), shape = out.shape;
  auto fill = [&] {
    View box = window(out, start, shape);
    if (box.size() == 0) return;
    View value = call.inputs[1];
    value.shape = shape;
    value.strides.assign(shape.size(), 0);
    copy(value, box);
  };
  for (uint32_t d = 0; d < shape.size(); d++) {
    int64_t inside = call.inputs[0].shape[d];
    start[d] = 0;
    shape[d] = pad.before[d];
    fill();
    start[d] = pad.before[d] + inside;
    shape[d] = pad.after[d];
    fill();
    start[d] = pad.before[d];
    shape[d] = inside;
  }
  if (call.inputs[0].size() == 0) return;
  View inside = window(out, start, shape);
  copy(call.inputs[0], inside);
}

}  // namespace melix::cpu
