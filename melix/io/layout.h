// Layout: what a header says about one array, checked: its type, its shape, and that its bytes are in the file.
#pragma once

#include <span>

#include "melix/core/dtype.h"
#include "melix/core/shape.h"
#include "melix/io/size.h"

namespace melix::io {

struct Layout {
  Dtype dtype = float32;
  Shape shape;
  uint64_t offset = 0;  // of the first byte, from the start of the file (npz: of the unpacked member)
  uint64_t nbytes = 0;
};

/// The most bytes that an array may have, dimensions of 0 left out, so that strides fit in 64 bits too.
inline constexpr uint64_t kMostBytes = (uint64_t(1) << 63) - 1;

/// Elements of a shape with its dimensions of 0 left out.
inline Size extent(std::span<const uint64_t> dims) {
  Size out(1);
  for (uint64_t d : dims) {
    if (d != 0) out = out * Size(d);
  }
  return out;
}
inline bool has_zero(std::span<const uint64_t> dims) {
  for (uint64_t d : dims) {
    if (d == 0) return true;
  }
  return false;
}

}  // namespace melix::io
