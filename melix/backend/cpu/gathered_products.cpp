// Products of matrices that indices pick, and of segments of the summed axis. Each is a product (products.h) of windows
// on the operands; where there are many, they run side by side, each on one thread.
#include "melix/ops/gathered_products.h"

#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/backend/cpu/products.h"
#include "melix/core/allocator.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

// Products of elements from which on one product keeps all threads busy by itself.
constexpr double kLargeProduct = 1 << 24;

int64_t index_of(const View& indices, int64_t i, int64_t count) {
  int64_t at = indices.as<int64_t>()[i * indices.strides[0]];
  return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count - 1);
}

// n neighbours of the first axis, from `at` on, as rows (n * M, K).
View rows_of(const View& x, int64_t at, int64_t n) {
  View out = x;
  out.offset += at * x.strides[0];
  out.shape = {n * x.shape[1], x.shape[2]};
  out.strides = {n == 1 || x.shape[1] != 1 ? x.strides[1] : x.strides[0], x.strides[2]};
  return out;
}

View transposed(View x) {
  std::swap(x.shape[0], x.shape[1]);
  std::swap(x.strides[0], x.strides[1]);
  return x;
}

void clear(const View& x) { std::fill_n(static_cast<char*>(x.data()), x.nbytes(), char(0)); }

// Calls body(i) for i < n: side by side where there are many, or each of them is small.
template <class Body>
void each(int64_t n, double work, Body body) {
  if (n > 1 && (n >= 64 || work < kLargeProduct)) {
    const int64_t grain = std::max<int64_t>(1, int64_t(double(1 << 17) / std::max(work, 1.0)));
    return parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) body(i);
    });
  }
  for (int64_t i = 0; i < n; i++) body(i);
}

struct Run {
  int64_t first, n;  // products
};

}  // namespace

// Products that follow each other are one, where they share the matrix of b and those of a are neighbours in memory.
void gather_mm(const Call& call) {
  const View &a = call.inputs[0], &b = call.inputs[1], &left = call.inputs[2], &right = call.inputs[3];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const int64_t count = out.shape[0], m = a.shape[1];
  const bool joins = m == 1 || a.strides[0] == m * a.strides[1];
  auto of_a = [&](int64_t i) { return index_of(left, i, a.shape[0]); };
  auto of_b = [&](int64_t i) { return index_of(right, i, b.shape[0]); };
  std::vector<Run> runs;
  for (int64_t i = 0; i < count; i++) {
    const bool more = !runs.empty() && joins && of_b(i) == of_b(i - 1) && of_a(i) == of_a(i - 1) + 1;
    more ? void(runs.back().n++) : runs.push_back({i, 1});
  }
  const double work = double(out.size()) * double(std::max<int64_t>(a.shape[2], 1)) / double(runs.size());
  each(int64_t(runs.size()), work, [&](int64_t r) {
    const Run& run = runs[size_t(r)];
    View to = rows_of(out, run.first, run.n);
    product(rows_of(a, of_a(run.first), run.n), rows_of(b, of_b(run.first), 1), to);
  });
}

// The products of one result are one: their rows stand below each other, and are summed over.
void gathered_sum(const Call& call) {
  const View &a = call.inputs[0], &g = call.inputs[1], &left = call.inputs[2], &to = call.inputs[3];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const int64_t count = out.shape[0], m = a.shape[1];
  std::vector<std::vector<int64_t>> members{size_t(count)};
  for (int64_t i = 0; i < g.shape[0]; i++) members[size_t(index_of(to, i, count))].push_back(i);
  const double work =
      double(g.shape[0]) * double(m) * double(out.shape[1]) * double(out.shape[2]) / double(count);
  each(count, work, [&](int64_t c) {
    const auto& mine = members[size_t(c)];
    const int64_t n = int64_t(mine.size());
    View result = rows_of(out, c, 1);
    if (n == 0) return clear(result);
    View x = allocate_view({n, m, a.shape[2]}, a.dtype), y = allocate_view({n, m, g.shape[2]}, g.dtype);
    for (int64_t i = 0; i < n; i++) {
      View x_row = rows_of(x, i, 1), y_row = rows_of(y, i, 1);
      copy(rows_of(a, index_of(left, mine[size_t(i)], a.shape[0]), 1), x_row);
      copy(rows_of(g, mine[size_t(i)], 1), y_row);
    }
    product(transposed(rows_of(x, 0, n)), rows_of(y, 0, n), result);
  });
}

void segmented_mm(const Call& call) {
  const View &a = call.inputs[0], &b = call.inputs[1], &segments = call.inputs[2];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  const int64_t k = a.shape[1];
  const double work = double(out.size()) * double(k) / double(out.shape[0] * out.shape[0]);
  each(out.shape[0], work, [&](int64_t i) {
    const int64_t* pair = segments.as<int64_t>() + i * segments.strides[0];
    const int64_t begin = std::clamp<int64_t>(pair[0], 0, k),
                  end = std::clamp<int64_t>(pair[segments.strides[1]], begin, k);
    View x = a, y = b, to = rows_of(out, i, 1);
    x.shape[1] = y.shape[0] = end - begin;
    x.offset += begin * a.strides[1];
    y.offset += begin * b.strides[0];
    product(x, y, to);
  });
}

}  // namespace melix::cpu
