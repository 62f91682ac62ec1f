// Attention in one pass: scores of a block of keys, their exponentials, and sums of values are made in cache, and what
// was summed before is scaled where a larger score appears.
//
//   few queries for a head of k    rows of scores; keys and values are read once, at the speed of memory, by the
//                                  kernels of skinny products
//   else                           panels of queries side by side (simd/attention.cpp) meet 128 keys at a time
//
// A task is a block of queries that share a head of k, and for few of them a chunk of the keys; chunks are put together
// in order. What a task is follows from the shape alone, so bits do not depend on threads.
#include "melix/ops/attention.h"

#include <algorithm>
#include <limits>

#include "melix/backend/cpu/attention_shape.h"
#include "melix/backend/cpu/simd/product.h"
#include "melix/core/threads.h"
#include "melix/scalar/math.h"

namespace melix::cpu {
namespace {

// Rows up to which a dot product for each score wins over panels, which have twice as many lanes.
constexpr int64_t kFewRows = 16;
static_assert(kFewRows <= kMaxSkinny);
// Keys whose scores are held at once for few rows, and the least of a chunk; a multiple of kAttentionRows.
constexpr int64_t kKeys = 512;
// Chunks of all heads together, where there are as many: enough for 128 cores, and 16 MB for 32 rows of 512.
constexpr int64_t kChunks = 256;
// Products below which tasks are put together.
constexpr double kGrainWork = 1 << 17;

template <class T>
constexpr T kHidden = -std::numeric_limits<T>::infinity();

template <class T>
class Attention {
 public:
  Attention(const AttentionShape& shape, View& out, View* sums) : s_(shape), out_(out), sums_(sums) {
    rows_ = s_.rows();
    few_ = rows_ <= kFewRows && s_.d > 0 && s_.k->strides[3] == 1 && s_.v->strides[3] == 1;
    blocks_ = (rows_ + kAttentionLanes - 1) / kAttentionLanes;
    if (blocks_ == 1) {
      int64_t most = std::max<int64_t>(1, kChunks / (s_.b * s_.kv_heads()));
      int64_t length = ((s_.s + most - 1) / most + kKeys - 1) / kKeys * kKeys;
      chunk_ = std::max(length, kKeys);
      chunks_ = std::max<int64_t>(1, (s_.s + chunk_ - 1) / chunk_);
    } else {
      chunk_ = s_.s;
    }
  }

  void run() {
    const int64_t heads = s_.b * s_.kv_heads(), tasks = heads * blocks_ * chunks_;
    if (chunks_ > 1) {
      const int64_t n = tasks * rows_;
      partial_.add<T>(n * (s_.dv + 2));
      partial_.make();
      results_ = partial_.add<T>(n * (s_.dv + 2));
      state_ = results_ + n * s_.dv;
    }
    double work =
        double(std::min(rows_, kAttentionLanes)) * double(std::min(chunk_, s_.s)) * double(s_.d + s_.dv);
    int64_t grain = std::max<int64_t>(1, int64_t(kGrainWork / std::max(work, 1.0)));
    parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
      Worker worker(*this);
      for (int64_t i = begin; i < end; i++) task(worker, i);
    });
    if (chunks_ == 1) return;
    parallel_for(heads * rows_, 16, [&](int64_t begin, int64_t end) {
      Pieces memory;
      memory.add<T>(s_.dv);
      memory.make();
      T* row = memory.add<T>(s_.dv);
      for (int64_t i = begin; i < end; i++) join(i / rows_, i % rows_, row);
    });
  }

 private:
  static constexpr Dtype kDtype = sizeof(T) == 8 ? float64 : float32;
  static constexpr int64_t kLanes = kAttentionLanes, kRows = kAttentionRows;

  struct Worker {
    explicit Worker(const Attention& of) {
      of.place(*this);
      memory.make();
      of.place(*this);
    }
    Pieces memory;
    T *q, *sums;                    // panels of queries and of results; or rows of them
    T *scores, *bias, *row, *part;  // of one panel, and rows on the way to one
    T *keys, *values;               // blocks of them, widened
    T *max, *total, *factor, *begin, *end;
    KeyRange seen[kLanes];
  };

  struct Task {
    int64_t batch, head, first, n, chunk;
    KeyRange keys;
  };

  void place(Worker& w) const {
    const int64_t lanes = few_ ? rows_ : kLanes, widest = std::max({s_.d, s_.dv, kRows});
    w.q = w.memory.template add<T>(lanes * s_.d);
    w.sums = w.memory.template add<T>(lanes * s_.dv);
    w.scores = w.memory.template add<T>(few_ ? rows_ * kKeys : s_.width * kRows);
    w.bias = w.memory.template add<T>(few_ ? kKeys : s_.mask ? s_.width * kRows : 0);
    w.row = w.memory.template add<T>(few_ ? s_.dv : s_.width * widest);
    w.part = w.memory.template add<T>(few_ ? lanes * s_.dv : 0);
    w.keys = w.memory.template add<T>(few_ ? 0 : kRows * s_.d);
    w.values = w.memory.template add<T>(few_ ? 0 : kRows * s_.dv);
    for (T** lane : {&w.max, &w.total, &w.factor, &w.begin, &w.end}) *lane = w.memory.template add<T>(kLanes);
  }

