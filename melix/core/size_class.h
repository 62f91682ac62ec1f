// Size classes of the host's allocator: multiples of 64 bytes up to 512, then eight steps to each power of two, so that
// a block is at most 63 bytes or 12.5 % larger than what was asked.
//
//     class   0    1   ...   7  |   8    9   ...   15  |   16    17  ...    23  |   24 ...
//     bytes  64  128   ... 512  | 576  640   ... 1024  | 1152  1280  ...  2048  | 2304 ...
#pragma once

#include <bit>
#include <cstddef>

namespace melix::size_class {

/// Larger requests are mistakes: 128 TiB is all the address space that a process has on x86-64.
inline constexpr size_t kMaxBytes = size_t(1) << 47;

/// The class that holds this many bytes, which is at most kMaxBytes. 0 bytes are held as 1.
constexpr unsigned of(size_t bytes) {
  if (bytes <= 512) return unsigned((bytes + 63) / 64) - (bytes != 0);
  const unsigned log = unsigned(std::bit_width(bytes - 1)) - 1;  // 2^log < bytes <= 2^(log + 1), log >= 9
  const unsigned step = unsigned((bytes - 1) >> (log - 3)) & 7;
  return 8 + (log - 9) * 8 + step;
}

/// Bytes of a block of a class.
constexpr size_t bytes(unsigned index) {
  if (index < 8) return (index + 1) * size_t(64);
  return size_t(index % 8 + 9) << (index / 8 + 5);
}

inline constexpr unsigned kCount = of(kMaxBytes) + 1;

}  // namespace melix::size_class
