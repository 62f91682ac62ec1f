// The pool: pieces, exceptions, nesting, many callers, fork, threads that cannot be had.
#include "melix/core/threads.h"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "melix/core/host_limits.h"

using namespace melix;

namespace {

using Pieces = std::vector<std::pair<int64_t, int64_t>>;

Pieces pieces_of(int64_t n, int64_t grain) {
  std::mutex mutex;
  Pieces out;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    std::lock_guard lock(mutex);
    out.emplace_back(begin, end);
  });
  std::sort(out.begin(), out.end());
  return out;
}

Pieces expected_pieces(int64_t n, int64_t grain) {
  Pieces out;
  for (int64_t begin = 0; begin < n; begin += grain) out.emplace_back(begin, std::min(n, begin + grain));
  return out;
}

// Threads that meet in one job: every piece waits until `wanted` of them are there, or for two seconds.
size_t threads_that_meet(size_t wanted) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  parallel_for(int64_t(wanted), 1, [&](int64_t, int64_t) {
    for (;;) {
      {
        std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
        if (seen.size() >= wanted) return;
      }
      if (std::chrono::steady_clock::now() > deadline) return;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  return seen.size();
}

int64_t sum_below(int64_t n, int64_t grain) {
  std::atomic<int64_t> sum = 0;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    int64_t part = 0;
    for (int64_t i = begin; i < end; ++i) part += i;
    sum += part;
  });
  return sum;
}

struct DefaultAfterwards {
  ~DefaultAfterwards() { set_num_threads(0); }
};

// The exit status of a child that runs `body`; -1 where it did not end by itself in 30 s.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    _exit(body());
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("parallel_for: the pieces depend on n and grain alone, and each runs once") {
  DefaultAfterwards restore;
  for (int threads : {1, 2, 3, 7, 16}) {
    set_num_threads(threads);
    CHECK(num_threads() == threads);
    for (int64_t n : {0, 1, 2, 7, 64, 1000}) {
      for (int64_t grain : {1, 3, 64, 999, 1000, 5000})
        CHECK(pieces_of(n, grain) == expected_pieces(n, grain));
    }
    CHECK(pieces_of(-5, 1).empty());
    CHECK(pieces_of(4, 0) == expected_pieces(4, 1));
    constexpr int64_t kMost = INT64_MAX;
    CHECK(pieces_of(kMost, kMost) == Pieces{{0, kMost}});
    CHECK(pieces_of(kMost, kMost - 1) == Pieces{{0, kMost - 1}, {kMost - 1, kMost}});
    CHECK(pieces_of(kMost, kMost / 2) == Pieces{{0, kMost / 2}, {kMost / 2, kMost - 1}, {kMost - 1, kMost}});
    CHECK(sum_below(100000, 1000) == 4999950000);
  }
}

TEST_CASE("parallel_for: as many threads as asked for take part") {
  DefaultAfterwards restore;
  for (size_t threads : {1, 2, 3, 7}) {
    set_num_threads(int(threads));
    for (int round = 0; round < 5; ++round) CHECK(threads_that_meet(threads) == threads);
  }
  set_num_threads(2);  // five workers too many are there now
  std::atomic<int> running = 0, most = 0;
  parallel_for(50, 1, [&](int64_t, int64_t) {
    const int now = ++running;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    --running;
  });
  CHECK(most <= 2);
}

TEST_CASE("parallel_for: after any pause the workers are back") {
  DefaultAfterwards restore;
  set_num_threads(3);
  for (int pause : {0, 5, 20, 40, 45, 60, 200, 2000}) {
    for (int i = 0; i < 20; ++i) {
      CHECK(sum_below(1000, 10) == 499500);
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
    }
    CHECK(threads_that_meet(3) == 3);
  }
}

TEST_CASE("parallel_for: the first exception reaches the caller, and no piece begins after it") {
  DefaultAfterwards restore;
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int round = 0; round < 30; ++round) {
      std::atomic<int> begun = 0, running = 0;
      try {
        parallel_for(100000, 1, [&](int64_t begin, int64_t) {
          ++begun, ++running;
          if (begin > 5) std::this_thread::sleep_for(std::chrono::microseconds(10));
          --running;
          if (begin == 5) throw std::runtime_error("piece " + std::to_string(begin));
        });
        FAIL("nothing was thrown");
      } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()) == "piece 5");
      }
      CHECK((running == 0 && begun >= 6 && begun < 100000));
      CHECK(sum_below(1000, 10) == 499500);
    }
    CHECK_THROWS_AS(parallel_for(1000, 1, [](int64_t, int64_t) { throw 5; }), int);  // all at once
    CHECK_THROWS_AS(parallel_for(1, 1, [](int64_t, int64_t) { throw 5; }), int);
  }
}

TEST_CASE("parallel_for: inside a body it runs on the thread of that body") {
  DefaultAfterwards restore;
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    std::atomic<int64_t> total = 0;
    std::atomic<int> elsewhere = 0;
    parallel_for(20, 1, [&](int64_t, int64_t) {
      const auto self = std::this_thread::get_id();
      int64_t last = -1;
      parallel_for(100, 7, [&](int64_t begin, int64_t end) {
        elsewhere += std::this_thread::get_id() != self || begin <= last;  // in order, too
        last = begin;
        parallel_for(end - begin, 2, [&](int64_t b, int64_t e) { total += e - b; });
      });
      CHECK_THROWS_AS(parallel_for(3, 1, [](int64_t, int64_t) { throw 1; }), int);
    });
    CHECK((total == 2000 && elsewhere == 0));
  }
}

