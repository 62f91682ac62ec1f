// The host's allocator: classes, counters, reuse, limits, injected and real failures, threads, fork.
#include "melix/core/allocator.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "melix/core/error.h"
#include "melix/core/size_class.h"

using namespace melix;

namespace {

constexpr size_t kMiB = size_t(1) << 20;

struct Block {
  explicit Block(size_t bytes) : data(static_cast<char*>(memory::allocate(bytes, &capacity))) {}
  Block(Block&& other) noexcept : capacity(other.capacity), data(std::exchange(other.data, nullptr)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(capacity, other.capacity);
    std::swap(data, other.data);
    return *this;
  }
  ~Block() { memory::deallocate(data, capacity); }
  size_t capacity = 0;
  char* data;
};

// An empty cache and the limits as they were, before and after each test.
struct Clean {
  Clean() { memory::clear_cache(); }
  ~Clean() {
    memory::fail_allocation(0);
    memory::set_memory_limit(memory_limit);
    memory::set_cache_limit(cache_limit);
    memory::clear_cache();
  }
  size_t memory_limit = memory::memory_limit(), cache_limit = memory::cache_limit(),
         active = memory::active();
};

bool refused(size_t bytes) {
  size_t capacity = 0;
  try {
    void* block = memory::allocate(bytes, &capacity);
    memory::deallocate(block, capacity);
    return false;
  } catch (const Error& error) {
    return error.code() == Code::memory;
  }
}

}  // namespace

TEST_CASE("size classes: the smallest that holds a size, 12.5 % or 63 bytes above it") {
  static_assert(size_class::of(0) == 0 && size_class::of(64) == 0 && size_class::of(65) == 1);
  static_assert(size_class::bytes(size_class::kCount - 1) == size_class::kMaxBytes);
  for (unsigned i = 0; i < size_class::kCount; ++i) {
    const size_t size = size_class::bytes(i);
    CHECK(size_class::of(size) == i);
    CHECK(size % memory::kAlignment == 0);
    const size_t smallest = i ? size_class::bytes(i - 1) + 1 : 1;
    CHECK(size_class::of(smallest) == i);
    CHECK((size - smallest <= 63 || (size - smallest) * 8 <= smallest));
  }
}

TEST_CASE("allocate: alignment and capacity of every size") {
  Clean clean;
  for (size_t bytes :
       {0, 1, 63, 64, 65, 512, 513, 4096, 65536, 65537, 1 << 20, (4 << 20) - 1, 4 << 20, (9 << 20) + 1}) {
    Block block(bytes);
    REQUIRE(block.data != nullptr);
    CHECK(block.capacity >= bytes);
    CHECK((block.capacity <= bytes + 64 || block.capacity <= bytes + bytes / 8));
    const size_t alignment = bytes >= memory::kMapThreshold ? 4096 : 64;
    CHECK(reinterpret_cast<uintptr_t>(block.data) % alignment == 0);
    std::memset(block.data, 1, block.capacity);
  }
  memory::deallocate(nullptr, 0);
  CHECK(memory::active() == clean.active);
}

TEST_CASE("counters: active, peak and cache are sums of capacities") {
  Clean clean;
  memory::reset_peak();
  CHECK((memory::peak() == 0 && memory::cache() == 0));
  size_t sum = 0;
  {
    std::vector<Block> blocks;
    for (size_t bytes : {1, 100, 5000, 100000, 5000000}) {
      blocks.emplace_back(bytes);
      sum += blocks.back().capacity;
      CHECK(memory::active() == clean.active + sum);
      CHECK(memory::peak() == clean.active + sum);
    }
    CHECK(memory::cache() == 0);
  }
  CHECK((memory::active() == clean.active && memory::peak() == clean.active + sum && memory::cache() == sum));
  const MemoryStats stats = memory::stats();
  CHECK((stats.active == clean.active && stats.cache == sum && stats.peak == clean.active + sum));
  CHECK((stats.memory_limit == clean.memory_limit && stats.cache_limit == clean.cache_limit));
  memory::reset_peak();
  { Block small(1); }
  CHECK(memory::peak() == clean.active + 64);
  memory::clear_cache();
  CHECK(memory::cache() == 0);
}

