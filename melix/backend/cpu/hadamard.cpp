// Kernel of the Walsh-Hadamard transform of rows of n = m * 2^k elements: the matrix is H[m] x H[2^k], so that first
// the m parts of a row are transformed, each along itself, and then every column of m numbers is multiplied by H[m].
//
//   short parts, m > 1    16 rows are transposed and go side by side
//   rows of some KiB      one after the other in L1, rows shared by the threads
//   longer ones           pieces of kPiece elements, then columns across the pieces, 64 at a time, all on all threads
//
// 16-bit floats are widened to float32 first, and rounded at the end.
#include "melix/ops/hadamard.h"

#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/key_sort.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kPiece = 4096;  // numbers of a part of a row: with what it becomes within L1
constexpr int64_t kColumns = 64;  // numbers side by side: four lines of memory in each row of floats
constexpr int64_t kSide = 16;     // rows side by side
constexpr int64_t kTask = 32768;  // numbers that are worth a task

// Rows of matrices of order 12, 20 and 28, with a bit for each -1 (bit k in column k).
constexpr uint32_t kSigns12[] = {0x002, 0xaab, 0x3c8, 0x96e, 0xf20, 0x5ba,
                                 0xc8c, 0x6e6, 0x23c, 0xb96, 0x8f0, 0xe5a};
constexpr uint32_t kSigns20[] = {0x933de, 0x2e3bd, 0x5477b, 0xa0ef7, 0x499ef, 0x637c1, 0xc6ba2,
                                 0x8d764, 0x1aee8, 0x359f0, 0x0fa53, 0x174a7, 0x26d4e, 0x45e9c,
                                 0x83d39, 0xf7a6d, 0xef4fa, 0xdedd5, 0xbdf8b, 0x7bf36};
constexpr uint32_t kSigns28[] = {0xcd69e7e, 0x9ad7c7d, 0x37ab8fb, 0x6d571f7, 0xd8ae3ef, 0xb3587df, 0x66b4f3f,
                                 0xb467f43, 0x6acbe87, 0xd593d8e, 0xab27b9c, 0x564f7b8, 0xac9aff0, 0x5b31fe1,
                                 0x87fb325, 0x0ff66ca, 0x1decd95, 0x39ddb2a, 0x71bf654, 0xe17eca9, 0xc2fd9d2,
                                 0xfcf1299, 0xfbe2532, 0xf7c4ae4, 0xef8d549, 0xdf1ea13, 0xbe3d4a6, 0x7e7a94c};

const uint32_t* signs_of(int m) { return m == 12 ? kSigns12 : m == 20 ? kSigns20 : kSigns28; }

struct Hadamard {
  Dtype dtype;    // of the numbers that are computed with: float32, float64
  int64_t inner;  // numbers of an element
  int m;
  int64_t power;  // 2^k, as numbers
  double scale;
  bool transposed;
  alignas(64) char matrix[28 * 28 * 8];

  int64_t row() const { return m * power; }
  char* at(void* x, int64_t i) const { return static_cast<char*>(x) + i * int64_t(size_of(dtype)); }
  const char* at(const void* x, int64_t i) const {
    return static_cast<const char*>(x) + i * int64_t(size_of(dtype));
  }

  void fill_matrix() {
    auto fill = [&](auto* to) {
      for (int i = 0; i < m; i++) {
        for (int k = 0; k < m; k++) {
          const uint32_t bits = signs_of(m)[transposed ? k : i];
          to[i * m + k] = bits >> (transposed ? i : k) & 1 ? -1 : 1;
        }
      }
    };
    if (m == 1) return;
    dtype == float64 ? fill(reinterpret_cast<double*>(matrix)) : fill(reinterpret_cast<float*>(matrix));
  }

  void run(const void* from, int64_t rows, void* to) const {
    if (m > 1 && power < kSide)
      side_by_side(from, rows, to);
    else if (row() <= 2 * kPiece)
      each_row(from, rows, to);
    else
      in_pieces(from, rows, to);
  }

