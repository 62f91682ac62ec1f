// Laying out a plan's memory and running its steps.
#include "melix/transforms/compile/plan.h"

#include <algorithm>
#include <atomic>

namespace melix {
namespace {

std::atomic<uint64_t> bytes_read{0}, bytes_written{0}, kernels_run{0};

// Decides where every slot lives. Allocates all that is needed, so that an allocation that fails fails before
// anything ran. Memory of slots that died goes to slots born later; an output may take its input's place (donation).
class Layout {
 public:
  Layout(const Plan& plan, Frame& frame) : plan_(plan), frame_(frame), storage_of_(plan.slots.size(), kNone) {
    for (size_t i = 0; i < plan.inputs.size(); i++) {
      uint32_t slot = plan.inputs[i].slot;
      Buffer* buffer = frame_.views[slot].buffer.get();
      bool argument = i < plan.arguments;
      // Two handles: the node's and the frame's. More: another array is a window on the same buffer.
      bool ours = argument
                      ? i < frame_.owned.size() && frame_.owned[i]
                      : plan.slots[slot].owned && buffer && buffer->use_count() == 2 && buffer->reusable();
      storage_of_[slot] = add_storage(buffer, ours && !plan.slots[slot].kept, slot);
    }
    for (uint32_t i = 0; i < plan.steps.size(); i++) step(i);
  }

 private:
  struct Storage {
    Buffer* buffer;
    uint32_t live;  // slots alive on it
    bool reusable;
    uint32_t input;  // the input slot it belongs to, or kNone
  };

  uint32_t add_storage(Buffer* buffer, bool reusable, uint32_t input = kNone) {
    storage_.push_back({buffer, 1, reusable, input});
    return uint32_t(storage_.size() - 1);
  }

  void step(uint32_t index) {
    const Step& s = plan_.steps[index];
    for (uint32_t slot : s.outputs) {
      frame_.views[slot].shape = plan_.slots[slot].shape;
      frame_.views[slot].dtype = plan_.slots[slot].dtype;
    }
    SmallVector<uint32_t, 2> copies;  // storages of temporary copies
    if (s.kind == Step::Kind::view) {
      view(index, s, copies);
    } else if (s.kind == Step::Kind::plan) {
      inner(s);
    } else if (s.op && s.op->updates_input) {
      update(index, s);
    } else {
      if (s.kind == Step::Kind::kernel && s.op->layout == InputLayout::row_major) compact(index, s, copies);
      for (uint32_t slot : s.outputs) place(slot, s.kind == Step::Kind::region ? donated(s, slot) : kNone);
    }
    if (s.kind == Step::Kind::kernel && s.op->updates_input && s.op->layout == InputLayout::row_major)
      compact(index, s, copies);
    for (uint32_t storage : copies) died(storage);
    for (uint32_t slot : s.dead) died(storage_of_[slot]);
  }

  void died(uint32_t storage) {
    if (--storage_[storage].live == 0 && storage_[storage].reusable) free_.push_back(storage);
  }

  // Memory of so many bytes: of something that died, else new. A buffer much larger would be wasted on it.
  uint32_t obtain(size_t nbytes) {
    for (size_t i = free_.size(); i-- > 0;) {
      uint32_t found = free_[i];
      size_t size = storage_[found].buffer->size();
      if (size < nbytes || size > nbytes + nbytes / 2 + 64) continue;
      free_.erase(free_.begin() + i);
      storage_[found].live = 1;
      overwrites(found);
      return found;
    }
    Ref<Buffer> fresh = Buffer::allocate(nbytes);
    uint32_t storage = add_storage(fresh.get(), true);
    frame_.arena.push_back(std::move(fresh));
    return storage;
  }

  void overwrites(uint32_t storage) {
    if (storage_[storage].input != kNone) frame_.overwritten.push_back(storage_[storage].input);
  }

  // A row-major view over a storage, old or new.
  void place(uint32_t slot, uint32_t storage) {
    View& out = frame_.views[slot];
    if (storage == kNone) storage = obtain(out.nbytes());
    storage_of_[slot] = storage;
    out.strides = row_major(out.shape);
    out.offset = 0;
    out.buffer = Ref<Buffer>(storage_[storage].buffer);
  }

  bool dies(const Step& s, uint32_t slot) const {
    return std::find(s.dead.begin(), s.dead.end(), slot) != s.dead.end();
  }

