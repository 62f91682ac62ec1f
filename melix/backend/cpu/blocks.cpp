// See blocks.h.
#include "melix/backend/cpu/blocks.h"

#include <algorithm>
#include <cstring>

#include "melix/core/allocator.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr size_t kSlotBytes = size_t(kBlock) * 8;  // one block of the widest type
constexpr int64_t kPiece = 32 * kBlock;  // elements a thread takes at a time: a few microseconds of work

}  // namespace

Blocks::Blocks(const Region* region, std::span<const int64_t> shape, std::span<const View> inputs) {
  for (const View& view : inputs) add_source(view, shape);
  if (region) add_operations(*region);
  if (region) output_ = region->outputs.front();
}

void Blocks::add_source(const View& view, std::span<const int64_t> shape) {
  Source s{.base = static_cast<const char*>(view.data()),
           .dtype = view.dtype,
           .access = Access::gather,
           .place = 0,
           .staging = 0,
           .shape = Shape(shape.begin(), shape.end()),
           .strides = broadcast_strides(view.shape, view.strides, shape)};
  Strides* strides = &s.strides;
  collapse(s.shape, std::span(strides, 1));
  if (s.shape.size() == 1) {
    if (s.strides[0] == 1 || s.shape[0] == 1) s.access = Access::direct;
    if (s.strides[0] == 0) s.access = Access::scalar;
  }
  bool half = is_half(view.dtype);
  if (s.access != Access::direct || half) s.place = new_slot();
  if (s.access != Access::direct && half) s.staging = new_slot();
  sources_.push_back(std::move(s));
}

// Results share scratch slots: one is free again after the last instruction that reads it.
void Blocks::add_operations(const Region& region) {
  size_t inputs = region.inputs.size();
  SmallVector<uint16_t, 16> last_use(uint32_t(region.body.size()), 0);
  for (uint32_t i = 0; i < region.body.size(); i++) {
    for (int k = 0; k < region.body[i].arity; k++) {
      uint16_t value = region.body[i].args[k];
      if (value >= inputs) last_use[value - inputs] = uint16_t(i + 1);
    }
  }
  SmallVector<uint32_t, 8> free;
  for (uint32_t i = 0; i < region.body.size(); i++) {
    const Instruction& in = region.body[i];
    Operation o{.kernel = simd().elementwise(in.elementwise, carrier_of(in.in), in.out),
                .round = float32,
                .output = -1,
                .last_use_is_output = last_use[i] == 0,
                .arity = in.arity,
                .args = {in.args[0], in.args[1], in.args[2]},
                .place = 0};
    if (!o.kernel)
      fail(Code::runtime, "eval", "the CPU has no kernel of row ", in.elementwise, " for ", in.in);
    if (is_half(in.out)) o.round = in.out;
    auto output = std::find(region.outputs.begin(), region.outputs.end(), uint16_t(inputs + i));
    if (output != region.outputs.end()) o.output = int16_t(output - region.outputs.begin());
    // An argument that dies here may give its slot to the result, unless the result is wider: then it would overwrite
    // elements that are not read yet, and the slot is free only for the instructions that follow.
    SmallVector<uint32_t, 8> later;
    for (int k = 0; k < in.arity; k++) {
      uint16_t value = in.args[k];
      if (value < inputs || last_use[value - inputs] != i + 1) continue;
      uint32_t place = operations_[value - inputs].place;
      bool twice = std::find(free.begin(), free.end(), place) != free.end() ||
                   std::find(later.begin(), later.end(), place) != later.end();
      bool wider = size_of(carrier_of(in.out)) > size_of(carrier_of(region.dtype(value)));
      if (!twice) (wider ? later : free).push_back(place);
    }
    if (free.empty()) {
      o.place = new_slot();
    } else {
      o.place = free.back();
      free.pop_back();
    }
    free.insert(free.end(), later.begin(), later.end());
    operations_.push_back(o);
  }
}