TEST_CASE("parallel_for: a hundred callers at once, more than there are slots") {
  DefaultAfterwards restore;
  for (int threads : {2, 7}) {
    set_num_threads(threads);
    std::vector<std::thread> callers;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 100; ++t) {
      callers.emplace_back([&wrong, t] {
        for (int i = 0; i < 30; ++i) {
          const int64_t n = 100 + t * 7 + i;
          if (sum_below(n, 1 + i % 9) != n * (n - 1) / 2) ++wrong;
          try {
            if (i % 10 == 0)
              parallel_for(50, 1, [t](int64_t begin, int64_t) {
                if (begin == 20) throw t;
              });
          } catch (int thrown) {
            if (thrown != t) ++wrong;
          }
        }
      });
    }
    for (auto& caller : callers) caller.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("parallel_for: a caller does not wait for the job of another") {
  DefaultAfterwards restore;
  set_num_threads(2);
  std::atomic<bool> release = false;
  std::atomic<int> waiting = 0;
  std::thread blocker([&] {
    parallel_for(2, 1, [&](int64_t, int64_t) {  // the caller and the only worker are inside
      ++waiting;
      while (!release) std::this_thread::yield();
    });
  });
  while (waiting < 2) std::this_thread::yield();
  CHECK(sum_below(10000, 10) == 49995000);
  release = true;
  blocker.join();
}

TEST_CASE("set_num_threads: at any time, while others compute") {
  DefaultAfterwards restore;
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      while (!stop) wrong += sum_below(500, 5) != 124750;
    });
  }
  for (int i = 0; i < 100; ++i) set_num_threads(i % 6);
  stop = true;
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
  set_num_threads(kMaxThreads + 5);
  CHECK(num_threads() == kMaxThreads);
}

TEST_CASE("num_threads: the environment, where it makes sense") {
  DefaultAfterwards restore;
  const char* const given = getenv("MELIX_NUM_THREADS");
  const std::string before = given ? given : "";
  for (const auto& [text, expected] : std::vector<std::pair<const char*, int>>{{"1", 1},
                                                                               {"3", 3},
                                                                               {"17", 17},
                                                                               {"1024", 1024},
                                                                               {"1025", 0},
                                                                               {"0", 0},
                                                                               {"-2", 0},
                                                                               {"", 0},
                                                                               {"two", 0},
                                                                               {"4 ", 0},
                                                                               {" 4", 0},
                                                                               {"+4", 0},
                                                                               {"4x", 0},
                                                                               {"99999999999999999999", 0}}) {
    setenv("MELIX_NUM_THREADS", text, 1);
    set_num_threads(0);
    CHECK(num_threads() == (expected ? expected : usable_cores()));
  }
  given ? setenv("MELIX_NUM_THREADS", before.c_str(), 1) : unsetenv("MELIX_NUM_THREADS");
}

TEST_CASE("workers leave signals to the program's threads") {
  DefaultAfterwards restore;
  set_num_threads(3);
  const auto self = std::this_thread::get_id();
  std::atomic<int> wrong = 0;
  parallel_for(30, 1, [&](int64_t, int64_t) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    const bool worker = std::this_thread::get_id() != self;
    wrong += worker != bool(sigismember(&mask, SIGINT)) || sigismember(&mask, SIGBUS);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  });
  CHECK(wrong == 0);
}

#if !defined(__SANITIZE_THREAD__)  // which does not let a child of a process with threads start threads
TEST_CASE("fork: the child has a pool of its own") {
  DefaultAfterwards restore;
  set_num_threads(3);
  sum_below(1000, 1);
  CHECK(in_child([] { return sum_below(100000, 10) == 4999950000 && threads_that_meet(3) == 3 ? 0 : 1; }) ==
        0);
  CHECK(in_child([] { return in_child([] { return sum_below(1000, 1) == 499500 ? 7 : 1; }); }) ==
        7);  // its child too
  CHECK(sum_below(100000, 10) == 4999950000);
}

TEST_CASE("fork: while other threads compute") {
  DefaultAfterwards restore;
  set_num_threads(3);
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int t = 0; t < 2; ++t) {
    callers.emplace_back([&] {
      while (!stop) sum_below(300, 3);
    });
  }
  int bad = 0;
  for (int i = 0; i < 20; ++i) bad += in_child([] { return sum_below(10000, 10) == 49995000 ? 0 : 1; }) != 0;
  stop = true;
  for (auto& caller : callers) caller.join();
  CHECK(bad == 0);
}
#endif

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST_CASE("exit: with idle, spinning and working threads the process ends") {
  DefaultAfterwards restore;
  set_num_threads(3);
  for (int pause : {0, 1000}) {
    std::fflush(nullptr);
    std::cout.flush();  // the child's exit would write it again
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      sum_below(1000, 1);
      std::thread([] {
        for (;;) sum_below(1000, 1);
      }).detach();
      usleep(useconds_t(pause));
      std::exit(0);  // static destructors run while those threads do
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

TEST_CASE("threads that the system refuses are done without") {
  DefaultAfterwards restore;
  set_num_threads(2);
  const int status = in_child([] {
    set_num_threads(500);
    const rlimit limit{size_t(256) << 20, size_t(256) << 20};  // a stack is 8 MiB
    if (setrlimit(RLIMIT_AS, &limit)) return 2;
    if (sum_below(100000, 10) != 4999950000) return 3;
    if (num_threads() >= 500) return 4;
    return sum_below(100000, 10) == 4999950000 ? 0 : 5;
  });
  CHECK(status == 0);
}
#endif
