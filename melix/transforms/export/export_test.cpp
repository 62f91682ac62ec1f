// Export in C++: round trips, named arguments, devices, memory, the exporter's life. Files that are wrong are in
// python/tests/export_test.py.
#include "melix/transforms/export/export.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>

#include "melix/backend/backend.h"
#include "melix/core/allocator.h"
#include "melix/melix.h"

namespace melix {
namespace {

// A path of the test's own, removed at its end.
struct TemporaryPath {
  std::string path =
      concat((std::filesystem::temp_directory_path() / "melix_export_test.").string(), ::getpid());
  ~TemporaryPath() { std::remove(path.c_str()); }
};

float first(const std::vector<array>& results) { return sum(results.at(0)).item<float>(); }

TEST_CASE("a C++ function comes back from its file with what it captured") {
  TemporaryPath file;
  array w({1.f, 2.f, 3.f});
  auto fun = [&](const std::vector<array>& in) { return std::vector<array>{in[0] * w + 1, in[0]}; };
  export_function(file.path, Function(fun), {array({1.f, 1.f, 1.f})}, false, "note");
  ImportedFunction imported = import_function(file.path);
  CHECK(imported.metadata() == "note");
  std::vector<array> results = imported({array({2.f, 2.f, 2.f})});
  REQUIRE(results.size() == 2);
  CHECK(first(results) == 15);
  CHECK(results[1].size() == 3);
  CHECK_THROWS_AS(imported({array({2.f, 2.f})}), Error);
}

TEST_CASE("named arrays are matched by name, and traces by shape") {
  TemporaryPath file;
  KeywordFunction fun = [](const std::vector<array>& args, const KeywordArrays& kwargs) {
    array out = args[0];
    for (const auto& [name, a] : kwargs) out = name == "minus" ? out - a : out * a;
    return std::vector<array>{out};
  };
  FunctionExporter exporter(file.path, fun);
  exporter({array(1.f)});
  exporter({array(1.f)}, {{"minus", array(1.f)}});
  exporter({array(1.f)}, {{"minus", array(1.f)}, {"times", array({1.f, 2.f})}});
  CHECK_THROWS_AS(exporter({array(5.f)}), Error);
  CHECK_FALSE(std::filesystem::exists(file.path));
  exporter.close();
  ImportedFunction imported = import_function(file.path);
  CHECK(first(imported({array(7.f)})) == 7);
  CHECK(first(imported({array(7.f)}, {{"minus", array(3.f)}})) == 4);
  CHECK(first(imported({array(7.f)}, {{"times", array({1.f, 2.f})}, {"minus", array(3.f)}})) == 12);
  CHECK_THROWS_AS(imported({array(7.f)}, {{"plus", array(3.f)}}), Error);
}

TEST_CASE("an exporter that is not closed writes nothing") {
  TemporaryPath file;
  {
    FunctionExporter exporter(file.path, [](const auto& args, const auto&) { return args; });
    exporter({array(1.f)});
  }
  CHECK_FALSE(std::filesystem::exists(file.path));
}

TEST_CASE("reading a file gives its memory back") {
  TemporaryPath file;
  array w = astype(arange(0, 10000, 1, float32), float32);
  eval(w);
  export_function(file.path, Function([&](const auto& in) { return std::vector<array>{in[0] + w}; }),
                  {array(1.f)});
  const size_t before = memory::active();
  {
    ImportedFunction imported = import_function(file.path);
    CHECK(memory::active() >= before + 40000);
    memory::fail_allocation(1);
    CHECK_THROWS_AS(import_function(file.path), Error);
    CHECK(first(imported({array(0.f)})) == 49995000);
  }
  CHECK(memory::active() == before);
}

TEST_CASE("the names of operations in files are names of one operation each") {
  for (const Op* op : all_ops()) {
    CAPTURE(op->name);
    CHECK(find_op(op->name) == op);
  }
}

TEST_CASE("dot draws a deep graph without a deep stack") {
  array x(1.f), y = x;
  for (int i = 0; i < 200000; i++) y = y + x;
  std::ostringstream out;
  export_to_dot(out, {y}, {{"x", x}});
  CHECK(out.str().size() > 200000u * 20);
  CHECK(out.str().find("{ rank=source; \"x\"; }") != std::string::npos);
}

}  // namespace
}  // namespace melix
