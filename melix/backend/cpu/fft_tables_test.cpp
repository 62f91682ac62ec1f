// Tables of Fourier transforms: their precision, and the cache that all threads share.
#include "melix/backend/cpu/fft_tables.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <thread>

using namespace melix;
using namespace melix::cpu;

TEST_CASE("powers of roots of unity are right to two units of double") {
  for (int64_t n : {1, 2, 3, 8, 61, 1000, 10007, 1 << 20, 1000003}) {
    FftRoots roots(n);
    for (int64_t t = 0; t < n; t += 1 + n / 1000) {
      double re, im;
      roots.power(t, &re, &im);
      const long double angle = 2 * std::numbers::pi_v<long double> * (long double)(t) / (long double)(n);
      CHECK(std::abs(re - double(std::cos(angle))) <= 4.5e-16);
      CHECK(std::abs(im + double(std::sin(angle))) <= 4.5e-16);
    }
  }
}

TEST_CASE("the passes of a plan are the factors of its length") {
  for (int64_t n : {1, 2, 7, 64, 360, 61 * 59, 13 * 1024}) {
    REQUIRE(fft_is_smooth(n));
    int64_t product = 1;
    for (const FftPass& pass : FftPlan(n).passes) {
      CHECK(pass.run == product);
      CHECK(pass.run * pass.radix * pass.count == n);
      product *= pass.radix;
    }
    CHECK(product == n);
  }
  CHECK_FALSE(fft_is_smooth(67));
  CHECK_FALSE(fft_is_smooth(2 * 71));
}

TEST_CASE("a convolution is padded to the shortest length of factors 2, 3 and 5 that is a multiple of 16") {
  for (int64_t n : {1, 67, 1009, 10007, 123457}) {
    const int64_t padded = fft_padded(n);
    CHECK(padded >= 2 * n - 1);
    CHECK(padded % 16 == 0);
    int64_t rest = padded;
    for (int64_t p : {2, 3, 5}) {
      while (rest % p == 0) rest /= p;
    }
    CHECK(rest == 1);
  }
}

TEST_CASE("tables are found again until others have taken their place") {
  auto first = fft_table<FftPlan>(1000);
  CHECK(fft_table<FftPlan>(1000) == first);
  CHECK(static_cast<const FftTable*>(fft_table<FftRoots>(1000).get()) != first.get());
  std::weak_ptr<const FftPlan> kept = first;
  first.reset();
  for (int64_t n = 2; n < 2000; n++) fft_table<FftHalf>(n);
  CHECK(kept.expired());
}

TEST_CASE("any number of threads may ask for tables") {
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; k++) {
    threads.emplace_back([k] {
      for (int64_t i = 0; i < 2000; i++) {
        const int64_t n = 1 + (i * 7 + k) % 97;
        auto table = fft_table<FftHalf>(n);
        if (table->numbers.size() != size_t(2 * (n / 4 + 1))) FAIL("the table of another length");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}
