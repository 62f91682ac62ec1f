// Random numbers in C++: the values that keys promise, the sequence of keys, and equal bits for any number of threads.
#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "melix/core/threads.h"
#include "melix/melix.h"

using namespace melix;

namespace {

template <class T>
std::vector<T> values(const array& a) {
  array whole = contiguous(a);
  const T* data = whole.data<T>();
  return std::vector<T>(data, data + whole.size());
}

using Words = std::vector<uint32_t>;

struct Threads {
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(0); }
};

}  // namespace

TEST_CASE("random: keys and their splits are fixed values") {
  CHECK(values<uint32_t>(random::key(0)) == Words{0, 0});
  CHECK(values<uint32_t>(random::key((uint64_t(256) << 32) + 7)) == Words{256, 7});
  array key = random::key(42);
  CHECK(values<uint32_t>(random::split(key, 3)) ==
        Words{3134548294, 3733159049, 3746501087, 894150801, 801545058, 2363201431});
  CHECK(random::split(key, 0).shape() == Shape{0, 2});
  // A key whose value is there is split on the spot, one that is not by an operation: the same keys.
  auto [a, b] = random::split_key(key);
  CHECK(a.ready());
  auto [c, d] = random::split_key(key + array(int64_t(0), uint32));
  CHECK(!c.ready());
  CHECK(values<uint32_t>(a) == values<uint32_t>(c));
  CHECK(values<uint32_t>(b) == values<uint32_t>(d));
}

TEST_CASE("random: bits of every width are the bytes of the same words") {
  array key = random::key(42);
  auto words = [&](int64_t n) { return values<uint32_t>(random::bits({n}, 4, key)); };
  CHECK(words(1) == Words{1832780943});
  CHECK(words(2) == Words{64467757, 2916123636});
  CHECK(words(5) == Words{3134548294, 3733159049, 843694964, 894150801, 801545058});
  CHECK(words(8) ==
        Words{2954079971, 2575172198, 1139032965, 1035738655, 3276725750, 1223413151, 173471767, 13772463});
  CHECK(values<uint16_t>(random::bits({5}, 2, key)) ==
        std::vector<uint16_t>{8426, 37627, 63599, 6563, 55571});
  CHECK(values<uint16_t>(random::bits({7}, 2, key)) ==
        std::vector<uint16_t>{8426, 37627, 39131, 56140, 55571, 3896, 35161});
  CHECK(values<uint8_t>(random::bits({7}, 1, key)) == std::vector<uint8_t>{45, 179, 215, 3, 244, 131, 208});
  std::vector<uint64_t> wide = values<uint64_t>(random::bits({4}, 8, key));
  CHECK(wide[0] == (uint64_t(2575172198) << 32 | 2954079971));
  CHECK(wide[3] == (uint64_t(13772463) << 32 | 173471767));
  for (int width : {1, 2, 4, 8}) CHECK(random::bits({3, 0}, width, key).shape() == Shape{3, 0});
}

TEST_CASE("random: a batch of keys gives what each key gives") {
  array keys = random::split(random::key(3), 5);
  for (int width : {1, 2, 4, 8}) {
    for (int64_t n : {1, 2, 3, 7, 4099}) {
      auto all =
          vmap([&](const std::vector<array>& in) { return std::vector{random::bits({n}, width, in[0])}; },
               {0}, {0})({keys})[0];
      REQUIRE(all.shape() == Shape{5, n});
      for (int64_t i = 0; i < 5; i++) {
        array one = random::bits({n}, width, unstack(keys)[size_t(i)]);
        CHECK(array_equal(unstack(all)[size_t(i)], one).item<bool>());
      }
    }
  }
}

TEST_CASE("random: threads do not change a bit") {
  array key = random::key(9);
  auto draw = [&] {
    return std::vector{random::bits({1 << 20 | 3}, 4, key), random::bits({1 << 20 | 3}, 1, key),
                       random::bits({3, 70001}, 8, key),
                       view(random::normal({300001}, float32, {}, {}, key), uint32),
                       view(arange(0.0, 1e5, 0.25), uint32)};
  };
  std::vector<array> expected;
  {
    Threads one(1);
    expected = draw();
    for (const array& a : expected) a.eval();
  }
  for (int n : {2, 3, 7}) {
    Threads threads(n);
    std::vector<array> got = draw();
    for (size_t i = 0; i < got.size(); i++) CHECK(array_equal(got[i], expected[i]).item<bool>());
  }
}

TEST_CASE("random: the sequence starts again with its seed, and serves threads") {
  random::seed(7);
  std::vector<float> first = values<float>(random::uniform(0, 1, {2})),
                     second = values<float>(random::uniform(0, 1, {2}));
  CHECK(first == std::vector<float>{0x1.078f8cp-1f, 0x1.418p-4f});
  CHECK(second == std::vector<float>{0x1.9a432cp-1f, 0x1.79b64p-3f});
  random::seed(7);
  CHECK(values<float>(random::uniform(0, 1, {2})) == first);
  // Every draw gets a key of its own, whichever thread asks.
  constexpr int kThreads = 4, kDraws = 200;
  std::vector<std::vector<uint64_t>> drawn(kThreads);
  std::vector<std::thread> threads;
  for (auto& own : drawn) {
    threads.emplace_back([&own] {
      for (int i = 0; i < kDraws; i++) own.push_back(random::bits({}, 8).item<uint64_t>());
    });
  }
  for (std::thread& t : threads) t.join();
  std::vector<uint64_t> all;
  for (const auto& own : drawn) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("random: compiled functions draw from the key they are given") {
  auto draw = [](const std::vector<array>& in) {
    auto [kept, given] = random::split_key(in[0]);
    return std::vector{random::uniform(0, 1, {3}, float32, given), kept};
  };
  Function compiled = compile(draw);
  array key = random::key(11);
  for (int i = 0; i < 3; i++) {
    std::vector<array> eager = draw({key}), fast = compiled({key});
    CHECK(array_equal(eager[0], fast[0]).item<bool>());
    CHECK(array_equal(eager[1], fast[1]).item<bool>());
    key = fast[1];
  }
}

TEST_CASE("random: bad arguments") {
  CHECK_THROWS_AS(random::bits({2}, 3), Error);
  CHECK_THROWS_AS(random::bits({-1}), Error);
  CHECK_THROWS_AS(random::bits({int64_t(1) << 34}, 4, random::key(0)), Error);
  CHECK_THROWS_AS(random::uniform(0, 1, {2}, int32), Error);
  CHECK_THROWS_AS(random::uniform(0, 1, {2}, float32, array({1, 2})), Error);
  CHECK_THROWS_AS(random::uniform(0, 1, {2}, float32, random::split(random::key(0), 3)), Error);
}
