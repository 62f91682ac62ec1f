// Modules, layers and optimizers in C++.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "melix/nn/layers.h"
#include "melix/nn/losses.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/random.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/optim/optimizer.h"
#include "melix/transforms/compile/compile.h"
#include "melix/transforms/eval.h"

namespace melix {
namespace {

struct MLP {
  std::vector<nn::Linear> layers{{2, 8}, {8, 1}};
  array operator()(const array& x) const { return layers[1](nn::tanh(layers[0](x))); }
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("layers", layers);
  }
};

bool same(const array& a, const array& b) { return all(equal(a, b)).item<bool>(); }

std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("parameters have the paths that Python gives them") {
  MLP model;
  std::vector<std::string> paths;
  for (const auto& [path, value] : nn::parameters(model)) paths.push_back(path);
  CHECK(paths ==
        std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"});
  nn::update(model, {{"layers.1.bias", full({1}, array(3.0))}});
  CHECK(model.layers[1].bias->item<float>() == 3);
}

TEST_CASE("weights that do not fit are listed, and nothing is changed") {
  MLP model;
  array before = model.layers[0].weight;
  std::string text = text_of([&] {
    nn::put(nn::places(model), {{"layers.0.weight", zeros({3, 3})}, {"other", zeros({1})}}, true);
  });
  for (const char* part :
       {"layers.0.weight has shape (3, 3), the parameter (8, 2)", "other is not", "layers.1.bias is missing"})
    CHECK(text.find(part) != std::string::npos);
  CHECK(model.layers[0].weight.same(before));
}

TEST_CASE("weights go through files") {
  MLP model, other;
  auto folder = std::filesystem::temp_directory_path() / "melix_nn_test";
  std::filesystem::create_directories(folder);
  for (const char* name : {"w.safetensors", "w.npz"}) {
    nn::save_weights(model, (folder / name).string());
    nn::load_weights(other, (folder / name).string());
    CHECK(same(other.layers[0].weight, model.layers[0].weight));
  }
  CHECK(text_of([&] { nn::save_weights(model, "w.bin"); }).find("neither") != std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("gradients are those of the parameters, which stay what they were") {
  MLP model;
  array x = random::normal({5, 2}), before = model.layers[0].weight;
  auto [value, gradients] = nn::value_and_grad(model, [&] { return mean(square(model(x))); });
  CHECK(model.layers[0].weight.same(before));
  CHECK(gradients.size() == 4);
  CHECK(gradients[0].second.shape() == Shape{8, 2});
  CHECK_THROWS_AS(nn::value_and_grad(model, [&]() -> array { throw Error(Code::runtime, "loss", "no"); }),
                  Error);
  CHECK(model.layers[0].weight.same(before));
}

TEST_CASE("optimizers learn, and a state goes on to the same bits") {
  auto learn = [](auto options, int steps, int split) {
    random::seed(3);
    MLP model;
    array x = random::normal({64, 2}), y = sum(sin(x), std::vector<int>{1}, true);
    optim::Optimizer first(options), second(options);
    std::vector<double> losses;
    for (int i = 0; i < steps; i++) {
      auto [loss, gradients] = nn::value_and_grad(model, [&] { return nn::mse_loss(model(x), y); });
      if (i == split) second.set_state(first.state());
      (i < split ? first : second).update(model, gradients);
      losses.push_back(double(loss.template item<float>()));
    }
    return losses;
  };
  auto check = [&](auto options) {
    std::vector<double> whole = learn(options, 30, 30), parts = learn(options, 30, 11);
    CHECK(whole == parts);
    CHECK(whole.back() < 0.9 * whole.front());
  };
  check(optim::SGD{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
  check(optim::RMSprop{.learning_rate = 0.01});
  check(optim::Adagrad{.learning_rate = 0.1});
  check(optim::AdaDelta{.learning_rate = 5.0});
  check(optim::Adam{.learning_rate = optim::cosine_decay(0.02, 100), .bias_correction = true});
  check(optim::AdamW{.learning_rate = 0.02});
  check(optim::Adamax{.learning_rate = 0.02});
  check(optim::Lion{.learning_rate = 0.01});
  check(optim::Muon{.learning_rate = 0.02});
  check(optim::Adafactor{.beta_1 = 0.5});
}

TEST_CASE("optimizers say what does not fit") {
  MLP model;
  optim::Optimizer optimizer(optim::Adam{.learning_rate = 0.1});
  CHECK(text_of([&] {
          optimizer.update(model, {{"other", zeros({1})}});
        }).find("other") != std::string::npos);
  CHECK(text_of([&] {
          optimizer.update(model, {{"layers.1.bias", zeros({2})}});
        }).find("(2,)") != std::string::npos);
  CHECK_THROWS_AS(optim::Optimizer(optim::SGD{.learning_rate = 0.1, .nesterov = true}), Error);
  CHECK_THROWS_AS(optim::linear_schedule(0, 1, 0), Error);
}

TEST_CASE("gradients are clipped together") {
  auto [clipped, norm] = optim::clip_grad_norm({{"a", array({3.f})}, {"b", array({4.f})}}, 1);
  CHECK(norm.item<float>() == 5);
  CHECK(clipped[1].second.item<float>() == doctest::Approx(0.8).epsilon(1e-5));
}

TEST_CASE("layers") {
  array image = random::normal({2, 6, 5, 4});
  nn::Conv2d conv(4, 6, {3, 3}, {.stride = {2, 1}, .padding = {1, 1}, .groups = 2});
  CHECK(conv(image).shape() == Shape{2, 3, 5, 6});
  CHECK_THROWS_AS(nn::Conv1d(3, 4, {3}, {.groups = 2}), Error);
  CHECK(nn::LayerNorm(4)(image).shape() == image.shape());
  CHECK(nn::RMSNorm(4)(image).shape() == image.shape());
  nn::Embedding embedding(10, 4);
  CHECK(embedding(array({1, 9, 0})).shape() == Shape{3, 4});
  CHECK(nn::Bilinear(3, 4, 5)(random::normal({2, 3}), random::normal({2, 4})).shape() == Shape{2, 5});
  nn::Dropout dropout(0.5);
  array dropped = dropout(ones({1000}));
  const float kept = mean(dropped).item<float>();
  CHECK(std::abs(kept - 1) < 0.2);
  dropout.training = false;
  CHECK(same(dropout(image), image));
  CHECK_THROWS_AS(nn::Dropout(1), Error);
}

}  // namespace melix
