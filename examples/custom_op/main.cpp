// Uses the operation in everything that melix's own can be used in, and compares with what it says in other operations.
#include <cstdio>

#include "moving_average.h"

namespace mx = melix;
using Arrays = std::vector<mx::array>;

namespace {

int failures = 0;

void expect(const char* what, const mx::array& got, const mx::array& wanted) {
  const bool close = got.shape() == wanted.shape() && mx::allclose(got, wanted, 1e-5, 1e-6).item<bool>();
  std::printf("%-10s %s\n", what, close ? "right" : "WRONG");
  failures += !close;
}

// The average in other operations, for windows of 3 elements.
mx::array plain(const mx::array& x) {
  mx::array padded = mx::pad(x, std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {2, 0}});
  const int64_t n = x.shape(-1);
  mx::array sum = mx::zeros_like(x);
  for (int64_t i = 0; i < 3; i++) sum = sum + mx::slice(padded, {0, i}, {x.shape(0), n + i});
  return sum / 3;
}

}  // namespace

int main() {
  register_moving_average();
  const mx::array x = mx::random::normal({4, 1000});
  auto average = [](const Arrays& in) { return Arrays{moving_average(in[0], 3)}; };
  auto loss = [](const mx::array& x) { return mx::sum(mx::square(moving_average(x, 3))); };
  auto plain_loss = [](const mx::array& x) { return mx::sum(mx::square(plain(x))); };

  expect("eval", moving_average(x, 3), plain(x));
  expect("float16", moving_average(mx::astype(x, mx::float16), 1), mx::astype(x, mx::float16));
  expect("grad", mx::grad(loss)(x), mx::grad(plain_loss)(x));
  expect("jvp", mx::jvp(average, {x}, {x * 2}).second[0], plain(x) * 2);
  expect("vmap", mx::vmap(average, {0}, {0})({mx::reshape(x, {2, 2, 1000})})[0],
         mx::reshape(plain(x), {2, 2, 1000}));
  expect("compile", mx::compile(average)({x * 2 + 1})[0], plain(x * 2 + 1));
  mx::export_function("moving_average.mxfn", mx::Function(average), {x});
  expect("export", mx::import_function("moving_average.mxfn")({x})[0], plain(x));
  try {
    moving_average(x, 0);
    failures++;
  } catch (const mx::Error& error) {
    std::printf("%s\n", error.what());
  }
  return failures;
}
