// See schedules.h.
#include "melix/optim/schedules.h"

#include <numbers>

#include "melix/ops/elementwise.h"

namespace melix::optim {
namespace {

array number(const array& step) { return astype(step, float32); }

}  // namespace

Schedule exponential_decay(double init, double decay_rate) {
  return [=](const array& step) { return power(array(decay_rate, float32), number(step)) * init; };
}

Schedule step_decay(double init, double decay_rate, int step_size) {
  return [=](const array& step) {
    return power(array(decay_rate, float32), floor(number(step) / double(step_size))) * init;
  };
}

Schedule cosine_decay(double init, int decay_steps, double end) {
  return [=](const array& step) {
    array done =
        minimum(number(step), array(double(decay_steps), float32)) * (std::numbers::pi / decay_steps);
    return (cos(done) + 1.0) * (0.5 * (init - end)) + end;
  };
}

Schedule linear_schedule(double init, double end, int steps) {
  if (steps < 1) fail(Code::value, "linear_schedule", "steps is at least 1, not ", steps);
  return [=](const array& step) {
    return minimum(number(step), array(double(steps), float32)) * ((end - init) / steps) + init;
  };
}

Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int> boundaries) {
  if (schedules.empty()) fail(Code::value, "join_schedules", "there must be a schedule");
  if (boundaries.size() + 1 != schedules.size()) {
    fail(Code::value, "join_schedules", schedules.size(), " schedules have ", schedules.size() - 1,
         " boundaries, not ", boundaries.size());
  }
  return [schedules = std::move(schedules), boundaries = std::move(boundaries)](const array& step) {
    array rate = schedules[0](step);
    for (size_t i = 0; i < boundaries.size(); i++)
      rate = where(number(step) < double(boundaries[i]), rate,
                   schedules[i + 1](number(step) - double(boundaries[i])));
    return rate;
  };
}

}  // namespace melix::optim
