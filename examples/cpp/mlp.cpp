// The classifier of examples/classifier.py in C++: which of three spirals a point of the plane is on.
//
//   mlp [--steps N] [--out FOLDER]     with a folder, a run that was stopped goes on where it was
#include <melix/melix.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numbers>

namespace mx = melix;
namespace nn = melix::nn;
namespace optim = melix::optim;

struct MLP {
  std::vector<nn::Linear> layers{{2, 64}, {64, 64}, {64, 3}};

  mx::array operator()(mx::array x) const {
    for (size_t i = 0; i + 1 < layers.size(); i++) x = nn::relu(layers[i](x));
    return layers.back()(x);
  }

  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("layers", layers);
  }
};

// n points of each spiral, and which it is.
std::pair<mx::array, mx::array> spirals(int n, uint64_t seed) {
  mx::array keys = mx::random::split(mx::random::key(seed), 2);
  auto key = [&](int i) { return mx::index(keys, {int64_t(i)}); };
  mx::array radius = mx::random::uniform(0.1, 1, {3, n}, mx::float32, key(0));
  mx::array start = mx::reshape(mx::array({0.f, 1.f, 2.f}), {3, 1}) * (2 * std::numbers::pi / 3);
  mx::array angle = start + radius * 5 + mx::random::normal({3, n}, mx::float32, {}, {}, key(1)) * 0.15;
  mx::array points = mx::stack({radius * mx::cos(angle), radius * mx::sin(angle)}, -1);
  return {mx::reshape(points, {-1, 2}), mx::repeat(mx::array({0, 1, 2}), n)};
}

int main(int argc, char** argv) try {
  int steps = 400;
  std::string out;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--steps")) steps = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--out")) out = argv[i + 1];
  }
  mx::random::seed(0);
  auto [x, y] = spirals(1000, 1);
  auto [test_x, test_y] = spirals(200, 2);
  MLP model;
  optim::Optimizer optimizer(
      optim::AdamW{.learning_rate = optim::cosine_decay(1e-2, 400), .bias_correction = true});

  const std::string weights = out + "/weights.safetensors", state = out + "/optimizer.safetensors";
  if (!out.empty() && std::filesystem::exists(state)) {
    nn::load_weights(model, weights);
    optimizer.set_state(nn::read_weights(state));
    std::printf("resumed at step %d\n", optimizer.step().item<int>());
  }
  while (optimizer.step().item<int>() < steps) {
    auto [loss, gradients] =
        nn::value_and_grad(model, [&] { return nn::cross_entropy(model(x), y, {}, -1, 0, "mean"); });
    optimizer.update(model, gradients);
    std::vector<mx::array> changed{loss};
    for (const auto& [path, value] : nn::parameters(model)) changed.push_back(value);
    for (const auto& [path, value] : optimizer.state()) changed.push_back(value);
    mx::eval(changed);
    const int step = optimizer.step().item<int>();
    if (step % 100 == 0 || step == steps) std::printf("step %d: loss %.4f\n", step, loss.item<double>());
  }
  if (!out.empty()) {
    std::filesystem::create_directories(out);
    nn::save_weights(model, weights);
    nn::write_weights(state, optimizer.state());
  }
  mx::array right =
      mx::mean(mx::astype(mx::argmax(model(test_x), -1) == mx::astype(test_y, mx::uint32), mx::float32));
  std::printf("right on new points: %.1f %%\n", 100 * right.item<double>());
} catch (const mx::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
