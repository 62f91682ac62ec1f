// Operations from outside: what may be registered, and that it is found and run.
#include <doctest/doctest.h>

#include "melix/custom_op.h"
#include "melix/melix.h"

using namespace melix;

namespace {

void like_input(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({in[0].shape(), in[0].dtype()});
}

void twice(const Call& call) {
  const float* x = call.inputs[0].as<float>();
  float* y = call.outputs[0].as<float>();
  for (int64_t i = 0; i < call.outputs[0].size(); i++) y[i] = 2 * x[i];
}
void failing(const Call&) { fail(Code::runtime, "failing_op", "the kernel gave up"); }

std::vector<array> by_sum(const Attrs*, std::span<const array> in) { return {in[0] + in[0]}; }

const Op twice_op{.name = "test_twice", .infer = like_input};
const Op failing_op{.name = "test_failing", .infer = like_input};
const Op composed_op{.name = "test_composed", .infer = like_input, .decompose = by_sum};

std::string message_of(const Op& op, Kernel kernel = nullptr) {
  try {
    register_op(op, DeviceType::cpu, kernel);
  } catch (const Error& error) {
    CHECK(error.code() == Code::value);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a registered operation is found by name and run by its kernel") {
  CHECK(find_op("test_twice") == nullptr);
  register_op(twice_op, DeviceType::cpu, twice);
  CHECK(find_op("test_twice") == &twice_op);
  CHECK(make(twice_op, {}, {array({1.0f, 2.0f}) + 1}).data<float>()[1] == 6);
  CHECK(message_of(twice_op, twice) == "[register_op] test_twice is registered for Device(cpu, 0) already");
}

TEST_CASE("without a kernel, the decomposition is evaluated and differentiated") {
  register_op(composed_op, DeviceType::cpu, nullptr);
  auto f = [](const array& x) { return sum(square(make(composed_op, {}, {x}))); };
  CHECK(f(array({1.0f, 2.0f})).item<float>() == 20);
  CHECK(grad(f)(array({1.0f, 2.0f})).data<float>()[1] == 16);
}

TEST_CASE("an error of a kernel is that of the evaluation, and the next one works") {
  register_op(failing_op, DeviceType::cpu, failing);
  CHECK_THROWS_WITH_AS(make(failing_op, {}, {array({1.0f})}).eval(), "[failing_op] the kernel gave up",
                       Error);
  CHECK((array({1.0f}) + 1).item<float>() == 2);
}

TEST_CASE("an operation that is not registered has no kernel, and none of its missing rules") {
  static const Op unknown{.name = "test_unknown", .infer = like_input};
  array x = make(unknown, {}, {array({1.0f})});
  CHECK_THROWS_WITH_AS(x.eval(), "[test_unknown] has no kernel on Device(cpu, 0) and no decomposition",
                       Error);
  CHECK_THROWS_WITH_AS(grad([](const array& a) { return sum(make(unknown, {}, {a})); })(array({1.0f})),
                       "[test_unknown] has no derivative", Error);
}

TEST_CASE("descriptions that are not complete, and names that are taken, are refused") {
  static const Op nameless{.name = "", .infer = like_input}, ruleless{.name = "test_ruleless"},
      idle{.name = "test_idle", .infer = like_input}, own{.name = "softmax", .infer = like_input},
      again{.name = "test_again", .infer = like_input}, other{.name = "test_again", .infer = like_input},
      fused{.name = "test_fused", .kind = OpClass::elementwise, .infer = like_input},
      view{.name = "test_view", .kind = OpClass::view, .infer = like_input};
  CHECK(message_of(nameless, twice) == "[register_op] the operation has no name");
  CHECK(message_of(ruleless, twice) == "[register_op] test_ruleless has no rule infer");
  CHECK(message_of(idle) == "[register_op] test_idle has neither kernel nor decomposition");
  CHECK(message_of(own, twice) == "[register_op] the library has an operation softmax of its own");
  CHECK(message_of(again, twice).empty());
  CHECK(message_of(other, twice) == "[register_op] another operation is registered as test_again");
  CHECK(message_of(fused, twice) == "[register_op] test_fused must be of the class kernel or view");
  CHECK(message_of(view) == "[register_op] test_view has no rule view");
}
