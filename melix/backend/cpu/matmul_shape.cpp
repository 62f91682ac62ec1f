// Batch axes of a product, and the cut of the work into tasks.
#include "melix/backend/cpu/matmul_shape.h"

#include <algorithm>

namespace melix::cpu {
namespace {

// Products of elements that a task has at least (5 microseconds at 100 a nanosecond, against 1 or 2 for a fork-join),
// while there are fewer than kFewTasks, and those that it has beyond: each tile packs its rows and columns anew, which
// costs as much as 10 products an element.
constexpr double kTaskWork = 1 << 19, kLargeTaskWork = 1 << 25;
constexpr double kFewTasks = 8;
// Tasks of one evaluation, enough to keep 32 cores busy to the end.
constexpr int64_t kTasks = 64;
// Larger tiles gain nothing, and 16-bit results need their sums in memory of the thread.
constexpr int64_t kLargestTile = 1024;
// Parts of k are long, so that their sums are few beside the products.
constexpr int64_t kShortestPart = 1024;
// Elements of b that a task of a skinny product reads, where there are as many: 10 microseconds at 25 GB/s.
constexpr int64_t kTaskElements = 1 << 16;

int64_t up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// Whether `count` rows of stride `row` and a batch of them at distance `step` are rows of one stride.
bool joins(int64_t count, int64_t row, int64_t step) { return count == 1 || step == count * row; }

Strides last_two(const View& v) { return {v.strides[v.strides.size() - 2], v.strides.back()}; }

Strides batch_strides(const View& v, const Shape& batch) {
  Shape shape(v.shape.begin(), v.shape.end() - 2);
  Strides strides(v.strides.begin(), v.strides.end() - 2);
  return broadcast_strides(shape, strides, batch);
}

}  // namespace

ProductShape::ProductShape(const View& left, const View& right, const View& out_view, const View* c_view)
    : dtype(out_view.dtype), a_view(&left), b_view(&right) {
  const Shape& s = out_view.shape;
  batch = Shape(s.begin(), s.end() - 2);
  m = s[s.size() - 2];
  n = s.back();
  k = left.shape.back();
  Strides x = last_two(left), y = last_two(right), z = last_two(out_view);
  a = {left.data(), x[0], x[1]};
  b = {right.data(), y[0], y[1]};
  out = {static_cast<char*>(out_view.data()), z[0], z[1]};
  Strides all[4] = {batch_strides(left, batch), batch_strides(right, batch), batch_strides(out_view, batch),
                    Strides(batch.size(), 0)};
  if (c_view) {
    Strides w = broadcast_strides(c_view->shape, c_view->strides, s);
    c = {static_cast<char*>(c_view->data()), w[w.size() - 2], w.back()};
    all[3] = Strides(w.begin(), w.end() - 2);
  }
  collapse(batch, all);
  step = {all[0], all[1], all[3], all[2]};
  while (fold()) {
  }
  // The result is written along its rows, and a column is a row.
  if ((n == 1 && m > 1) || (n > 1 && out.column != 1)) transpose();
}

bool ProductShape::fold() {
  size_t last = batch.size() - 1;
  int64_t size = batch[last];
  if (size == 1) return false;
  int64_t sa = step.a[last], sb = step.b[last], sc = step.c[last], so = step.out[last];
  if (sb == 0 && joins(m, a.row, sa) && joins(m, c.row, sc) && joins(m, out.row, so)) {
    if (m == 1) a.row = sa, c.row = sc, out.row = so;
    m *= size;
  } else if (sa == 0 && joins(n, b.column, sb) && joins(n, c.column, sc) && joins(n, out.column, so)) {
    if (n == 1) b.column = sb, c.column = sc, out.column = so;
    n *= size;
  } else {
    return false;
  }
  batch[last] = 1;
  if (last > 0) {
    batch.pop_back();
    for (Strides* strides : {&step.a, &step.b, &step.c, &step.out}) strides->pop_back();
  }
  return true;
}

void ProductShape::transpose() {
  std::swap(m, n);
  std::swap(a, b);
  std::swap(a_view, b_view);
  std::swap(step.a, step.b);
  std::swap(a.row, a.column);
  std::swap(b.row, b.column);
  std::swap(c.row, c.column);
  std::swap(out.row, out.column);
}

// Among the ways to cut into so many tasks (or half of it, where there is none), the one that reads and writes least:
// each tile reads m + n vectors of k, and each part of k writes its sums and reads them again.
ProductGrid tile_grid(int64_t m, int64_t n, int64_t k, int64_t batches) {
  double work = double(m) * double(n) * double(k);
  batches = std::max<int64_t>(batches, 1);
  double wanted = std::max(std::min(work / kTaskWork, kFewTasks), work / kLargeTaskWork);
  wanted = std::min(wanted, double(up(kTasks, batches)));
  int64_t tasks = 1;
  while (double(tasks * 2) <= wanted) tasks *= 2;
  int64_t rows = 0, columns = 0;
  for (double least = -1; least < 0; tasks /= 2) {
    for (int64_t r = 1; r <= tasks; r *= 2) {
      for (int64_t c = 1; r * c <= tasks; c *= 2) {
        int64_t parts = tasks / r / c;
        bool fits =
            (r == 1 || m / r >= 16) && (c == 1 || n / c >= 16) && (parts == 1 || k / parts >= kShortestPart);
        double sums = parts > 1 ? 8.0 * double(parts) * double(m) * double(n) : 0.0;
        double cost = (double(c) * double(m) + double(r) * double(n)) * double(k) + sums;
        if (!fits || (least >= 0 && cost >= least)) continue;
        least = cost, rows = r, columns = c;
      }
    }
    if (least >= 0) break;
  }
  auto tile = [](int64_t length, int64_t pieces) {
    return std::min({length, up(up(length, pieces), 16) * 16, kLargestTile});
  };
  ProductGrid grid{
      tile(m, rows), tile(n, columns), std::max<int64_t>(1, up(k, tasks / rows / columns)), 0, 0, 0};
  grid.rows = up(m, grid.tile_m);
  grid.columns = up(n, grid.tile_n);
  grid.parts = std::max<int64_t>(1, up(k, grid.part_k));
  return grid;
}

ProductGrid skinny_grid(const ProductShape& s, bool by_rows) {
  int64_t batches = std::max<int64_t>(s.batches(), 1);
  double elements = double(s.n) * double(s.k) / double(kTaskElements);
  int64_t wanted = std::max<int64_t>(1, int64_t(std::min(elements, double(up(kTasks, batches)))));
  // Rows of b are read in runs of 4 KB, columns of b in groups of 16.
  int64_t width = by_rows ? 1024 : 16, shortest = by_rows ? kShortestPart : 4 * kShortestPart;
  int64_t columns = std::min(wanted, up(s.n, width));
  int64_t tile_n = up(up(s.n, columns), width) * width;
  int64_t parts = std::clamp<int64_t>(wanted / columns, 1, std::max<int64_t>(1, s.k / shortest));
  int64_t part_k = up(up(s.k, parts), 256) * 256;
  tile_n = std::min(tile_n, s.n);
  part_k = std::min(part_k, s.k);
  return {s.m, tile_n, part_k, 1, up(s.n, tile_n), up(s.k, part_k)};
}

}  // namespace melix::cpu
