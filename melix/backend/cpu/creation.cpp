// Ranges of numbers: element i is computed from i, so pieces are independent.
#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"
#include "melix/ops/creation.h"

namespace melix::cpu {
namespace {

constexpr int64_t kPiece = 65536;
constexpr int64_t kRow = 1024;  // 16-bit floats are made in float32, a row at a time

}  // namespace

void arange(const Call& call) {
  const auto& a = attrs_as<ArangeAttrs>(call.attrs);
  const View& out = call.outputs[0];
  int64_t bytes = int64_t(size_of(a.dtype));
  parallel_for(a.size, kPiece, [&](int64_t begin, int64_t end) {
    char* to = out.as<char>() + begin * bytes;
    if (is_half(a.dtype)) {
      float row[kRow];
      for (int64_t at = begin; at < end; at += kRow, to += kRow * bytes) {
        int64_t n = std::min(kRow, end - at);
        simd().range_real(float32, a.real_start, a.real_step, at, n, row);
        simd().narrow(a.dtype, row, to, n);
      }
    } else if (is_inexact(a.dtype)) {
      simd().range_real(a.dtype, a.real_start, a.real_step, begin, end - begin, to);
    } else {
      simd().range_whole(int(bytes), uint64_t(a.start) + uint64_t(begin) * uint64_t(a.step), uint64_t(a.step),
                         end - begin, to);
    }
  });
}

}  // namespace melix::cpu
