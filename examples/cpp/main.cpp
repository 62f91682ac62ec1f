// A C++ program on an installed melix: fits a line by gradient descent, with lazy arrays, grad and compile.
#include <melix/melix.h>

#include <cstdio>

namespace mx = melix;

int main() {
  // Points of y = 3 x - 1 with a ripple. Nothing is computed before it is asked for.
  mx::array index = mx::reshape(mx::array({0, 1, 2, 3, 4, 5, 6, 7}), {8});
  mx::array x = mx::astype(index, mx::float32) / 4 - 1;
  mx::array y = x * 3 - 1 + mx::sin(x * 20) * 0.01;

  // parameters: slope, offset
  auto loss = [&](const std::vector<mx::array>& p) {
    return std::vector<mx::array>{mx::mean(mx::square(p[0] * x + p[1] - y))};
  };
  auto step = mx::compile([&](const std::vector<mx::array>& p) {
    auto [value, grads] = mx::value_and_grad(loss, {0, 1})(p);
    return std::vector<mx::array>{p[0] - grads[0] * 0.3, p[1] - grads[1] * 0.3, value[0]};
  });

  mx::array slope(0.0f), offset(0.0f), value(0.0f);
  for (int i = 0; i < 200; i++) {
    std::vector<mx::array> next = step({slope, offset});
    slope = next[0], offset = next[1], value = next[2];
    mx::eval(slope, offset, value);
  }
  std::printf("melix %s: slope %.2f, offset %.2f, loss %.5f\n", mx::version(), slope.item<float>(),
              offset.item<float>(), value.item<float>());

  try {
    mx::reshape(x, {3, 3});
  } catch (const mx::Error& error) {
    std::printf("errors are exceptions: %s\n", error.what());
  }
}
