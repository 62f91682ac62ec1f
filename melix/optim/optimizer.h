// Optimizers: the rules of rules.h, applied to all parameters of a module, with the state that they need.
//
//   optim::Optimizer optimizer(optim::AdamW{.learning_rate = 1e-3});
//   auto [loss, gradients] = nn::value_and_grad(model, loss_of_batch);
//   optimizer.update(model, gradients);
#pragma once

#include <functional>
#include <unordered_map>
#include <variant>

#include "melix/nn/module.h"
#include "melix/optim/schedules.h"

namespace melix::optim {

/// A number, or a schedule.
using Rate = std::variant<double, Schedule>;

/// What an optimizer does with one parameter.
struct Rule {
  /// Of each array that is remembered of a parameter: its name, and how it starts (null: zeros like the parameter).
  struct Remembered {
    const char* name;
    std::function<array(const array& parameter)> start = nullptr;
  };
  std::function<std::vector<Remembered>(const array& parameter)> remembered;
  /// (parameter, gradient, remembered, learning rate, step) -> (parameter, remembered).
  std::function<std::vector<array>(const array&, const array&, const std::vector<array>&, const array&,
                                   const array&)>
      apply;
};

struct SGD {
  Rate learning_rate;
  double momentum = 0, weight_decay = 0, dampening = 0;
  bool nesterov = false;
  Rule rule() const;
};
struct RMSprop {
  Rate learning_rate;
  double alpha = 0.99, eps = 1e-8;
  Rule rule() const;
};
struct Adagrad {
  Rate learning_rate;
  double eps = 1e-8;
  Rule rule() const;
};
struct AdaDelta {
  Rate learning_rate;
  double rho = 0.9, eps = 1e-6;
  Rule rule() const;
};
struct Adam {
  Rate learning_rate;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  bool bias_correction = false;
  Rule rule() const;
};
struct AdamW {
  Rate learning_rate;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8, weight_decay = 0.01;
  bool bias_correction = false;
  Rule rule() const;
};
struct Adamax {
  Rate learning_rate;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  Rule rule() const;
};
struct Lion {
  Rate learning_rate;
  std::pair<double, double> betas = {0.9, 0.99};
  double weight_decay = 0;
  Rule rule() const;
};
struct Muon {
  Rate learning_rate;
  double momentum = 0.95, weight_decay = 0.01;
  bool nesterov = true;
  int ns_steps = 5;
  Rule rule() const;
};
/// With `relative_step`, the step makes the learning rate, and the one given is not used.
struct Adafactor {
  Rate learning_rate = 0.0;
  std::pair<double, double> eps = {1e-30, 1e-3};
  double clip_threshold = 1, decay_rate = -0.8;
  std::optional<double> beta_1{};
  double weight_decay = 0;
  bool scale_parameter = true, relative_step = true, warmup_init = false;
  Rule rule() const;
};

class Optimizer {
 public:
  template <class Options>
  explicit Optimizer(const Options& options) : Optimizer(options.learning_rate, options.rule()) {}
  Optimizer(Rate learning_rate, Rule rule);

  /// The parameters that gradients are given of, changed. Throws Code::value where a gradient has no parameter, or
  /// another shape. Nothing is computed before it is asked for: evaluate parameters and state together.
  nn::Parameters apply(const nn::Parameters& gradients, const nn::Parameters& parameters);
  template <nn::Module M>
  void update(M& module, const nn::Parameters& gradients) {
    nn::update(module, apply(gradients, nn::parameters(module)));
  }

  /// "step", "learning_rate", and "<path>.<name>" of what is remembered: the names that Python's optimizers have.
  nn::Parameters state() const;
  /// Goes on from a state.
  void set_state(const nn::Parameters& state);

  const array& step() const { return step_; }
  const array& learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate);

 private:
  std::vector<array>& remembered(const std::string& path, const array& parameter);

  Rule rule_;
  Schedule schedule_;
  array step_, learning_rate_;
  std::vector<std::string> paths_;  // in the order of their first gradients
  std::unordered_map<std::string, std::vector<array>> remembered_;
  std::unordered_map<std::string, std::vector<std::string>> names_;
  std::unordered_map<std::string, array> loaded_;  // of set_state, until its parameter comes
};

/// The gradients, scaled so that the norm of all together is at most `max_norm`; and the norm that it was.
std::pair<nn::Parameters, array> clip_grad_norm(const nn::Parameters& gradients, double max_norm);

}  // namespace melix::optim
