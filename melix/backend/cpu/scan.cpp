// Kernels of cumulative operations. Rows along an axis are [outer, n, inner] in memory:
//
//   inner is wide     columns: a stripe of neighbours runs along n together
//   inner is narrow   rows, gathered block by block where there are gaps
//
// Few long rows are cut into chunks: their totals first, in parallel, then what each chunk begins with, then the
// chunks, in parallel. How a row is cut depends on the shape alone.
#include "melix/ops/scan.h"

#include <algorithm>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"

namespace melix::cpu {
namespace {

constexpr int64_t kStage = 1024;    // elements gathered at a time
constexpr int64_t kStripe = 512;    // columns that run together
constexpr int64_t kChunk = 16384;   // elements of a part of a long row
constexpr int64_t kWideInner = 16;  // from so many neighbours on, columns are faster than rows with gaps

class Scanner {
 public:
  Scanner(const Call& call, Scan scan)
      : attrs_(attrs_as<ScanAttrs>(call.attrs)),
        dtype_(call.inputs[0].dtype),
        bytes_(int64_t(size_of(dtype_))),
        from_(static_cast<const char*>(call.inputs[0].data())),
        to_(static_cast<char*>(call.outputs[0].data())),
        loops_(simd().scan(scan, carrier_of(dtype_))),
        shift_(attrs_.inclusive ? 0 : 1) {
    const Shape& shape = call.inputs[0].shape;
    const uint32_t axis = uint32_t(attrs_.axis);
    for (uint32_t d = 0; d < shape.size(); d++) (d < axis ? outer_ : d > axis ? inner_ : n_) *= shape[d];
    // Floating products would leave the range of numbers in one chunk where the whole row does not.
    may_cut_ = !(scan == Scan::prod && is_inexact(dtype_));
  }

  void run() {
    if (outer_ * n_ * inner_ == 0) return;
    if (inner_ >= kWideInner || (inner_ > 1 && n_ < 64)) return columns();
    const int64_t rows = outer_ * inner_;
    if (may_cut_ && rows < 64 && n_ >= 4 * kChunk) return chunks(rows);
    parallel_for(rows, std::max<int64_t>(1, kChunk / n_), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        Carry carry;
        loops_.start(&carry, 1);
        before_first(row);
        part(row, 0, n_ - shift_, &carry, true);
      }
    });
  }

 private:
  struct Carry {
    alignas(8) char bytes[kScanCarry];
  };

  // Where the element at a place in the order of the scan lies.
  int64_t offset(int64_t row, int64_t place) const {
    const int64_t i = attrs_.reverse ? n_ - 1 - place : place;
    return ((row / inner_ * n_ + i) * inner_ + row % inner_) * bytes_;
  }

  void before_first(int64_t row) const {
    if (shift_) first_values(to_ + offset(row, 0), 1);
  }
  void first_values(char* to, int64_t n) const {
    if (!is_half(dtype_)) return loops_.before_first(to, n);
    float values[kStripe];
    loops_.before_first(values, n);
    simd().narrow(dtype_, values, to, n);
  }

  // Runs over places [begin, end) of the elements; results stand `shift_` places behind.
  void part(int64_t row, int64_t begin, int64_t end, Carry* carry, bool wanted) const {
    if (begin == end) return;
    if (inner_ > 1) return part_with_gaps(row, begin, end, carry, wanted);
    // The lowest address of places [first, last).
    auto lowest = [&](int64_t first, int64_t last) { return offset(row, attrs_.reverse ? last - 1 : first); };
    if (!is_half(dtype_)) {
      char* to = wanted ? to_ + lowest(begin + shift_, end + shift_) : nullptr;
      return loops_.row(from_ + lowest(begin, end), end - begin, to, carry, attrs_.reverse);
    }
    float wide[kStage];
    for (int64_t at = begin; at < end; at += kStage) {
      const int64_t n = std::min(kStage, end - at);
      simd().widen(dtype_, from_ + lowest(at, at + n), wide, n);
      loops_.row(wide, n, wanted ? wide : nullptr, carry, attrs_.reverse);
      if (wanted) simd().narrow(dtype_, wide, to_ + lowest(at + shift_, at + n + shift_), n);
    }
  }