void Blocks::gather(const Source& s, int64_t begin, int64_t n, char* to) const {
  int bytes = int(size_of(s.dtype));
  uint32_t ndim = s.shape.size();
  SmallVector<int64_t, 8> at(ndim, 0);
  int64_t rest = begin, offset = 0;
  for (uint32_t d = ndim; d-- > 0;) {
    at[d] = rest % s.shape[d];
    rest /= s.shape[d];
    offset += at[d] * s.strides[d];
  }
  const uint32_t inner = ndim - 1;
  while (n > 0) {
    int64_t run = std::min(n, s.shape[inner] - at[inner]);
    simd().copy_strided(bytes, s.base + offset * bytes, s.strides[inner], to, 1, run);
    to += run * bytes;
    n -= run;
    offset += run * s.strides[inner];
    at[inner] += run;
    for (uint32_t d = inner; d > 0 && at[d] == s.shape[d]; d--) {
      offset += s.strides[d - 1] - s.shape[d] * s.strides[d];
      at[d] = 0;
      at[d - 1]++;
    }
  }
}

// ---- one thread ----

Blocks::Worker::Worker(const Blocks& blocks) : blocks_(blocks) {
  size_t bytes = std::max<size_t>(blocks.slots_, 1) * kSlotBytes;
  scratch_ = static_cast<char*>(memory::allocate(bytes, &capacity_));
  values_.resize(uint32_t(blocks.sources_.size() + blocks.operations_.size()), nullptr);
  for (uint32_t i = 0; i < blocks.sources_.size(); i++) {
    const Source& s = blocks.sources_[i];
    if (s.access != Access::scalar) continue;
    char* to = scratch_ + s.place * kSlotBytes;
    bool half = is_half(s.dtype);
    char* first = half ? scratch_ + s.staging * kSlotBytes : to;
    int64_t n = std::min(kBlock, std::max<int64_t>(elements(s.shape), 1));
    simd().copy_strided(int(size_of(s.dtype)), s.base, 0, first, 1, n);
    if (half) simd().widen(s.dtype, first, reinterpret_cast<float*>(to), n);
    values_[i] = to;
  }
}

Blocks::Worker::~Worker() { memory::deallocate(scratch_, capacity_); }

void Blocks::Worker::inputs(int64_t begin, int64_t n) {
  for (uint32_t i = 0; i < blocks_.sources_.size(); i++) {
    const Source& s = blocks_.sources_[i];
    if (s.access == Access::scalar) continue;
    bool half = is_half(s.dtype);
    const char* at = s.base + begin * int64_t(size_of(s.dtype));
    char* place = scratch_ + s.place * kSlotBytes;
    if (s.access == Access::gather) {
      char* to = half ? scratch_ + s.staging * kSlotBytes : place;
      blocks_.gather(s, begin, n, to);
      at = to;
    }
    if (half) {
      simd().widen(s.dtype, at, reinterpret_cast<float*>(place), n);
      at = place;
    }
    values_[i] = at;
  }
}

void Blocks::Worker::run(int64_t n, void* const* out) {
  uint32_t value = uint32_t(blocks_.sources_.size());
  for (const Operation& o : blocks_.operations_) {
    const void* args[3] = {};
    for (int k = 0; k < o.arity; k++) args[k] = values_[o.args[k]];
    bool half = o.round != float32;
    bool stored = out && o.output >= 0;
    void* to = stored && !half ? out[o.output] : scratch_ + o.place * kSlotBytes;
    o.kernel(args[0], args[1], args[2], to, n);
    if (half && !(stored && o.last_use_is_output)) simd().round_to(o.round, static_cast<float*>(to), n);
    if (half && stored) simd().narrow(o.round, static_cast<const float*>(to), out[o.output], n);
    values_[value++] = to;
  }
}

void Blocks::Worker::store(int64_t begin, int64_t n, void* const* out) {
  inputs(begin, n);
  run(n, out);
}

const void* Blocks::Worker::load(int64_t begin, int64_t n) {
  inputs(begin, n);
  run(n, nullptr);
  return values_[blocks_.output_];
}

// ---- backend functions ----

void run_region(const Region& region, const Shape& shape, std::span<const View> inputs,
                std::span<View> outputs) {
  int64_t n = elements(shape);
  if (n == 0) return;
  Blocks blocks(&region, shape, inputs);
  parallel_for(n, kPiece, [&](int64_t begin, int64_t end) {
    Blocks::Worker worker(blocks);
    SmallVector<void*, 4> out(uint32_t(outputs.size()), nullptr);
    for (int64_t at = begin; at < end; at += kBlock) {
      for (uint32_t k = 0; k < out.size(); k++) {
        out[k] = static_cast<char*>(outputs[k].data()) + at * int64_t(size_of(outputs[k].dtype));
      }
      worker.store(at, std::min(kBlock, end - at), out.data());
    }
  });
}

}  // namespace melix::cpu
