// Kernels of the gated delta rule and its gradient. Steps follow one another, so what is shared by the threads are
// examples, heads, and, forward, rows of the state, which are independent.
//
// The gradient needs the state before each step, from the last to the first. States are kept at every kept-th step, and
// those between two of them are computed again, when the steps between are due: of T steps, 2 sqrt(T) states are in
// memory.
#include "melix/ops/gated_delta.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/row_reader.h"
#include "melix/backend/cpu/simd/gated_delta.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kStateRows = 32;        // rows of a state that a task takes through all steps
constexpr int64_t kTaskElements = 65536;  // state elements times steps that make a task

template <class T>
class Problem {
 public:
  // `mask` is null where there is none.
  Problem(std::span<const View> in, const View* mask)
      : q_(in[1].as<T>()), k_(in[2].as<T>()), v_(in[3].as<T>()), gamma_(in[4].as<T>()), beta_(in[5].as<T>()) {
    batch = in[3].shape[0], steps = in[3].shape[1], heads = in[3].shape[2], rows = in[3].shape[3];
    keys = in[2].shape[3];
    key_heads_ = in[2].shape[2];
    per_key = in[4].shape.size() == 4;
    if (mask) mask_ = mask->as<uint8_t>();
  }

  /// Rows from `first` on of one head of one example, without state and result.
  DeltaSteps steps_of(int64_t example, int64_t head, int64_t first, int64_t count) const {
    const int64_t shared = head / (heads / key_heads_), key = (example * steps * key_heads_ + shared) * keys;
    const int64_t each = example * steps * heads + head;
    return {.state = nullptr,
            .q = q_ + key,
            .k = k_ + key,
            .v = v_ + each * rows + first,
            .gamma = gamma_ + each * gamma_width(),
            .beta = beta_ + each,
            .mask = mask_ ? mask_ + example * steps : nullptr,
            .y = nullptr,
            .key_step = key_heads_ * keys,
            .value_step = heads * rows,
            .gamma_step = heads * gamma_width(),
            .beta_step = heads,
            .mask_step = 1,
            .steps = steps,
            .rows = count,
            .keys = keys,
            .gamma_per_key = per_key};
  }

  int64_t gamma_width() const { return per_key ? keys : 1; }

  int64_t batch, steps, heads, rows, keys;
  bool per_key;

 private:
  const T *q_, *k_, *v_, *gamma_, *beta_;
  const uint8_t* mask_ = nullptr;
  int64_t key_heads_;
};

/// The same, `t` steps later, for `count` steps.
template <class T>
DeltaSteps later(DeltaSteps of, int64_t t, int64_t count) {
  of.q = static_cast<const T*>(of.q) + t * of.key_step;
  of.k = static_cast<const T*>(of.k) + t * of.key_step;
  of.v = static_cast<const T*>(of.v) + t * of.value_step;
  of.gamma = static_cast<const T*>(of.gamma) + t * of.gamma_step;
  of.beta = static_cast<const T*>(of.beta) + t * of.beta_step;
  if (of.mask) of.mask += t * of.mask_step;
  of.steps = count;
  return of;
}

template <class T>
void forward(const Call& call) {
  const std::span<const View> in = call.inputs;
  const Problem<T> p(in, in.size() > 6 ? &in[6] : nullptr);
  if (p.batch * p.heads * p.rows == 0) return;
  T *state = call.outputs[0].as<T>(), *y = call.outputs[1].as<T>();
  const int64_t together = std::min(kStateRows, p.rows), pieces = (p.rows + together - 1) / together;
  const int64_t work = std::max<int64_t>(1, together * p.keys * p.steps);
  parallel_for(p.batch * p.heads * pieces, std::max<int64_t>(1, kTaskElements / work),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; task++) {
                   const int64_t first = task % pieces * together, head = task / pieces % p.heads,
                                 example = task / pieces / p.heads;
                   const int64_t row = (example * p.heads + head) * p.rows + first;
                   DeltaSteps steps = p.steps_of(example, head, first, std::min(together, p.rows - first));
                   steps.state = state + row * p.keys;
                   steps.y = y + (example * p.steps * p.heads + head) * p.rows + first;
                   simd().gated_delta_steps(kCarrier<T>, steps);
                 }
               });
}

