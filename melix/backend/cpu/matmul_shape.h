// The shape of a product as its kernels see it: factors with strides, batch axes joined and folded into rows or
// columns, and the grid of tasks. Everything here follows from shapes, dtypes and strides; no element is touched.
#pragma once

#include "melix/backend/cpu/products.h"

namespace melix::cpu {

/// One result (or addend): where element (0, 0) of the first matrix is, strides in elements.
struct Place {
  char* data = nullptr;
  int64_t row = 0, column = 0;
};

/// out[batch] (m x n) = a[batch] (m x k) times b[batch] (k x n) (+ c[batch]).
struct ProductShape {
  ProductShape(const View& a, const View& b, const View& out, const View* c);

  Dtype dtype;
  int64_t m, n, k;
  Factor a, b;
  const View *a_view, *b_view;  // whose memory the factors are
  Place c, out;
  Shape batch;  // never empty
  struct {
    Strides a, b, c, out;
  } step;  // of the batch axes, in elements

  int64_t batches() const { return elements(batch); }
  /// The transposed product: out^T = b^T a^T. Factors exchange places, rows become columns.
  void transpose();

 private:
  /// Makes the last batch axis part of the rows of a (or the columns of b) where the other factor does not have it: one
  /// product in place of many.
  bool fold();
};

/// The tasks of one product: tiles of the result, and parts of k whose sums are added up afterwards.
struct ProductGrid {
  int64_t tile_m, tile_n, part_k;
  int64_t rows, columns, parts;  // how many of each

  int64_t tasks() const { return rows * columns * parts; }
};

/// Tiles for the kernels of TileProduct: of so many products of one size.
ProductGrid tile_grid(int64_t m, int64_t n, int64_t k, int64_t batches);
/// Stripes of b for the kernels of skinny products; `by_rows`: rows of b are contiguous.
ProductGrid skinny_grid(const ProductShape& shape, bool by_rows);

}  // namespace melix::cpu
