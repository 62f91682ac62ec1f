// Evaluation of graphs: plan under one lock, run without it, publish the results under it again.
#include "melix/transforms/eval.h"

#include <algorithm>

#include "melix/graph/completion.h"
#include "melix/transforms/compile/plan.h"
#include "melix/transforms/worker.h"

namespace melix {
namespace {

struct Flight {
  Plan plan;
  Ref<Completion> completion;
  std::vector<Inputs> garbage;  // inputs that nodes let go of, freed without the lock
};

Flight schedule(std::span<const array> targets) {
  std::lock_guard guard(planning());
  Flight flight{make_plan(targets, {}, Keep::held), make_ref<Completion>(), {}};
  flight.garbage.reserve(flight.plan.results.size());
  for (Node* node : flight.plan.scheduled) {
    node->completion = flight.completion;
    node->state.store(State::scheduled, std::memory_order_release);
  }
  return flight;
}

// Gives the nodes their results, or takes everything back when the plan failed (`frame` null). Needs no memory.
void finish(Flight& flight, Frame* frame) noexcept {
  Plan& plan = flight.plan;
  {
    std::lock_guard guard(planning());
    bool tracing = TraceScope::active();
    std::span<const Result> published =
        frame ? std::span<const Result>(plan.results) : std::span<const Result>();
    for (const Result& r : published) {
      // Not the shape and the dtype: other threads read them all the time.
      View& result = r.node->results[r.index];
      View& made = frame->views[r.slot];
      result.strides = std::move(made.strides);
      result.buffer = std::move(made.buffer);
      result.offset = made.offset;
    }
    for (const Result& r : published) {
      if (r.node->state.load(std::memory_order_relaxed) == State::ready) continue;
      r.node->state.store(State::ready, std::memory_order_release);
      r.node->completion = nullptr;
      if (r.node->traced && tracing) continue;
      flight.garbage.push_back(std::move(r.node->inputs));
      r.node->inputs.clear();
    }
    for (Node* node : plan.scheduled) {
      if (node->state.load(std::memory_order_relaxed) != State::scheduled) continue;
      node->state.store(State::lazy, std::memory_order_release);
      node->completion = nullptr;
    }
  }
  flight.completion->signal();
  flight.garbage.clear();
}

// The inputs' values, once the plans in flight that make them are over; false when one of them failed.
bool fill(const Plan& plan, Frame& frame) {
  for (const Ref<Completion>& wait : plan.waits) wait->wait();
  frame.views.resize(plan.slots.size());
  return fill_captured(plan, frame);
}

// A kernel failed (no allocation does, see prepare): inputs whose memory was given to others have no value any more.
void lose(const Plan& plan, const Frame& frame) {
  std::lock_guard guard(planning());
  for (const Result& input : plan.inputs) {
    if (std::find(frame.overwritten.begin(), frame.overwritten.end(), input.slot) == frame.overwritten.end())
      continue;
    input.node->op = nullptr;
    input.node->state.store(State::lazy, std::memory_order_release);
  }
}

// Plans, runs and publishes; false when an input in flight elsewhere did not come: then everything is as before.
bool fly(Flight& flight) {
  Frame frame;
  bool running = false;
  try {
    if (!fill(flight.plan, frame)) {
      finish(flight, nullptr);
      return false;
    }
    prepare(flight.plan, frame);
    running = true;
    run(flight.plan, frame);
  } catch (...) {
    if (running) lose(flight.plan, frame);
    finish(flight, nullptr);
    throw;
  }
  finish(flight, &frame);
  return true;
}

bool all_ready(std::span<const array> arrays) {
  for (const array& a : arrays) {
    if (!a.ready()) return false;
  }
  return true;
}

}  // namespace

void eval(std::span<const array> arrays) {
  // A second round is needed only when a plan in flight on another thread failed: its nodes are lazy again.
  while (!all_ready(arrays)) {
    Flight flight = schedule(arrays);
    fly(flight);
  }
}

void async_eval(std::span<const array> arrays) {
  if (all_ready(arrays)) return;
  auto flight = std::make_shared<Flight>(schedule(arrays));
  Stream stream = arrays.back().node().stream;
  try {
    worker_of(stream).post([flight] {
      try {
        fly(*flight);
      } catch (...) {
        // The nodes are lazy again: whoever reads them evaluates, and gets the error, on a thread that can take it.
      }
    });
  } catch (...) {
    finish(*flight, nullptr);
    throw;
  }
}

void synchronize(std::optional<Stream> stream) {
  worker_of(stream.value_or(default_stream(default_device()))).drain();
}

namespace {
[[maybe_unused]] const bool registered = [] {
  upward.evaluate = [](std::span<const array> arrays) { eval(arrays); };
  return true;
}();
}  // namespace

}  // namespace melix
