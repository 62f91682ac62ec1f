// Scatter, and slice_update, its simplest case. Updates of one element are combined in their order, whatever the number
// of threads: the work is divided by destinations, never by updates.
//
//   large windows    every task has a part of the window, and goes through all updates
//   small windows    every task has some of the destinations, and goes through the updates that belong to it
#include "melix/ops/scatter.h"

#include <algorithm>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/blocks.h"
#include "melix/backend/cpu/windows.h"
#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/slice.h"

namespace melix::cpu {
namespace {

constexpr int64_t kPiece = 1024;  // updates that are looked at together: their offsets stay in L1
constexpr int64_t kRun = 512;     // elements of a window's row that one task combines
constexpr int64_t kWork = 32768;  // elements that are worth another thread
constexpr int64_t kLargeWindow = 4096;

// Elements that lie next to each other, or with strides, put to their places.
class Combiner {
 public:
  Combiner(Scatter mode, Dtype dtype) : bytes_(int(size_of(dtype))) {
    static constexpr Elementwise kRows[] = {Elementwise::count,   Elementwise::add,     Elementwise::multiply,
                                            Elementwise::maximum, Elementwise::minimum, Elementwise::divide};
    if (mode != Scatter::none) kernel_ = simd().elementwise(int(kRows[int(mode)]), dtype, dtype);
  }

  int bytes() const { return bytes_; }

  void run(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) const {
    if (!kernel_) return simd().copy_strided(bytes_, from, from_stride, to, to_stride, n);
    if (to_stride == 1 && from_stride == 1) return kernel_(to, from, nullptr, to, n);
    alignas(64) char a[kRun * 8], b[kRun * 8];
    for (int64_t at = 0; at < n; at += kRun) {
      int64_t part = std::min(kRun, n - at);
      char* place = to + at * to_stride * bytes_;
      simd().copy_strided(bytes_, place, to_stride, a, 1, part);
      simd().copy_strided(bytes_, from + at * from_stride * bytes_, from_stride, b, 1, part);
      kernel_(a, b, nullptr, a, part);
      simd().copy_strided(bytes_, a, 1, place, to_stride, part);
    }
  }

 private:
  int bytes_;
  ElementwiseFn kernel_ = nullptr;  // null: the update replaces the element
};

class Scattering {
 public:
  Scattering(const WindowAttrs& w, const View& updates, std::span<const View> indices, View& out)
      : windows_(w, out, indices, updates),
        all_(windows_.all()),
        updates_(updates),
        out_(out),
        combiner_(w.mode, out.dtype),
        elements_(simd().scatter_elements(Combine(w.mode), out.dtype)),
        mode_(w.mode),
        to_(static_cast<char*>(out.data())),
        from_(static_cast<const char*>(updates.data())),
        bytes_(combiner_.bytes()) {}

  void run() {
    int64_t n = windows_.count(), window = all_.size();
    if (n == 0 || window == 0) return;
    if (windows_.may_overlap()) {
      for (int64_t i = 0; i < n; i++) whole_windows(i, i + 1);
    } else if (window >= kLargeWindow || n == 1) {
      whole_windows(0, n);
    } else {
      by_destination();
    }
  }

 private:
  // Where updates of [first, last) go and come from, piece by piece. Every task computes it anew: that is cheaper than
  // to keep it in memory.
  template <class Body>
  void each_piece(int64_t first, int64_t last, Body body) const {
    int64_t at[kPiece], from_at[kPiece];
    for (; first < last; first += kPiece) {
      int64_t n = std::min(kPiece, last - first);
      windows_.offsets(first, n, at, from_at);
      body(at, from_at, n);
    }
  }

