// A libFuzzer target: compiled once for each format (cmake/fuzz.cmake); MELIX_FUZZ_FORMAT is its place in kFormats.
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/parsers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace melix::fuzz;
  try {
    run(kFormats[MELIX_FUZZ_FORMAT], std::string(reinterpret_cast<const char*>(data), size));
  } catch (const Broken& broken) {
    std::fprintf(stderr, "broken promise: %s\n", broken.what.c_str());
    std::abort();
  }
  return 0;
}