TEST_CASE("cache: the block freed last comes back, without the system") {
  Clean clean;
  for (size_t bytes : {64, 4096, 65536, 100000, 3000000, 8000000}) {
    char *first, *second;
    {
      Block a(bytes), b(bytes);
      first = a.data, second = b.data;
    }
    const uint64_t before = memory::stats().system_allocations;
    Block c(bytes), d(bytes);  // a was freed last
    CHECK((c.data == first && d.data == second));
    CHECK(memory::stats().system_allocations == before);
  }
}

TEST_CASE("cache: a larger block serves when it is at most a quarter larger") {
  Clean clean;
  char* place;
  size_t capacity;
  {
    Block block(1200000);
    place = block.data, capacity = block.capacity;
  }
  {
    Block fits(1060000);
    CHECK((fits.data == place && fits.capacity == capacity));
    CHECK(memory::active() == clean.active + capacity);
  }
  CHECK(memory::cache() == capacity);
  Block wasteful(capacity * 4 / 5 - 1);
  CHECK(wasteful.data != place);
}

TEST_CASE("cache limit: the oldest blocks go first, and 0 keeps none") {
  Clean clean;
  CHECK(memory::set_cache_limit(10 * kMiB) == clean.cache_limit);
  std::vector<char*> places;
  for (int i = 0; i < 4; ++i) {
    std::vector<Block> blocks;
    blocks.emplace_back((4 + i) * kMiB);  // 4, 5, 6, 7 MiB: each its own class
    places.push_back(blocks[0].data);
  }
  CHECK(memory::cache() == 7 * kMiB);  // 6 + 7 would be too much
  CHECK(Block(7 * kMiB).data == places[3]);
  CHECK(memory::set_cache_limit(5 * kMiB) == 10 * kMiB);
  CHECK(memory::cache() == 0);
  { Block larger_than_the_cache(6 * kMiB); }
  CHECK(memory::cache() == 0);
  memory::set_cache_limit(100);
  { Block a(64), b(64); }
  CHECK(memory::cache() == 64);
  CHECK(memory::set_cache_limit(0) == 100);
  CHECK(memory::cache() == 0);
  { Block a(64), b(100000), c(5 * kMiB); }
  CHECK((memory::cache() == 0 && memory::active() == clean.active));
}

TEST_CASE("memory limit: cached blocks make room, then allocations fail, then they work again") {
  Clean clean;
  { Block cached(7 * kMiB), small(100); }
  CHECK(memory::set_memory_limit(clean.active + 18 * kMiB) == clean.memory_limit);
  Block a(10 * kMiB);  // beside the cache
  CHECK(memory::cache() == 7 * kMiB + 128);
  {
    Block b(5 * kMiB);  // instead of the cached block
    CHECK(b.capacity == 5 * kMiB);
    const size_t cache = memory::cache(), active = memory::active(), peak = memory::peak();
    CHECK(refused(4 * kMiB));
    CHECK((memory::cache() == cache && memory::active() == active && memory::peak() == peak));
    Block c(3 * kMiB);  // all that the limit leaves
    CHECK(memory::active() == clean.active + 18 * kMiB);
    CHECK(refused(1));
  }
  Block d(6 * kMiB);
  memory::set_memory_limit(10);  // below what is in use: no more, but what there is stays
  CHECK((memory::cache() == 0 && memory::active() == clean.active + 16 * kMiB));
  CHECK(refused(0));
  a.data[a.capacity - 1] = 1;
  memory::set_memory_limit(clean.memory_limit);
  CHECK(!refused(1));
}