  // The storage of `slot` if the step may write over it: read for the last time, by nobody else, in writing order.
  bool may_take(const Step& s, uint32_t slot, const View& out) const {
    const Storage& storage = storage_[storage_of_[slot]];
    const View& in = frame_.views[slot];
    return storage.reusable && storage.live == 1 && dies(s, slot) && in.shape == out.shape &&
           in.offset == 0 && size_of(in.dtype) == size_of(out.dtype) && in.row_major();
  }

  // Only the last instruction's output: all other instructions have read their inputs by then.
  uint32_t donated(const Step& s, uint32_t slot) {
    if (slot != s.outputs.back()) return kNone;
    for (uint32_t input : s.inputs) {
      if (!may_take(s, input, frame_.views[slot])) continue;
      storage_[storage_of_[input]].live++;
      overwrites(storage_of_[input]);
      return storage_of_[input];
    }
    return kNone;
  }

  void update(uint32_t index, const Step& s) {
    uint32_t from = s.inputs[0], to = s.outputs[0];
    bool once =
        std::count(s.inputs.begin(), s.inputs.end(), from) == 1;  // else it would be read while it changes
    if (once && may_take(s, from, frame_.views[to])) {
      storage_[storage_of_[from]].live++;
      overwrites(storage_of_[from]);
      place(to, storage_of_[from]);
    } else {
      place(to, kNone);
      frame_.copies.push_back({index, -1, frame_.views[from], frame_.views[to]});
    }
    for (size_t k = 1; k < s.outputs.size(); k++) place(s.outputs[k], kNone);
  }

  // A row-major copy of a view, made before the step runs.
  View copy_of(uint32_t index, int input, const View& from, SmallVector<uint32_t, 2>& copies) {
    uint32_t storage = obtain(from.nbytes());
    copies.push_back(storage);
    View to{.shape = from.shape,
            .strides = row_major(from.shape),
            .buffer = Ref<Buffer>(storage_[storage].buffer),
            .offset = 0,
            .dtype = from.dtype};
    frame_.copies.push_back({index, input, from, to});
    return to;
  }

  void compact(uint32_t index, const Step& s, SmallVector<uint32_t, 2>& copies) {
    for (uint32_t i = s.op->updates_input ? 1 : 0; i < s.inputs.size(); i++) {
      const View& in = frame_.views[s.inputs[i]];
      if (!in.row_major()) copy_of(index, int(i), in, copies);
    }
  }

  void view(uint32_t index, const Step& s, SmallVector<uint32_t, 2>& copies) {
    SmallVector<View, 2> in, out;
    for (uint32_t slot : s.inputs) in.push_back(frame_.views[slot]);
    for (uint32_t slot : s.outputs) out.push_back(frame_.views[slot]);
    if (!s.op->view(s.attrs.get(), in, out)) {
      in[0] = copy_of(index, -1, in[0], copies);
      s.op->view(s.attrs.get(), in, out);  // row-major input: every view exists
    }
    for (uint32_t i = 0; i < s.outputs.size(); i++) {
      uint32_t storage = kNone;
      for (uint32_t k = 0; k < in.size(); k++) {
        if (in[k].buffer == out[i].buffer)
          storage = k == 0 && !copies.empty() ? copies.back() : storage_of_[s.inputs[k]];
      }
      frame_.views[s.outputs[i]] = std::move(out[i]);
      storage_of_[s.outputs[i]] = storage;
      storage_[storage].live++;
    }
  }

  // A compiled function: its plan is laid out now too, over the slots of this one.
  void inner(const Step& s) {
    const Plan& plan = static_cast<const PlanAttrs&>(*s.attrs).plan();
    Frame& frame = frame_.inner.emplace_back();
    frame.views.resize(plan.slots.size());
    for (size_t i = 0; i < plan.arguments; i++) {
      uint32_t slot = s.inputs[uint32_t(i)];
      const Storage& storage = storage_[storage_of_[slot]];
      frame.views[plan.inputs[i].slot] = frame_.views[slot];
      bool once = std::count(s.inputs.begin(), s.inputs.end(), slot) == 1;
      frame.owned.push_back(storage.reusable && storage.live == 1 && once && dies(s, slot));
    }
    if (!fill_captured(plan, frame)) fail(Code::runtime, "compile", "a captured array lost its value");
    prepare(plan, frame);
    for (uint32_t slot : frame.overwritten) overwrites(storage_of_[s.inputs[slot]]);
    for (uint32_t i = 0; i < s.outputs.size(); i++) {
      frame_.views[s.outputs[i]] = frame.views[plan.targets[i]];
      adopt(s, i, plan.targets[i] < plan.arguments || !in_arena(frame, frame_.views[s.outputs[i]].buffer));
    }
  }

