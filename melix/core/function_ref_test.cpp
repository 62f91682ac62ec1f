// function_ref: what can be called through it, and that it neither copies nor owns.
#include "melix/core/function_ref.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace melix;

namespace {

int twice(int x) { return 2 * x; }
int apply(function_ref<int(int)> f, int x) { return f(x); }

static_assert(sizeof(function_ref<void()>) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<function_ref<void()>>);
static_assert(!std::is_constructible_v<function_ref<int(int)>, int (&)(std::string)>);

}  // namespace

TEST_CASE("function_ref: functions, lambdas and objects") {
  CHECK(apply(twice, 4) == 8);
  CHECK(apply(&twice, 5) == 10);
  int (*pointer)(int) = twice;
  CHECK(apply(pointer, 6) == 12);
  int calls = 0;
  auto counting = [&calls](int x) mutable { return ++calls + x; };
  CHECK(apply(counting, 10) == 11);
  CHECK(apply(counting, 10) == 12);
  const auto constant = [](int x) { return -x; };
  CHECK(apply(constant, 3) == -3);
  function_ref<int(int)> first = counting,
                         second = first;  // a copy calls the same object, not the first reference
  first = twice;
  CHECK((second(0) == 3 && first(1) == 2 && calls == 3));
}

TEST_CASE("function_ref: arguments and results pass through unchanged") {
  auto take = [](std::unique_ptr<int> p, std::string& out) -> std::string& {
    out += std::to_string(*p);
    return out;
  };
  function_ref<std::string&(std::unique_ptr<int>, std::string&)> f = take;
  std::string text = "n=";
  std::string& result = f(std::make_unique<int>(7), text);
  CHECK((&result == &text && text == "n=7"));
  auto ignored = [](int x) { return x; };
  function_ref<void(int)> no_result = ignored;
  no_result(1);
  CHECK_THROWS_AS(function_ref<void()>([] { throw 3; })(), int);
}