  void task(Worker& w, int64_t index) const {
    Task t;
    t.chunk = index % chunks_;
    // The last queries of a causal attention have most to do, and go first.
    t.first = (blocks_ - 1 - index / chunks_ % blocks_) * kLanes;
    t.head = index / chunks_ / blocks_ % s_.kv_heads();
    t.batch = index / chunks_ / blocks_ / s_.kv_heads();
    t.n = std::min(kLanes, rows_ - t.first);
    const int64_t begin = t.chunk * chunk_, end = begin + chunk_;
    t.keys = {end, begin};
    for (int64_t r = 0; r < kLanes; r++) {
      w.max[r] = kHidden<T>;
      w.total[r] = 0;
      if (r >= t.n) continue;
      KeyRange& seen = w.seen[r] = s_.seen(t.batch, (t.first + r) % s_.l);
      if (seen.begin < seen.end) {
        t.keys.begin = std::min(t.keys.begin, std::max(seen.begin, begin));
        t.keys.end = std::max(t.keys.end, std::min(seen.end, end));
      }
      if (s_.sinks && t.chunk == 0) {
        w.max[r] = T(s_.sink(t.batch, s_.head_of_row(t.head, t.first + r)));
        w.total[r] = 1;
      }
    }
    few_ ? by_rows(w, t) : by_panels(w, t);
  }

  // ---- panels ----

  void by_panels(Worker& w, const Task& t) const {
    const int64_t width = s_.width;
    for (int64_t p = 0; p < t.n; p += width) {
      s_.pack(*s_.q, t.batch, t.head, t.first + p, std::min(width, t.n - p), s_.scale, w.row, w.q + p * s_.d);
    }
    std::fill_n(w.sums, kLanes * s_.dv, T(0));
    HeadRows keys = s_.head_of(*s_.k, t.batch, t.head), values = s_.head_of(*s_.v, t.batch, t.head);
    for (int64_t j = t.keys.begin; j < t.keys.end;) {
      // Blocks end at multiples of kRows: what hides the first keys does not change how the rest is summed.
      const int64_t n = std::min((j / kRows + 1) * kRows, t.keys.end) - j;
      int64_t key_row, value_row;
      const T* key = static_cast<const T*>(keys.rows(j, n, w.keys, &key_row));
      const T* value = static_cast<const T*>(values.rows(j, n, w.values, &value_row));
      for (int64_t p = 0; p < t.n; p += width) {
        const int64_t lanes = std::min(width, t.n - p);
        bool limited = false, any = false;
        for (int64_t r = 0; r < width; r++) {
          const KeyRange seen = r < lanes ? w.seen[p + r] : KeyRange{j, j + n};
          w.begin[r] = T(std::clamp<int64_t>(seen.begin - j, 0, n));
          w.end[r] = T(std::clamp<int64_t>(seen.end - j, 0, n));
          limited |= seen.begin > j || seen.end < j + n;
          any |= r < lanes && w.begin[r] < w.end[r];
        }
        if (!any) continue;
        simd().panel_dots(kDtype, key, key_row, n, s_.d, w.q + p * s_.d, w.scores);
        if (s_.mask) s_.pack_bias(t.batch, t.head, t.first + p, lanes, j, n, w.row, w.bias);
        if (s_.mask || limited) {
          simd().panel_mask(kDtype, w.scores, n, s_.mask ? w.bias : nullptr, limited ? w.begin : nullptr,
                            w.end);
        }
        simd().panel_softmax(kDtype, w.scores, n, w.max + p, w.total + p, w.factor);
        simd().panel_sums(kDtype, value, value_row, n, s_.dv, w.scores, w.factor, w.sums + p * s_.dv);
      }
      j += n;
    }
    for (int64_t p = 0; p < t.n; p += width) {
      simd().transpose(int(sizeof(T)), w.sums + p * s_.dv, width, w.row, s_.dv, s_.dv, width);
      for (int64_t r = 0; r < width && p + r < t.n; r++)
        finish(t, p + r, w.row + r * s_.dv, w.max[p + r], w.total[p + r]);
    }
  }

  // ---- rows of scores ----

  void by_rows(Worker& w, const Task& t) const {
    s_.pack_rows(*s_.q, t.batch, t.head, 0, rows_, s_.scale, w.q);
    std::fill_n(w.sums, rows_ * s_.dv, T(0));
    HeadRows keys = s_.head_of(*s_.k, t.batch, t.head), values = s_.head_of(*s_.v, t.batch, t.head);
    for (int64_t j = t.keys.begin; j < t.keys.end;) {
      const int64_t n = std::min((j / kKeys + 1) * kKeys, t.keys.end) - j;
      keys.runs(j, n, [&](const char* at, int64_t count, int64_t done) {
        simd().skinny_columns(s_.dtype,
                              {rows_, count, s_.d, w.q, s_.d, at, keys.row, w.scores + done, kKeys});
      });
      for (int64_t r = 0; r < rows_; r++) exponentials(w, t, r, j, n);
      values.runs(j, n, [&](const char* at, int64_t count, int64_t done) {
        simd().skinny_rows(s_.dtype,
                           {rows_, s_.dv, count, w.scores + done, kKeys, at, values.row, w.part, s_.dv});
        for (int64_t r = 0; r < rows_; r++) {
          T* sums = w.sums + r * s_.dv;
          simd().axpby(kDtype, done == 0 ? double(w.factor[r]) : 1.0, sums, 1.0, w.part + r * s_.dv, sums,
                       s_.dv);
        }
      });
      j += n;
    }
    for (int64_t r = 0; r < rows_; r++) finish(t, r, w.sums + r * s_.dv, w.max[r], w.total[r]);
  }

