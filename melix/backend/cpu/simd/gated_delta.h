// What the loops of the gated delta rule get (plain data, for all instruction sets).
#pragma once

#include <cstdint>

namespace melix::cpu {

/// Steps over some rows of one head's state, all of float32 or float64:
///
///   state       [rows][keys]               decayed = gamma * state
///   k, q, gamma [keys] each step           difference = beta * (v - decayed . k)   one for each row
///   v, y        [rows] each step           state = decayed + difference * k
///   beta        one number each step       y = state . q
///
/// `*_step` are elements from one step to the next. A step whose mask is 0 leaves the state as it is, and y is 0.
struct DeltaSteps {
  void* state;
  const void *q, *k, *v, *gamma, *beta;
  const uint8_t* mask;  // null: none
  void* y;              // null: not wanted
  int64_t key_step, value_step, gamma_step, beta_step, mask_step;
  int64_t steps, rows, keys;
  bool gamma_per_key;  // or one number each step
};

/// Gradients of one step. `state` above is the one before the step.
struct DeltaSlopes {
  const void* y;  // [rows], comes in
  void* state;    // [rows][keys], of the state behind the step; goes out as that of the one before it
  void *q, *k, *v, *beta;  // like the arguments; q and k and gamma are added to
  void* gamma;             // [keys] always
};

}  // namespace melix::cpu
