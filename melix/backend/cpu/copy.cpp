// Copies between windows of any strides. Dimensions are ordered so that the innermost loop runs along memory; where
// reading and writing want different orders (a transpose) small tiles keep both within the cache.
#include <algorithm>
#include <numeric>

#include "melix/backend/cpu/blocks.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

// Elements of a tile side: 64 lines of 64 bytes on one side and as many on the other stay in L1.
constexpr int64_t kTile = 64;

struct Plane {
  int bytes;
  int64_t rows, columns;  // columns run along the destination
  int64_t from_row, from_column, to_row, to_column;

  void run(const char* from, char* to, int64_t first_row, int64_t last_row) const {
    bool transposed = std::abs(from_column) > std::abs(from_row) && from_row != 0 && rows > 1;
    if (transposed && from_row == 1 && to_column == 1) {
      simd().transpose(bytes, from + first_row * bytes, from_column, to + first_row * to_row * bytes, to_row,
                       columns, last_row - first_row);
      return;
    }
    if (!transposed) {
      for (int64_t r = first_row; r < last_row; r++) {
        simd().copy_strided(bytes, from + r * from_row * bytes, from_column, to + r * to_row * bytes,
                            to_column, columns);
      }
      return;
    }
    for (int64_t r = first_row; r < last_row; r += kTile) {
      for (int64_t c = 0; c < columns; c += kTile) {
        int64_t n = std::min(kTile, columns - c);
        for (int64_t i = r; i < std::min(r + kTile, last_row); i++) {
          simd().copy_strided(bytes, from + (i * from_row + c * from_column) * bytes, from_column,
                              to + (i * to_row + c * to_column) * bytes, to_column, n);
        }
      }
    }
  }
};

}  // namespace

void copy(const View& from, View& to) {
  if (from.size() == 0) return;
  Shape shape = from.shape;
  Strides strides[2] = {to.strides, from.strides};
  collapse(shape, strides);
  // Destination order: largest stride outermost.
  SmallVector<uint32_t, 8> order(shape.size(), 0);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return std::abs(strides[0][a]) > std::abs(strides[0][b]); });
  Shape dims;
  Strides into, outof;
  for (uint32_t d : order) {
    dims.push_back(shape[d]);
    into.push_back(strides[0][d]);
    outof.push_back(strides[1][d]);
  }
  // The plane: the innermost dimension, and the one along which the source runs best (if it is another).
  uint32_t inner = dims.size() - 1, other = inner;
  for (uint32_t d = 0; d < inner; d++) {
    if (other == inner || (outof[d] != 0 && std::abs(outof[d]) <= std::abs(outof[other]))) other = d;
  }
  Plane plane{int(size_of(from.dtype)), 1, dims[inner], 0, outof[inner], 0, into[inner]};
  if (other != inner) {
    plane.rows = dims[other];
    plane.from_row = outof[other];
    plane.to_row = into[other];
    dims[other] = 1;
  }
  dims[inner] = 1;
  int64_t planes = elements(dims);
  int64_t row_blocks = (plane.rows + kTile - 1) / kTile;
  int64_t work = std::max<int64_t>(plane.columns * std::min(plane.rows, kTile), 1);
  parallel_for(planes * row_blocks, std::max<int64_t>(1, 32768 / work), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      int64_t rest = task / row_blocks, block = task % row_blocks, a = 0, b = 0;
      for (uint32_t d = dims.size(); d-- > 0;) {
        int64_t at = rest % dims[d];
        rest /= dims[d];
        a += at * outof[d];
        b += at * into[d];
      }
      plane.run(static_cast<const char*>(from.data()) + a * plane.bytes,
                static_cast<char*>(to.data()) + b * plane.bytes, block * kTile,
                std::min(plane.rows, (block + 1) * kTile));
    }
  });
}

}  // namespace melix::cpu