  // Updates [first, last), every task with its part of the window.
  void whole_windows(int64_t first, int64_t last) {
    if (mode_ == Scatter::none && all_.size() >= kWork) {
      each_piece(first, last, [&](const int64_t* at, const int64_t* from_at, int64_t n) {
        for (int64_t i = 0; i < n; i++) copy_window(at[i], from_at[i]);
      });
      return;
    }
    int64_t parts = (all_.run() + kRun - 1) / kRun;
    int64_t work = (last - first) * std::min(all_.run(), kRun);
    parallel_for(all_.rows() * parts, std::max<int64_t>(1, kWork / work), [&](int64_t begin, int64_t end) {
      each_piece(first, last, [&](const int64_t* at, const int64_t* from_at, int64_t n) {
        Rows row(all_, begin / parts);
        for (int64_t task = begin; task < end; task++) {
          part_of_windows(row, task % parts * kRun, at, from_at, n);
          if (task % parts == parts - 1) row.next();
        }
      });
    });
  }

  // The run that begins at a column of one row of the window, in n windows.
  void part_of_windows(const Rows& row, int64_t column, const int64_t* at, const int64_t* from_at,
                       int64_t n) const {
    int64_t length = std::min(kRun, all_.run() - column);
    int64_t to = row.table() + column * all_.table.back(), from = row.packed() + column * all_.packed.back();
    for (int64_t i = 0; i < n; i++) {
      if (at[i] == kDropped) continue;
      combiner_.run(to_ + (at[i] + to) * bytes_, all_.table.back(), from_ + (from_at[i] + from) * bytes_,
                    all_.packed.back(), length);
    }
  }

  void copy_window(int64_t at, int64_t from_at) {
    if (at == kDropped) return;
    View to{all_.shape, all_.table, out_.buffer, out_.offset + at, out_.dtype};
    copy(View{all_.shape, all_.packed, updates_.buffer, updates_.offset + from_at, updates_.dtype}, to);
  }

  // As many shares of the destinations as there are threads (their number does not matter to the result). Destinations
  // of one cache line are in one share; a hash spreads those that are used often.
  void by_destination() {
    const int64_t n = windows_.count(),
                  shares = std::clamp<int64_t>(n * all_.size() / kWork, 1, num_threads());
    const int line = bytes_ == 1 ? 6 : bytes_ == 2 ? 5 : bytes_ == 4 ? 4 : 3;
    parallel_for(shares, 1, [&](int64_t begin, int64_t end) {
      for (int64_t share = begin; share < end; share++) {
        each_piece(0, n, [&](int64_t* at, int64_t* from_at, int64_t piece) {
          int64_t mine = shares == 1 ? piece : 0;
          for (int64_t i = 0; i < piece && shares > 1; i++) {
            uint64_t hash = uint64_t(at[i] >> line) * 0x9E3779B97F4A7C15u >> 32;
            at[mine] = at[i];
            from_at[mine] = from_at[i];
            mine += int64_t(hash * uint64_t(shares) >> 32) == share;
          }
          put(at, from_at, mine);
        });
      }
    });
  }

  void put(const int64_t* at, const int64_t* from_at, int64_t n) const {
    if (all_.size() == 1) return elements_(to_, at, from_, from_at, n);
    int64_t rows = all_.rows();
    for (int64_t i = 0; i < n; i++) {
      if (at[i] == kDropped) continue;
      Rows row(all_, 0);
      for (int64_t r = 0; r < rows; r++, row.next()) {
        combiner_.run(to_ + (at[i] + row.table()) * bytes_, all_.table.back(),
                      from_ + (from_at[i] + row.packed()) * bytes_, all_.packed.back(), all_.run());
      }
    }
  }

  Windows windows_;
  Walk all_;
  const View& updates_;
  View& out_;
  Combiner combiner_;
  ScatterFn elements_;
  Scatter mode_;
  char* to_;
  const char* from_;
  int bytes_;
};

}  // namespace

void scatter(const Call& call) {
  Scattering(attrs_as<WindowAttrs>(call.attrs), call.inputs[1], call.inputs.subspan(2), call.outputs[0])
      .run();
}

void slice_update(const Call& call) {
  View window = call.outputs[0];
  window.shape = call.inputs[1].shape;
  op::slice.view(call.attrs, std::span(&call.outputs[0], 1), std::span(&window, 1));
  copy(call.inputs[1], window);
}

}  // namespace melix::cpu