TEST_CASE("a size that cannot be is an error that names it and touches nothing") {
  Clean clean;
  { Block cached(5 * kMiB); }
  for (size_t bytes : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, (size_t(1) << 47) + 1, size_t(1) << 47}) {
    CHECK(refused(bytes));
    CHECK((memory::cache() == 5 * kMiB && memory::active() == clean.active));
  }
  size_t capacity = 0;
  CHECK_THROWS_WITH(memory::allocate(SIZE_MAX, &capacity), doctest::Contains("18446744073709551615 bytes"));
}

TEST_CASE("injected failures: once and from then on") {
  Clean clean;
  { Block cached(100); }
  memory::fail_allocation(3);
  CHECK((!refused(100) && !refused(100000) && refused(100) && !refused(100)));
  memory::fail_allocation(2, true);
  CHECK((!refused(64) && refused(64) && refused(5 * kMiB) && refused(0)));
  memory::fail_allocation(0);
  CHECK((!refused(64) && memory::active() == clean.active));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("the system has no more memory: an error, and the cache was tried") {
  const pid_t child = fork();
  if (child == 0) {
    { Block cached(64 * kMiB); }
    const rlimit limit{size_t(1) << 30, size_t(1) << 30};
    memory::set_memory_limit(SIZE_MAX / 2);
    if (setrlimit(RLIMIT_AS, &limit)) _exit(2);
    if (!refused(size_t(2) << 30) || memory::cache() != 0) _exit(3);
    { Block next(8 * kMiB); }
    _exit(memory::cache() == 8 * kMiB ? 0 : 4);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
#endif

TEST_CASE("eight threads allocate, pass on, free and clear") {
  Clean clean;
  memory::set_cache_limit(20 * kMiB);
  memory::reset_peak();
  std::atomic<void*> passed[16] = {};  // blocks of 192 bytes that another thread frees
  std::vector<std::thread> threads;
  std::atomic<int> spoiled = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random{uint32_t(t)};
      std::vector<Block> blocks;
      for (int i = 0; i < 1000; ++i) {
        const uint32_t r = random();
        const size_t bytes = r % 8 ? r / 8 % 2000 : r / 8 % (6 * kMiB);
        Block& block = blocks.emplace_back(bytes);
        block.data[0] = block.data[block.capacity - 1] = char(t);
        if (blocks.size() > 5) {
          for (Block& b : blocks) spoiled += b.data[0] != char(t) || b.data[b.capacity - 1] != char(t);
          blocks.erase(blocks.begin() + 1, blocks.end());
        }
        size_t capacity = 0;
        void* out = memory::allocate(192, &capacity);
        memory::deallocate(passed[r % 16].exchange(out), 192);
        if (i % 250 == 249) memory::clear_cache();
        if (i % 300 == 299) memory::set_cache_limit((10 + r % 10) * kMiB);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto& block : passed) memory::deallocate(block.exchange(nullptr), 192);
  CHECK(spoiled == 0);
  CHECK((memory::active() == clean.active && memory::peak() > clean.active && memory::cache() <= 20 * kMiB));
  memory::clear_cache();
  CHECK(memory::cache() == 0);
}

TEST_CASE("threads at the memory limit fail alone and leave exact counters") {
  Clean clean;
  memory::set_memory_limit(clean.active + 3 * kMiB);
  memory::reset_peak();
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&failures] {
      for (int i = 0; i < 2000; ++i) failures += refused(kMiB) + refused(1000 * size_t(i % 7 + 1));
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(memory::active() == clean.active);
  CHECK(memory::peak() <= clean.active + 3 * kMiB);
  CHECK(memory::active() + memory::cache() <= clean.active + 3 * kMiB);
  CHECK(!refused(3 * kMiB));
}

TEST_CASE("fork while other threads allocate: the child allocates too") {
  Clean clean;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&stop] {
      while (!stop) Block small(64), large(200000);
    });
  }
  int bad = 0;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // a lock that stayed held would hang here
      for (int k = 0; k < 100; ++k) Block small(64), large(200000), huge(5 * kMiB);
      memory::clear_cache();
      _exit(0);
    }
    int status = 0;
    bad += waitpid(child, &status, 0) != child || status != 0;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(bad == 0);
}
