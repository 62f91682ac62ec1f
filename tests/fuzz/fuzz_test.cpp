// Fuzzing without libFuzzer, a little in every run of the tests: the files of tests/fuzz/corpus and changes of them,
// for MELIX_FUZZ_SECONDS each format (default 2). `./dev fuzz` does it well. Runs in the root of the tree.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/fuzz/parsers.h"

using namespace melix;
namespace fs = std::filesystem;

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n ? next() % n : 0; }
};

std::vector<std::string> corpus(const char* format) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path("tests/fuzz/corpus") / format)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const fs::path& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    out.push_back(text.str());
  }
  return out;
}

// One change: a byte, a bit, a piece that goes, comes or is repeated, a number at the edge of a type, another's piece.
void change(std::string& s, const std::vector<std::string>& all, Random& random) {
  static const uint64_t edges[] = {0,
                                   1,
                                   7,
                                   32,
                                   33,
                                   255,
                                   256,
                                   65535,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   uint64_t(1) << 32,
                                   uint64_t(1) << 40,
                                   uint64_t(1) << 62,
                                   uint64_t(1) << 63,
                                   ~uint64_t(0),
                                   ~uint64_t(7)};
  const size_t at = size_t(random.below(s.size() + 1)), n = size_t(1) << random.below(6);
  switch (random.below(8)) {
    case 0:
      if (at < s.size()) s[at] = char(random.next());
      break;
    case 1:
      if (at < s.size()) s[at] = char(s[at] ^ (1 << random.below(8)));
      break;
    case 2:
      s.erase(at, n);
      break;
    case 3:
      s.insert(at, n, char(random.next()));
      break;
    case 4:
      s.insert(at, s.substr(at, n));
      break;
    case 5: {
      const uint64_t edge = edges[random.below(std::size(edges))];
      s.replace(at, std::min<size_t>(n & 12, s.size() - at), reinterpret_cast<const char*>(&edge), n & 12);
      break;
    }
    case 6: {
      const std::string& other = all[random.below(all.size())];
      s.replace(at, n, other.substr(size_t(random.below(other.size() + 1)), n));
      break;
    }
    default:
      if (random.below(4) == 0) s.resize(at);
      for (char& c : s) {
        if (c >= '0' && c <= '9' && random.below(s.size()) < 2) c = char('0' + random.below(10));
      }
  }
}

}  // namespace

TEST_CASE("fuzz: no bytes break a parser, and what is taken is as promised") {
  const char* seconds = std::getenv("MELIX_FUZZ_SECONDS");
  const char* seed = std::getenv("MELIX_TEST_SEED");
  const std::chrono::duration<double> each(seconds ? std::atof(seconds) : 2);
  Random random{seed ? std::strtoull(seed, nullptr, 10) : 1};
  for (const fuzz::Format& format : fuzz::kFormats) {
    const std::vector<std::string> seeds = corpus(format.name);
    REQUIRE(seeds.size() >= 3);
    uint64_t runs = 0, taken = 0;
    std::string input;
    try {
      for (const std::string& file : seeds) taken += fuzz::run(format, input = file);
      CHECK(taken >= seeds.size() / 2);
      const auto end = std::chrono::steady_clock::now() + each;
      while (std::chrono::steady_clock::now() < end) {
        for (int i = 0; i < 100; i++) {
          input = seeds[random.below(seeds.size())];
          for (uint64_t k = 1 + random.below(4); k > 0; k--) change(input, seeds, random);
          taken += fuzz::run(format, input);
          runs++;
        }
      }
    } catch (const fuzz::Broken& broken) {
      std::ofstream("fuzz-failure", std::ios::binary) << input;
      FAIL_CHECK(format.name, ": ", broken.what, "; the input is in the file fuzz-failure");
    }
    MESSAGE(std::string(format.name), ": ", runs, " files, ", taken, " taken");
    CHECK(runs > 0);
  }
}
