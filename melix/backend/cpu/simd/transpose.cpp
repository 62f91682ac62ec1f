// Transposed copies, per instruction set. Squares with a side of one cache line go through a buffer: every line of the
// source and of the destination is touched once, whatever their strides (those of powers of two share few cache sets).
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T>
void transpose_of(const void* source, int64_t from_stride, void* destination, int64_t to_stride, int64_t rows,
                  int64_t columns) {
  constexpr int64_t kSide = 64 / sizeof(T);
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(destination);
  T square[kSide][kSide];
  for (int64_t c = 0; c < columns; c += kSide) {
    int64_t width = columns - c < kSide ? columns - c : kSide;
    for (int64_t r = 0; r < rows; r += kSide) {
      int64_t height = rows - r < kSide ? rows - r : kSide;
      if (height == kSide && width == kSide) {
        for (int64_t i = 0; i < kSide; i++) {
          const T* line = from + (r + i) * from_stride + c;
          for (int64_t k = 0; k < kSide; k++) square[k][i] = line[k];
        }
        for (int64_t k = 0; k < kSide; k++) __builtin_memcpy(to + (c + k) * to_stride + r, square[k], 64);
      } else {
        for (int64_t k = 0; k < width; k++) {
          for (int64_t i = 0; i < height; i++)
            to[(c + k) * to_stride + r + i] = from[(r + i) * from_stride + c + k];
        }
      }
    }
  }
}

}  // namespace

void transpose(int bytes, const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows,
               int64_t columns) {
  switch (bytes) {
    case 1:
      return transpose_of<uint8_t>(from, from_stride, to, to_stride, rows, columns);
    case 2:
      return transpose_of<uint16_t>(from, from_stride, to, to_stride, rows, columns);
    case 4:
      return transpose_of<uint32_t>(from, from_stride, to, to_stride, rows, columns);
    default:
      return transpose_of<uint64_t>(from, from_stride, to, to_stride, rows, columns);
  }
}

}  // namespace melix::cpu::MELIX_ISA