  void part_with_gaps(int64_t row, int64_t begin, int64_t end, Carry* carry, bool wanted) const {
    const int64_t stride = attrs_.reverse ? -inner_ : inner_;
    alignas(64) char staged[kStage * 8];
    float wide[kStage];
    char* values = is_half(dtype_) ? reinterpret_cast<char*>(wide) : staged;
    for (int64_t at = begin; at < end; at += kStage) {
      const int64_t n = std::min(kStage, end - at);
      simd().copy_strided(int(bytes_), from_ + offset(row, at), stride, staged, 1, n);
      if (is_half(dtype_)) simd().widen(dtype_, staged, wide, n);
      loops_.row(values, n, wanted ? values : nullptr, carry, false);
      if (!wanted) continue;
      if (is_half(dtype_)) simd().narrow(dtype_, wide, staged, n);
      simd().copy_strided(int(bytes_), staged, 1, to_ + offset(row, at + shift_), stride, n);
    }
  }

  void chunks(int64_t rows) const {
    const int64_t all = n_ - shift_, count = (all + kChunk - 1) / kChunk;
    std::vector<Carry> carries(
        size_t(rows * count));  // first the total of each chunk, then what it begins with
    auto each = [&](bool wanted) {
      parallel_for(rows * count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; task++) {
          const int64_t first = task % count * kChunk;
          Carry* carry = &carries[size_t(task)];
          if (!wanted) loops_.start(carry, 1);
          part(task / count, first, std::min(all, first + kChunk), carry, wanted);
        }
      });
    };
    each(false);
    for (int64_t row = 0; row < rows; row++) {
      before_first(row);
      Carry running;
      loops_.start(&running, 1);
      for (int64_t c = 0; c < count; c++) {
        Carry total = carries[size_t(row * count + c)];
        carries[size_t(row * count + c)] = running;
        loops_.append(&running, &total);
      }
    }
    each(true);
  }

  void columns() const {
    const int64_t width = std::min(kStripe, inner_), stripes = (inner_ + width - 1) / width;
    parallel_for(outer_ * stripes, std::max<int64_t>(1, kChunk / (width * n_)),
                 [&](int64_t begin, int64_t end) {
                   alignas(64) char carries[kStripe * kScanCarry];
                   for (int64_t task = begin; task < end; task++) {
                     const int64_t first = task % stripes * width, row = task / stripes * inner_ + first;
                     stripe(row, std::min(width, inner_ - first), carries);
                   }
                 });
  }

  // `width` rows from `row` on, side by side.
  void stripe(int64_t row, int64_t width, char* carries) const {
    float wide[kStripe];
    loops_.start(carries, width);
    if (shift_) first_values(to_ + offset(row, 0), width);
    for (int64_t place = 0; place < n_ - shift_; place++) {
      const char* from = from_ + offset(row, place);
      char* to = to_ + offset(row, place + shift_);
      if (is_half(dtype_)) {
        simd().widen(dtype_, from, wide, width);
        loops_.column(wide, width, wide, carries);
        simd().narrow(dtype_, wide, to, width);
      } else {
        loops_.column(from, width, to, carries);
      }
    }
  }

  const ScanAttrs& attrs_;
  Dtype dtype_;
  int64_t bytes_;
  const char* from_;
  char* to_;
  ScanLoops loops_;
  int64_t shift_;
  int64_t outer_ = 1, n_ = 1, inner_ = 1;
  bool may_cut_;
};

}  // namespace

void cumsum(const Call& call) { Scanner(call, Scan::sum).run(); }
void cumprod(const Call& call) { Scanner(call, Scan::prod).run(); }
void cummax(const Call& call) { Scanner(call, Scan::max).run(); }
void cummin(const Call& call) { Scanner(call, Scan::min).run(); }
void logcumsumexp(const Call& call) { Scanner(call, Scan::logsumexp).run(); }

}  // namespace melix::cpu
