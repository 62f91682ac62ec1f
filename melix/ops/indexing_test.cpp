// Indexing from C++, and what no test in Python sees: the bits of scatter do not depend on the number of threads, and
// updates are made in place where nobody else holds the array.
#include "melix/ops/indexing.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "melix/core/threads.h"
#include "melix/melix.h"

using namespace melix;

namespace {

array random_floats(const Shape& shape, uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(size_t(elements(shape)));
  for (float& v : values) v = float(engine()) * 0x1p-32f;
  return array(values.data(), shape, float32);
}

array random_indices(int64_t count, int64_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<int32_t> values(static_cast<size_t>(count));
  // Some places get most of the updates; some are out of range.
  for (int32_t& v : values) v = int32_t(engine() % 3 ? engine() % 5 : engine() % uint64_t(n + 2));
  return array(values.data(), {count}, int32);
}

bool same_bits(const array& a, const array& b) {
  return a.nbytes() == b.nbytes() && std::memcmp(a.data<char>(), b.data<char>(), a.nbytes()) == 0;
}

}  // namespace

TEST_CASE("an index in C++ is a list of numbers, slices, new axes, an ellipsis and arrays") {
  std::vector<int> values(24);
  for (size_t i = 0; i < values.size(); i++) values[i] = int(i);
  array a(values.data(), {2, 3, 4}, int32);
  array b = index(a, {1, Slice{.step = -1}, NewAxis{}, Ellipsis{}, array({0, 3})});
  CHECK(b.shape() == Shape{2, 3, 1});  // the number and the array are apart: their dimensions come first
  CHECK(index(b, {1, 0, 0}).item<int>() == 23);
  array c = index_update(a, {Ellipsis{}, Slice{1, 3}}, array(7));
  CHECK(index(c, {1, 2, 2}).item<int>() == 7);
  CHECK(index(c, {1, 2, 3}).item<int>() == 23);
  CHECK_THROWS_AS(index(a, {2}), Error);
}

TEST_CASE("scatter gives the same bits for any number of threads") {
  for (Shape window : {Shape{}, Shape{7}, Shape{5000}}) {
    const int64_t rows = 1000,
                  count = window.empty() ? 300000 : 3000000 / (window[0] * (window[0] > 100 ? 10 : 1));
    Shape shape{rows}, updates_shape{count};
    shape.insert(shape.end(), window.begin(), window.end());
    updates_shape.insert(updates_shape.end(), window.begin(), window.end());
    array a = random_floats(shape, 1), updates = random_floats(updates_shape, 2),
          at = random_indices(count, rows, 3);
    for (Scatter mode : {Scatter::none, Scatter::add, Scatter::prod, Scatter::max}) {
      std::optional<array> first;
      for (int threads : {1, 2, 3, 7}) {
        set_num_threads(threads);
        array out = index_update(a, {at}, updates, mode);
        out.eval();
        if (!first) first = out;
        CHECK(same_bits(*first, out));
        CHECK(same_bits(index(out, {at}), index(*first, {at})));
      }
    }
  }
  set_num_threads(0);
}

TEST_CASE("an array that nobody else holds is updated in place") {
  array a = random_floats({1000, 100}, 1);
  const void* before = a.data<void>();
  for (int64_t i = 0; i < 5; i++) {
    a = slice_update(a, random_floats({1, 100}, 2), array(i), {0});
    a = index_update(a, {i, Slice{3, 9}}, array(1.0f));
    a.eval();
  }
  CHECK(a.data<void>() == before);
  array held = a;
  a = index_update(a, {array({1, 2})}, array(5.0f), Scatter::add);
  a.eval();
  CHECK(a.data<void>() != before);
}