  static bool in_arena(const Frame& frame, const Ref<Buffer>& buffer) {
    return std::find(frame.arena.begin(), frame.arena.end(), buffer) != frame.arena.end();
  }

  // The storage of output i of a plan: one that this step reads or has made already, or a new one. What came from a
  // captured array (`foreign`) is never reused.
  void adopt(const Step& s, uint32_t i, bool foreign) {
    Buffer* buffer = frame_.views[s.outputs[i]].buffer.get();
    uint32_t storage = kNone;
    for (uint32_t slot : s.inputs) {
      if (storage_[storage_of_[slot]].buffer == buffer) storage = storage_of_[slot];
    }
    for (uint32_t k = 0; k < i; k++) {
      if (storage_[storage_of_[s.outputs[k]]].buffer == buffer) storage = storage_of_[s.outputs[k]];
    }
    if (storage == kNone) {
      storage = add_storage(buffer, !foreign);
    } else {
      storage_[storage].live++;
    }
    storage_of_[s.outputs[i]] = storage;
  }

  const Plan& plan_;
  Frame& frame_;
  std::vector<uint32_t> storage_of_;  // by slot
  std::vector<Storage> storage_;
  std::vector<uint32_t> free_;
};

// Bytes that reading a view moves: what strides of 0 repeat is read once.
uint64_t footprint(const View& view) {
  uint64_t n = size_of(view.dtype);
  for (uint32_t i = 0; i < view.shape.size(); i++)
    n *= view.strides[i] == 0 && view.shape[i] > 0 ? 1 : uint64_t(view.shape[i]);
  return n;
}

void count(std::span<const View> in, std::span<const View> out) {
  uint64_t read = 0, written = 0;
  for (const View& view : in) read += footprint(view);
  for (const View& view : out) written += footprint(view);
  bytes_read.fetch_add(read, std::memory_order_relaxed);
  bytes_written.fetch_add(written, std::memory_order_relaxed);
  kernels_run.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

bool fill_captured(const Plan& plan, Frame& frame) {
  for (size_t i = plan.arguments; i < plan.inputs.size(); i++) {
    const Result& input = plan.inputs[i];
    if (!input.node->ready()) return false;
    frame.views[input.slot] = input.node->results[input.index];
  }
  return true;
}

void prepare(const Plan& plan, Frame& frame) { Layout(plan, frame); }

void run(const Plan& plan, Frame& frame) {
  size_t copy = 0, inner = 0;
  SmallVector<View, 4> in, out;
  for (uint32_t index = 0; index < plan.steps.size(); index++) {
    const Step& s = plan.steps[index];
    if (s.kind == Step::Kind::plan) {
      run(static_cast<const PlanAttrs&>(*s.attrs).plan(), frame.inner[inner++]);
      continue;
    }
    bool views = s.kind == Step::Kind::view;
    in.clear();
    out.clear();
    if (!views) {
      for (uint32_t slot : s.inputs) in.push_back(frame.views[slot]);
      for (uint32_t slot : s.outputs) out.push_back(frame.views[slot]);
    }
    const Backend& backend = backend_of(s.stream.device);
    for (; copy < frame.copies.size() && frame.copies[copy].step == index; copy++) {
      Copy& c = frame.copies[copy];
      backend.copy(c.from, c.to);
      count({&c.from, 1}, {&c.to, 1});
      if (c.input >= 0) in[uint32_t(c.input)] = c.to;
    }
    if (views) continue;
    if (s.kind == Step::Kind::region) {
      backend.run_region(*s.region, s.shape, in, out);
    } else {
      s.kernel(Call{s.attrs.get(), in, out, s.region.get(), s.region ? &s.shape : nullptr});
    }
    count(in, out);
  }
}

Traffic traffic() {
  return {bytes_read.load(std::memory_order_relaxed), bytes_written.load(std::memory_order_relaxed),
          kernels_run.load(std::memory_order_relaxed)};
}

}  // namespace melix
