// Learning rates as functions of the step, which is an array: a compiled step goes through them.
#pragma once

#include <functional>
#include <vector>

#include "melix/graph/node.h"

namespace melix::optim {

using Schedule = std::function<array(const array& step)>;

/// init * decay_rate^step.
Schedule exponential_decay(double init, double decay_rate);

/// init, times decay_rate after every `step_size` steps.
Schedule step_decay(double init, double decay_rate, int step_size);

/// From init to end in `decay_steps` steps, along half a cosine.
Schedule cosine_decay(double init, int decay_steps, double end = 0);

/// From init to end in `steps` steps, in a straight line.
Schedule linear_schedule(double init, double end, int steps);

/// One schedule after the other: schedule i + 1 begins, at its step 0, at boundaries[i].
Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int> boundaries);

}  // namespace melix::optim