// The gradients of one head of one example.
template <class T>
class Backward {
 public:
  Backward(const Call& call, const Problem<T>& problem)
      : in_(call.inputs),
        out_(call.outputs),
        p_(problem),
        size_(p_.rows * p_.keys),
        kept_(std::max<int64_t>(1, int64_t(std::ceil(std::sqrt(double(p_.steps)))))),
        stretches_((p_.steps + kept_ - 1) / kept_),
        states_((stretches_ + kept_ + 1) * size_ + 1),
        gamma_(p_.keys + 1) {}

  void run(int64_t example, int64_t head) {
    example_ = example, head_ = head;
    const DeltaSteps all = p_.steps_of(example, head, 0, p_.rows);
    const int64_t at = (example * p_.heads + head) * size_;
    T* slope = out_[0].as<T>() + at;
    std::memcpy(slope, in_[in_.size() - 2].as<T>() + at, size_t(size_) * sizeof(T));
    // States at the beginning of each stretch, then those within one.
    T *begins = states_.data, *within = begins + stretches_ * size_;
    std::memcpy(begins, in_[0].as<T>() + at, size_t(size_) * sizeof(T));
    for (int64_t s = 1; s < stretches_; s++)
      step(all, (s - 1) * kept_, kept_, begins + (s - 1) * size_, begins + s * size_);
    for (int64_t s = stretches_; s-- > 0;) {
      const int64_t first = s * kept_, count = std::min(kept_, p_.steps - first);
      std::memcpy(within, begins + s * size_, size_t(size_) * sizeof(T));
      for (int64_t t = 1; t < count; t++)
        step(all, first + t - 1, 1, within + (t - 1) * size_, within + t * size_);
      for (int64_t t = count; t-- > 0;) back(all, first + t, within + t * size_, slope);
    }
  }

 private:
  void step(const DeltaSteps& all, int64_t t, int64_t count, const T* from, T* to) const {
    std::memcpy(to, from, size_t(size_) * sizeof(T));
    DeltaSteps steps = later<T>(all, t, count);
    steps.state = to;
    simd().gated_delta_steps(kCarrier<T>, steps);
  }

  void back(const DeltaSteps& all, int64_t t, T* state, T* slope) {
    DeltaSteps step = later<T>(all, t, 1);
    step.state = state;
    const int64_t each = (example_ * p_.steps + t) * p_.heads + head_;
    const DeltaSlopes to{.y = in_.back().as<T>() + each * p_.rows,
                         .state = slope,
                         .q = out_[1].as<T>() + each * p_.keys,
                         .k = out_[2].as<T>() + each * p_.keys,
                         .v = out_[3].as<T>() + each * p_.rows,
                         .beta = out_[5].as<T>() + each,
                         .gamma = p_.per_key ? out_[4].as<T>() + each * p_.keys : gamma_.data};
    const size_t bytes = size_t(p_.keys) * sizeof(T);
    std::memset(to.q, 0, bytes), std::memset(to.k, 0, bytes), std::memset(to.gamma, 0, bytes);
    if (step.mask && !*step.mask) {
      std::memset(to.v, 0, size_t(p_.rows) * sizeof(T));
      *static_cast<T*>(to.beta) = T(0);
    } else {
      simd().gated_delta_back(kCarrier<T>, step, to);
    }
    if (!p_.per_key) out_[4].as<T>()[each] = T(simd().norm_sum(kCarrier<T>, gamma_.data, p_.keys));
  }

  std::span<const View> in_;
  std::span<View> out_;
  const Problem<T>& p_;
  int64_t size_, kept_, stretches_, example_ = 0, head_ = 0;
  RowMemory<T> states_, gamma_;
};

template <class T>
void backward(const Call& call) {
  const std::span<const View> in = call.inputs;
  const Problem<T> p(in, in.size() > 8 ? &in[6] : nullptr);
  parallel_for(p.batch * p.heads, 1, [&](int64_t begin, int64_t end) {
    Backward<T> gradient(call, p);
    for (int64_t task = begin; task < end; task++) gradient.run(task / p.heads, task % p.heads);
  });
}

}  // namespace

void gated_delta(const Call& call) {
  call.outputs[0].dtype == float64 ? forward<double>(call) : forward<float>(call);
}
void gated_delta_grad(const Call& call) {
  call.outputs[0].dtype == float64 ? backward<double>(call) : backward<float>(call);
}

}  // namespace melix::cpu
