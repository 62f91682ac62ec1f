// Evaluation: values, what is written and what is not, donation, failing allocations, depth, threads.
#include "melix/transforms/eval.h"

#include <doctest/doctest.h>

#include <thread>

#include "melix/core/allocator.h"
#include "melix/melix.h"
#include "melix/transforms/compile/plan.h"
#include "tests/failing_new.h"

namespace melix {
namespace {

array ramp(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; i++) values[size_t(i)] = float(i % 97) * 0.125f - 3;
  return array(values.data(), {n}, float32);
}

std::vector<float> values(const array& a) {
  array row_major = contiguous(a);
  const View& view = row_major.view();
  return {view.as<float>(), view.as<float>() + view.size()};
}

// A graph of 40 operations: elementwise chains, views, broadcasts, reductions and held intermediates.
std::vector<array> forty(const array& x) {
  array m = reshape(x, {16, -1});
  std::vector<array> held;
  for (int i = 0; i < 5; i++) {
    array row = sum(square(m), std::vector<int>{0}, true);
    m = tanh(m * 0.5 + row * 0.001) - mean(m, std::vector<int>{1}, true);
    held.push_back(m);
    m = transpose(reshape(transpose(m), {-1, 16}));
  }
  held.push_back(max(m));
  return held;
}

TEST_CASE("a chain reads its input and writes its result once") {
  array x = ramp(100000);
  Traffic before = traffic();
  array y = x * 2 + 1;
  for (int i = 0; i < 10; i++) y = tanh(y) * 0.5 + x;
  y.eval();
  Traffic after = traffic();
  CHECK(after.kernels - before.kernels == 1);
  CHECK(after.written - before.written == 400000);
  CHECK(after.read - before.read <= 400000 + 12 * 4);
}

TEST_CASE("a sum of a product writes no product") {
  array x = ramp(100000);
  Traffic before = traffic();
  array total = sum(x * x);
  total.eval();
  CHECK(traffic().written - before.written == 4);
}

TEST_CASE("held intermediates are written, others are not") {
  array x = ramp(1000);
  Traffic before = traffic();
  array held = x * 2, y = exp(held) + 1;
  y.eval();
  CHECK(held.ready());
  CHECK(traffic().written - before.written == 8000);
}

TEST_CASE("fused and one by one give the same bits") {
  array x = ramp(4097);
  std::vector<array> at_once = forty(reshape(ramp(4096), {4096}));
  eval(at_once);
  array m = reshape(ramp(4096), {16, -1});
  for (int i = 0; i < 5; i++) {
    auto done = [](array a) {
      a.eval();
      return a;
    };
    array row = done(sum(done(square(m)), std::vector<int>{0}, true));
    array left = done(tanh(done(done(m * 0.5) + done(row * 0.001))));
    m = done(left - done(mean(m, std::vector<int>{1}, true)));
    CHECK(values(m) == values(at_once[size_t(i)]));
    m = done(transpose(done(reshape(done(transpose(m)), {-1, 16}))));
  }
}

TEST_CASE("a result takes the memory of an argument that nobody holds") {
  array x = ramp(1 << 20);
  x = x + 1;
  x.eval();
  const void* before = x.view().data();
  x = x + 1;
  x.eval();
  CHECK(x.view().data() == before);
  array kept = x;
  x = x + 1;
  x.eval();
  CHECK(x.view().data() != kept.view().data());
}

TEST_CASE("a million operations evaluate and are freed") {
  array z(0.0f);
  for (int i = 0; i < 1000000; i++) z = z + 1;
  CHECK(z.item<float>() == 1000000);
  array unused(0.0f);
  for (int i = 0; i < 1000000; i++) unused = unused + 1;
}

TEST_CASE("a million small evaluations leave memory as it was") {
  array x = ramp(8);
  auto some = [&](int n) {
    for (int i = 0; i < n; i++) (x * 2 + float(i)).eval();
  };
  some(1000);
  size_t before = memory::active();
  some(1000000);
  CHECK(memory::active() == before);
}

TEST_CASE("every failing allocation is an error, leaks nothing, and the next call works") {
  array x = ramp(4096);
  std::vector<array> expected = forty(x);
  eval(expected);
  auto evaluate = [&] { eval(forty(x)); };
  auto gradient = [&] { grad([&](const array& a) { return forty(a).back() + sum(forty(a)[2]); })(x).eval(); };
  auto check = [&](auto&& step, auto&& arm, auto&& disarm) {
    step();  // fills caches
    size_t before = memory::active();
    int failures = 0;
    for (int64_t n = 1;; n++) {
      arm(n);
      bool failed = false;
      try {
        step();
      } catch (const Error& error) {
        failed = true;
        CHECK(error.code() == Code::memory);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      disarm();
      CHECK(memory::active() == before);
      if (!failed) break;
      failures++;
    }
    CHECK(failures > 3);
  };
  auto arm_memory = [](int64_t n) { memory::fail_allocation(n); };
  auto disarm_memory = [] { memory::fail_allocation(0); };
  check(evaluate, arm_memory, disarm_memory);
  check(gradient, arm_memory, disarm_memory);
  check(evaluate, fail_new, [] { fail_new(0); });
  check(gradient, fail_new, [] { fail_new(0); });
  std::vector<array> again = forty(x);
  eval(again);
  for (size_t i = 0; i < again.size(); i++) CHECK(values(again[i]) == values(expected[i]));
}

TEST_CASE("arrays whose evaluation failed can be evaluated again") {
  array x = ramp(4096);
  std::vector<array> results = forty(x);
  memory::fail_allocation(2, true);
  CHECK_THROWS_AS(eval(results), Error);
  memory::fail_allocation(0);
  std::vector<array> expected = forty(x);
  eval(expected);
  eval(results);
  for (size_t i = 0; i < results.size(); i++) CHECK(values(results[i]) == values(expected[i]));
}

TEST_CASE("eight threads build, evaluate and free graphs on shared arrays") {
  array x = ramp(2048), shared = tanh(x) * 3;  // shared is lazy: whoever needs it first computes it
  std::vector<array> expected = forty(shared + 0);
  std::vector<std::vector<float>> want;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  array alone = tanh(ramp(2048)) * 3;
  for (const array& a : forty(alone + 0)) want.push_back(values(a));
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; round++) {
        std::vector<array> mine = forty(shared + 0);
        if (t % 3 == 0) async_eval(mine);
        if (t % 3 == 1) eval(mine);
        for (size_t i = 0; i < mine.size(); i++) wrong += values(mine[i]) != want[i];
        for (size_t i = 0; i < expected.size(); i++) wrong += values(expected[i]) != want[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("streams run beside each other and wait for what they need") {
  Stream a = new_stream(Device()), b = new_stream(Device());
  array x = ramp(50000);
  array u = multiply(x, array(2.0f), a), v = add(u, x, b), w = add(v, u, a);
  async_eval(std::vector<array>{w});
  async_eval(std::vector<array>{v});
  synchronize(a);
  synchronize(b);
  CHECK(values(w) == values(x * 2 + x + x * 2));
}

}  // namespace
}  // namespace melix
