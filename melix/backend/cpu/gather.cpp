// Gather: windows copied side by side. Positions of the index space are taken in pieces, whose offsets are computed
// once and used for every place that the dimensions before them give.
#include "melix/ops/gather.h"

#include <algorithm>
#include <cstring>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/backend/cpu/windows.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kPiece = 1024;  // positions of the index space; their offsets are 8 KiB of a thread's stack
constexpr int64_t kWork = 32768;  // elements that a thread takes at a time
constexpr int64_t kLargeWindow = 65536;  // elements from which on a window is worth all threads

// What the copy of one window needs.
struct Copier {
  const Walk& inner;
  int bytes;  // of an element
  int64_t
      run_bytes;  // of the innermost dimension, if a window is one run without gaps in both arrays; else 0

  Copier(const Walk& walk, int bytes) : inner(walk), bytes(bytes), run_bytes(0) {
    bool dense = walk.run() == 1 || (walk.table[0] == 1 && walk.packed[0] == 1);
    if (walk.shape.size() == 1 && dense) run_bytes = walk.run() * bytes;
  }

  void copy(const char* from, char* to) const {
    if (run_bytes) return void(std::memcpy(to, from, size_t(run_bytes)));
    Rows row(inner, 0);
    for (int64_t r = inner.rows(); r > 0; r--, row.next()) {
      simd().copy_strided(bytes, from + row.table() * bytes, inner.table.back(), to + row.packed() * bytes,
                          inner.packed.back(), inner.run());
    }
  }
};

// Windows large enough that each is copied by all threads.
void copy_large(const Windows& windows, const View& table, View& out) {
  Walk all = windows.all();
  for (int64_t i = 0; i < windows.count(); i++) {
    int64_t from, to;
    windows.offsets(i, 1, &from, &to);
    View target{all.shape, all.packed, out.buffer, out.offset + to, out.dtype};
    View zero{all.shape, Strides(all.shape.size(), 0), Ref<Buffer>(), 0, out.dtype};
    if (from != kDropped) {
      copy(View{all.shape, all.table, table.buffer, table.offset + from, table.dtype}, target);
      continue;
    }
    zero.buffer = Buffer::allocate(size_of(out.dtype));
    std::memset(zero.data(), 0, size_of(out.dtype));
    copy(zero, target);
  }
}

}  // namespace

void gather(const Call& call) {
  const View& table = call.inputs[0];
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  Windows windows(attrs_as<WindowAttrs>(call.attrs), table, call.inputs.subspan(1), out);
  const Walk &outer = windows.outer(), &inner = windows.inner();
  // Few windows that are large in many rows are better copied one by one too.
  int64_t rows = windows.count() <= 2 ? outer.size() : 1;
  if (rows * inner.size() >= kLargeWindow) return copy_large(windows, table, out);

  const int bytes = int(size_of(out.dtype));
  const int64_t window = inner.size(), count = windows.count(), places = outer.size();
  const int64_t piece = std::clamp<int64_t>(kWork / window, 1, std::min(kPiece, count));
  const int64_t pieces = (count + piece - 1) / piece;
  const char* from = static_cast<const char*>(table.data());
  char* to = static_cast<char*>(out.data());
  Copier copier(inner, bytes);
  Walk steps = outer;  // one row for each place
  steps.add(1, 0, 0);
  parallel_for(pieces * places, std::max<int64_t>(1, kWork / (piece * window)),
               [&](int64_t begin, int64_t end) {
                 int64_t at[kPiece], first = 0, n = 0;
                 bool dropped = false;
                 Rows place(steps, begin % places);
                 for (int64_t task = begin; task < end; task++, place.next()) {
                   if (task == begin || task % places == 0) {
                     first = task / places * piece;
                     n = std::min(piece, count - first);
                     dropped = windows.offsets(first, n, at, nullptr);
                   }
                   const char* source = from + place.table() * bytes;
                   char* target = to + (place.packed() + first * window) * bytes;
                   if (window == 1 && !dropped) {
                     simd().gather_elements(bytes, source, at, target, n);
                     continue;
                   }
                   for (int64_t i = 0; i < n; i++, target += window * bytes) {
                     if (at[i] == kDropped) {
                       std::memset(target, 0, size_t(window * bytes));
                     } else {
                       copier.copy(source + at[i] * bytes, target);
                     }
                   }
                 }
               });
}

}  // namespace melix::cpu