  // Scores of a row at keys [j, j + n) become exponentials.
  void exponentials(Worker& w, const Task& t, int64_t r, int64_t j, int64_t n) const {
    T* x = w.scores + r * kKeys;
    if (s_.mask) {
      s_.bias(t.batch, t.head, r, j, n, w.bias);
      for (int64_t i = 0; i < n; i++) x[i] = w.bias[i] == kHidden<T> ? kHidden<T> : x[i] + w.bias[i];
    }
    const int64_t begin = std::clamp<int64_t>(w.seen[r].begin - j, 0, n),
                  end = std::clamp<int64_t>(w.seen[r].end - j, begin, n);
    std::fill_n(x, begin, kHidden<T>);
    std::fill_n(x + end, n - end, kHidden<T>);
    T largest;
    simd().choose_value(true, kDtype, x, n, &largest);
    largest = w.max[r] > largest ? w.max[r] : largest;
    const T shift = shift_of(largest);
    w.factor[r] = fn::exp(w.max[r] - shift);
    w.total[r] = w.total[r] * w.factor[r] + T(simd().softmax_exp(kDtype, x, &shift, n, x));
    w.max[r] = largest;
  }

  // ---- results ----

  // What exponents are measured from: 0 where nothing was seen, so that exp(-inf) is 0 and not NaN.
  static T shift_of(T max) { return max == kHidden<T> ? T(0) : max; }

  void finish(const Task& t, int64_t r, T* row, T max, T total) const {
    const int64_t head = t.batch * s_.kv_heads() + t.head;
    if (chunks_ == 1) return write(head, t.first + r, row, max, total);
    const int64_t at = (head * chunks_ + t.chunk) * rows_ + r;
    std::copy_n(row, s_.dv, results_ + at * s_.dv);
    state_[2 * at] = max;
    state_[2 * at + 1] = total;
  }

  // The chunks of a row, in order.
  void join(int64_t head, int64_t r, T* row) const {
    const int64_t first = head * chunks_ * rows_ + r;
    T max = kHidden<T>, total = 0;
    for (int64_t c = 0; c < chunks_; c++) {
      const T other = state_[2 * (first + c * rows_)];
      max = max > other ? max : other;
    }
    std::fill_n(row, s_.dv, T(0));
    for (int64_t c = 0; c < chunks_; c++) {
      const int64_t at = first + c * rows_;
      const T factor = fn::exp(state_[2 * at] - shift_of(max));
      total += factor * state_[2 * at + 1];
      simd().axpby(kDtype, 1.0, row, double(factor), results_ + at * s_.dv, row, s_.dv);
    }
    write(head, r, row, max, total);
  }

  void write(int64_t kv_head, int64_t r, T* row, T max, T total) const {
    const int64_t batch = kv_head / s_.kv_heads(), head = s_.head_of_row(kv_head % s_.kv_heads(), r);
    const int64_t at = (batch * s_.h + head) * s_.l + r % s_.l;
    if (total == 0) std::fill_n(row, s_.dv, T(0));  // no key was seen
    if (total != 0) simd().softmax_scale(kDtype, row, s_.dv, 1 / double(total));
    simd().from_sums(s_.dtype, row, static_cast<char*>(out_.data()) + at * s_.dv * int64_t(size_of(s_.dtype)),
                     s_.dv);
    if (sums_) sums_->as<T>()[at] = total == 0 ? kHidden<T> : max + fn::log(total);
  }

  const AttentionShape& s_;
  View& out_;
  View* sums_;  // logarithms of the rows' sums of exponentials; null: not wanted
  int64_t rows_, blocks_, chunk_, chunks_ = 1;
  bool few_;
  Pieces partial_;
  T *results_ = nullptr, *state_ = nullptr;  // of chunks: (head, chunk, row) sums, maximum and total
};

void attend(const AttentionShape& shape, View& out, View* sums) {
  if (shape.b * shape.h * shape.l == 0) return;
  shape.carrier == float64 ? Attention<double>(shape, out, sums).run()
                           : Attention<float>(shape, out, sums).run();
}

}  // namespace

void attention(const Call& call) {
  attend(AttentionShape(call, attrs_as<AttentionAttrs>(call.attrs)), call.outputs[0], &call.outputs[1]);
}

void paged_attention(const Call& call) {
  attend(AttentionShape(call, attrs_as<PagedAttentionAttrs>(call.attrs)), call.outputs[0], nullptr);
}

}  // namespace melix::cpu
