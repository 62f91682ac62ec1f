// See optimizer.h.
#include "melix/optim/optimizer.h"

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/optim/rules.h"

namespace melix::optim {
namespace {

using Arrays = std::vector<array>;

// A rule that remembers arrays like the parameter, zeros at first.
Rule like_parameter(
    std::vector<const char*> names,
    std::function<Arrays(const array&, const array&, const Arrays&, const array&, const array&)> apply) {
  auto remembered = [names = std::move(names)](const array&) {
    std::vector<Rule::Remembered> out;
    for (const char* name : names) out.push_back({name});
    return out;
  };
  return {remembered, std::move(apply)};
}

}  // namespace

Rule SGD::rule() const {
  if (nesterov && (momentum <= 0 || dampening != 0))
    fail(Code::value, "SGD", "nesterov needs a momentum, and no dampening");
  return like_parameter({"v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return sgd(p, g, r[0], rate, o.momentum, o.weight_decay, o.dampening, o.nesterov);
  });
}

Rule RMSprop::rule() const {
  return like_parameter({"v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return rmsprop(p, g, r[0], rate, o.alpha, o.eps);
  });
}

Rule Adagrad::rule() const {
  return like_parameter({"v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return adagrad(p, g, r[0], rate, o.eps);
  });
}

Rule AdaDelta::rule() const {
  return like_parameter({"v", "u"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return adadelta(p, g, r[0], r[1], rate, o.rho, o.eps);
  });
}

Rule Adam::rule() const {
  return AdamW{.learning_rate = learning_rate,
               .betas = betas,
               .eps = eps,
               .weight_decay = 0,
               .bias_correction = bias_correction}
      .rule();
}

Rule AdamW::rule() const {
  return like_parameter({"m", "v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto& step) {
    return adam(p, g, r[0], r[1], rate, step, o.betas, o.eps, o.weight_decay, o.bias_correction);
  });
}

Rule Adamax::rule() const {
  return like_parameter({"m", "v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return adamax(p, g, r[0], r[1], rate, o.betas, o.eps);
  });
}

Rule Lion::rule() const {
  return like_parameter({"m"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return lion(p, g, r[0], rate, o.betas, o.weight_decay);
  });
}

Rule Muon::rule() const {
  return like_parameter({"v"}, [o = *this](auto& p, auto& g, auto& r, auto& rate, auto&) {
    return muon(p, g, r[0], rate, o.momentum, o.weight_decay, o.nesterov, o.ns_steps);
  });
}

Rule Adafactor::rule() const {
  auto remembered = [first = beta_1.has_value()](const array& parameter) {
    std::vector<Rule::Remembered> out;
    if (parameter.ndim() >= 2) {
      auto without = [](int axis) {
        return [axis](const array& p) {
          Shape shape = p.shape();
          shape.erase(shape.end() + axis);
          return zeros(shape, p.dtype());
        };
      };
      out = {{"exp_avg_sq_row", without(-1)}, {"exp_avg_sq_col", without(-2)}};
    } else {
      out = {{"exp_avg_sq"}};
    }
    if (first) out.push_back({"exp_avg"});
    return out;
  };
  auto apply = [o = *this](const array& p, const array& g, const Arrays& r, const array& rate,
                           const array& step) {
    Arrays second(r.begin(), r.end() - (o.beta_1 ? 1 : 0));
    return adafactor(p, g, second, o.beta_1 ? std::optional(r.back()) : std::nullopt,
                     o.relative_step ? std::nullopt : std::optional(rate), step, o.eps, o.clip_threshold,
                     o.decay_rate, o.beta_1.value_or(0), o.weight_decay, o.scale_parameter, o.warmup_init);
  };
  return {remembered, apply};
}

Optimizer::Optimizer(Rate learning_rate, Rule rule)
    : rule_(std::move(rule)), step_(int64_t(0), uint64), learning_rate_(0.0, float32) {
  if (auto* schedule = std::get_if<Schedule>(&learning_rate)) {
    schedule_ = std::move(*schedule);
    learning_rate_ = schedule_(step_);
  } else {
    set_learning_rate(std::get<double>(learning_rate));
  }
}

void Optimizer::set_learning_rate(double rate) { learning_rate_ = array(rate, float32); }

std::vector<array>& Optimizer::remembered(const std::string& path, const array& parameter) {
  auto [found, is_new] = remembered_.try_emplace(path);
  if (!is_new) return found->second;
  for (const Rule::Remembered& one : rule_.remembered(parameter)) {
    auto loaded = loaded_.find(path + "." + one.name);
    names_[path].push_back(one.name);
    found->second.push_back(loaded != loaded_.end() ? loaded->second
                            : one.start             ? one.start(parameter)
                                                    : zeros_like(parameter));
  }
  paths_.push_back(path);
  return found->second;
}

nn::Parameters Optimizer::apply(const nn::Parameters& gradients, const nn::Parameters& parameters) {
  std::unordered_map<std::string, const array*> by_path;
  for (const auto& [path, parameter] : parameters) by_path[path] = &parameter;
  for (const auto& [path, gradient] : gradients) {
    auto parameter = by_path.find(path);
    if (parameter == by_path.end())
      fail(Code::value, "optimizer", "there is a gradient of ", path, ", which is no parameter");
    if (parameter->second->shape() != gradient.shape()) {
      fail(Code::value, "optimizer", "the gradient of ", path, " has shape ", gradient.shape(),
           ", the parameter ", parameter->second->shape());
    }
  }
  if (schedule_) learning_rate_ = schedule_(step_);
  step_ = step_ + 1;
  nn::Parameters out;
  for (const auto& [path, gradient] : gradients) {
    const array& parameter = *by_path[path];
    std::vector<array>& state = remembered(path, parameter);
    std::vector<array> changed = rule_.apply(parameter, gradient, state, learning_rate_, step_);
    std::copy(changed.begin() + 1, changed.end(), state.begin());
    out.emplace_back(path, changed[0]);
  }
  return out;
}

nn::Parameters Optimizer::state() const {
  nn::Parameters out{{"step", step_}, {"learning_rate", learning_rate_}};
  for (const std::string& path : paths_) {
    const std::vector<array>& values = remembered_.at(path);
    for (size_t i = 0; i < values.size(); i++) out.emplace_back(path + "." + names_.at(path)[i], values[i]);
  }
  return out;
}

void Optimizer::set_state(const nn::Parameters& state) {
  paths_.clear();
  remembered_.clear();
  names_.clear();
  loaded_ = {state.begin(), state.end()};
  if (auto step = loaded_.find("step"); step != loaded_.end()) step_ = step->second;
  if (auto rate = loaded_.find("learning_rate"); rate != loaded_.end()) learning_rate_ = rate->second;
}

std::pair<nn::Parameters, array> clip_grad_norm(const nn::Parameters& gradients, double max_norm) {
  array squares(0.0, float32);
  for (const auto& [path, gradient] : gradients) squares = squares + astype(sum(square(gradient)), float32);
  array norm = sqrt(squares);
  array scale = minimum(array(max_norm, float32) / (norm + 1e-6), array(1.0, float32));
  nn::Parameters out;
  for (const auto& [path, gradient] : gradients)
    out.emplace_back(path, gradient * astype(scale, gradient.dtype()));
  return {std::move(out), norm};
}

}  // namespace melix::optim