  void each_row(const void* from, int64_t rows, void* to) const {
    parallel_for(rows, std::max<int64_t>(1, kTask / row()), [&](int64_t begin, int64_t end) {
      if (m == 1)
        return simd().hadamard_rows(dtype, at(from, begin * row()), (end - begin) * row(), inner, power,
                                    scale, at(to, begin * row()));
      for (int64_t r = begin; r < end; r++) {
        simd().hadamard_rows(dtype, at(from, r * row()), row(), inner, power, scale, at(to, r * row()));
        simd().hadamard_mix(dtype, matrix, m, power, power, at(to, r * row()));
      }
    });
  }

  void in_pieces(const void* from, int64_t rows, void* to) const {
    const int64_t piece = std::min(power, kPiece), count = power / piece;
    parallel_for(rows * row() / piece, std::max<int64_t>(1, kTask / piece), [&](int64_t begin, int64_t end) {
      simd().hadamard_rows(dtype, at(from, begin * piece), (end - begin) * piece, inner, piece, scale,
                           at(to, begin * piece));
    });
    auto each_column = [&](int64_t blocks, int64_t width, int64_t height, auto body) {
      const int64_t part = std::min(kColumns, width), parts = width / part;
      parallel_for(blocks * parts, std::max<int64_t>(1, kTask / (part * height)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; i++)
                       body(at(to, i / parts * width * height + i % parts * part), part);
                   });
    };
    if (count > 1) {
      each_column(rows * m, piece, count,
                  [&](void* x, int64_t width) { simd().hadamard_columns(dtype, x, count, piece, width); });
    }
    if (m > 1) {
      each_column(rows, power, m,
                  [&](void* x, int64_t width) { simd().hadamard_mix(dtype, matrix, m, power, width, x); });
    }
  }

  // Element j of 16 rows in [j][16]: of numbers of an element one after the other, which makes them rows of their own.
  void side_by_side(const void* from, int64_t rows, void* to) const {
    const int64_t n = row(), bytes = int64_t(size_of(dtype));
    parallel_for((rows + kSide - 1) / kSide, std::max<int64_t>(1, kTask / (n * kSide)),
                 [&](int64_t begin, int64_t end) {
                   Scratch<char> room(n * kSide * bytes);
                   void* x = room.data();
                   std::fill_n(room.data(), n * kSide * bytes, char(0));
                   for (int64_t g = begin; g < end; g++) {
                     const int64_t first = g * kSide, count = std::min(kSide, rows - first);
                     simd().transpose(int(bytes), at(from, first * n), n, x, kSide, count, n);
                     simd().hadamard_rows(dtype, x, n * kSide, 1, 1, scale, x);
                     for (int part = 0; part < m; part++) {
                       for (int64_t i = 0; i < inner; i++) {
                         simd().hadamard_columns(dtype, at(x, (part * power + i) * kSide), power / inner,
                                                 inner * kSide, kSide);
                       }
                     }
                     simd().hadamard_mix(dtype, matrix, m, power * kSide, power * kSide, x);
                     simd().transpose(int(bytes), x, kSide, at(to, first * n), n, n, count);
                   }
                 });
  }
};

}  // namespace

void hadamard_transform(const Call& call) {
  const auto& attrs = attrs_as<HadamardAttrs>(call.attrs);
  const View &in = call.inputs[0], &out = call.outputs[0];
  if (in.size() == 0) return;
  const int64_t n = in.shape.back(), inner = in.dtype == complex64 ? 2 : 1, total = in.size() * inner;
  const HadamardLength length = hadamard_length(n);
  Hadamard h{in.dtype == float64 ? float64 : float32,
             inner,
             length.factor,
             length.power * inner,
             attrs.scale,
             attrs.transposed,
             {}};
  h.fill_matrix();
  if (!is_half(in.dtype)) return h.run(in.data(), in.size() / n, out.data());
  Scratch<float> wide(total);
  auto each_part = [&](auto body) {
    parallel_for(total, kTask, [&](int64_t begin, int64_t end) { body(begin, end - begin); });
  };
  each_part([&](int64_t i, int64_t count) {
    simd().widen(in.dtype, in.as<uint16_t>() + i, wide.data() + i, count);
  });
  h.run(wide.data(), in.size() / n, wide.data());
  each_part([&](int64_t i, int64_t count) {
    simd().narrow(in.dtype, wide.data() + i, out.as<uint16_t>() + i, count);
  });
}

}  // namespace melix::cpu
