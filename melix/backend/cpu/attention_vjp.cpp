// Gradients of attention. Weights are made anew, block by block, from the logarithms of their sums, in two passes that
// write what no other task writes:
//
//   p = exp(q.k - log_sums)     dp = g.v     ds = p (dp - delta)     delta = sum of g * out
//
//   queries as lanes    dq = sum of ds k over keys (and the gradients of mask and sinks)
//   keys as lanes       dk = sum of ds q, dv = sum of p g over queries and heads of the group
#include <algorithm>
#include <limits>

#include "melix/backend/cpu/attention_shape.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"
#include "melix/ops/attention.h"
#include "melix/scalar/math.h"

namespace melix::cpu {
namespace {

template <class T>
class AttentionGradient {
 public:
  AttentionGradient(const Call& call, const AttentionAttrs& attrs)
      : s_(call, attrs), dq_(call.outputs[0]), dk_(call.outputs[1]), dv_(call.outputs[2]) {
    const size_t extra = 3 + attrs.mask + attrs.sinks;
    out_ = &call.inputs[extra];
    log_sums_ = &call.inputs[extra + 1];
    g_ = &call.inputs[extra + 2];
    if (attrs.sinks) dsinks_ = &call.outputs[3];
    if (attrs.mask_grad) dmask_ = &call.outputs[attrs.sinks ? 4 : 3];
    rows_ = s_.rows();
  }

  void run() {
    Pieces memory;
    memory.add<T>(2 * s_.b * s_.h * s_.l);
    memory.make();
    shift_ = memory.add<T>(2 * s_.b * s_.h * s_.l);
    delta_ = shift_ + s_.b * s_.h * s_.l;
    parallel_for(s_.b * s_.h, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) sums_of_head(i / s_.h, i % s_.h);
    });
    const int64_t heads = s_.b * s_.kv_heads();
    pass(heads, rows_, &AttentionGradient::queries);
    pass(heads, s_.s, &AttentionGradient::keys);
  }

 private:
  static constexpr Dtype kDtype = sizeof(T) == 8 ? float64 : float32;
  static constexpr int64_t kRows = kAttentionRows;

  struct Worker {
    explicit Worker(const AttentionGradient& of) {
      of.place(*this);
      memory.make();
      of.place(*this);
    }
    Pieces memory;
    T *one, *two;            // what the lanes are: queries and gradients, or keys and values
    T *rows_one, *rows_two;  // what they meet, widened
    T *sum_one, *sum_two;    // results, as panels
    T *scores, *change, *bias, *row;
    T *begin, *end, *ones, *shift, *delta;
  };
  // Lanes [first, first + n) of a head of k.
  struct Task {
    int64_t batch, head, first, n;
  };

  void place(Worker& w) const {
    const int64_t width = s_.width, widest = std::max({s_.d, s_.dv, kRows});
    for (T** panel : {&w.one, &w.sum_one}) *panel = w.memory.template add<T>(width * s_.d);
    for (T** panel : {&w.two, &w.sum_two}) *panel = w.memory.template add<T>(width * s_.dv);
    w.rows_one = w.memory.template add<T>(kRows * s_.d);
    w.rows_two = w.memory.template add<T>(kRows * s_.dv);
    for (T** panel : {&w.scores, &w.change, &w.bias}) *panel = w.memory.template add<T>(width * kRows);
    w.row = w.memory.template add<T>(width * widest);
    for (T** lane : {&w.begin, &w.end, &w.ones, &w.shift, &w.delta}) *lane = w.memory.template add<T>(width);
  }

  void pass(int64_t heads, int64_t lanes, void (AttentionGradient::*body)(Worker&, const Task&) const) const {
    const int64_t blocks = (lanes + s_.width - 1) / s_.width;
    const double work = double(s_.width) * double(lanes == rows_ ? s_.s : rows_) * double(s_.d + s_.dv);
    const int64_t grain = std::max<int64_t>(1, int64_t(double(1 << 18) / std::max(work, 1.0)));
    parallel_for(heads * blocks, grain, [&](int64_t begin, int64_t end) {
      Worker w(*this);
      std::fill_n(w.ones, s_.width, T(1));
      for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % blocks * s_.width, head = i / blocks;
        Task t{head / s_.kv_heads(), head % s_.kv_heads(), first, std::min(s_.width, lanes - first)};
        (this->*body)(w, t);
      }
    });
  }

  int64_t number(const Task& t, int64_t r) const {
    return (t.batch * s_.h + s_.head_of_row(t.head, r)) * s_.l + r % s_.l;
  }

  // shift, delta and the gradient of the sink of one head of q.
  void sums_of_head(int64_t batch, int64_t h) const {
    Pieces memory;
    memory.add<T>(2 * s_.dv);
    memory.make();
    T *x = memory.add<T>(2 * s_.dv), *y = x + s_.dv;
    const int64_t head = h / s_.groups, first = h % s_.groups * s_.l;
    T sink = dsinks_ ? T(s_.sink(batch, h)) : T(0), sink_sum = 0;
    for (int64_t i = 0; i < s_.l; i++) {
      const int64_t at = (batch * s_.h + h) * s_.l + i;
      s_.pack_rows(*out_, batch, head, first + i, 1, 1, x);
      s_.pack_rows(*g_, batch, head, first + i, 1, 1, y);
      T partial[8] = {};
      for (int64_t c = 0; c < s_.dv; c++) partial[c % 8] += x[c] * y[c];
      T sum = 0;
      for (T p : partial) sum += p;
      const char* log_sum = s_.row_of(*log_sums_, batch, head, first + i);
      T shift = *reinterpret_cast<const T*>(log_sum);
      // A row that sees nothing has scores of -inf only, and exp(-inf - 0) is 0.
      shift_[at] = shift == -std::numeric_limits<T>::infinity() ? T(0) : shift;
      delta_[at] = sum;
      if (dsinks_) sink_sum -= fn::exp(sink - shift_[at]) * sum;
    }
    if (dsinks_) {
      const int64_t bytes = int64_t(size_of(s_.dtype));
      simd().from_sums(s_.dtype, &sink_sum, static_cast<char*>(dsinks_->data()) + (batch * s_.h + h) * bytes,
                       1);
    }
  }

  // Lanes of a panel as rows of an output, times factor. `to(lane)` is where each goes.
  template <class To>
  void store(Worker& w, const T* panel, int64_t width, int64_t lanes, double factor, To to) const {
    simd().transpose(int(sizeof(T)), panel, s_.width, w.row, width, width, s_.width);
    if (factor != 1) simd().softmax_scale(kDtype, w.row, lanes * width, factor);
    for (int64_t r = 0; r < lanes; r++) simd().from_sums(s_.dtype, w.row + r * width, to(r), width);
  }

  char* out_row(View& out, int64_t row, int64_t width) const {
    return static_cast<char*>(out.data()) + row * width * int64_t(size_of(s_.dtype));
  }

  void queries(Worker& w, const Task& t) const {
    const int64_t d = s_.d, dv = s_.dv;
    s_.pack(*s_.q, t.batch, t.head, t.first, t.n, s_.scale, w.row, w.one);
    s_.pack(*g_, t.batch, t.head, t.first, t.n, 1, w.row, w.two);
    std::fill_n(w.sum_one, s_.width * d, T(0));
    KeyRange all{s_.s, 0}, seen[kAttentionLanes];
    for (int64_t r = 0; r < s_.width; r++) {
      const int64_t at = r < t.n ? number(t, t.first + r) : 0;
      w.shift[r] = r < t.n ? shift_[at] : T(0);
      w.delta[r] = r < t.n ? delta_[at] : T(0);
      seen[r] = r < t.n ? s_.seen(t.batch, (t.first + r) % s_.l) : KeyRange{0, 0};
      if (seen[r].begin >= seen[r].end) continue;
      all = {std::min(all.begin, seen[r].begin), std::max(all.end, seen[r].end)};
    }
    if (dmask_) {
      for (int64_t r = 0; r < t.n; r++) {
        std::fill_n(out_row(*dmask_, number(t, t.first + r), s_.s), s_.s * int64_t(size_of(s_.dtype)),
                    char(0));
      }
    }
    HeadRows keys = s_.head_of(*s_.k, t.batch, t.head), values = s_.head_of(*s_.v, t.batch, t.head);
    for (int64_t j = all.begin, n; j < all.end; j += n) {
      n = std::min(kRows, all.end - j);
      int64_t key_row, value_row;
      const void* key = keys.rows(j, n, w.rows_one, &key_row);
      const void* value = values.rows(j, n, w.rows_two, &value_row);
      for (int64_t r = 0; r < s_.width; r++) {
        w.begin[r] = T(std::clamp<int64_t>(seen[r].begin - j, 0, n));
        w.end[r] = T(std::clamp<int64_t>(seen[r].end - j, 0, n));
      }
      simd().panel_dots(kDtype, key, key_row, n, d, w.one, w.scores);
      simd().panel_dots(kDtype, value, value_row, n, dv, w.two, w.change);
      if (s_.mask) s_.pack_bias(t.batch, t.head, t.first, t.n, j, n, w.row, w.bias);
      simd().panel_mask(kDtype, w.scores, n, s_.mask ? w.bias : nullptr, w.begin, w.end);
      simd().panel_gradient(kDtype, w.scores, w.change, n, w.shift, w.delta, true);
      simd().panel_sums(kDtype, key, key_row, n, d, w.change, w.ones, w.sum_one);
      if (!dmask_) continue;
      store(w, w.change, n, t.n, 1, [&](int64_t r) {
        return out_row(*dmask_, number(t, t.first + r), s_.s) + j * int64_t(size_of(s_.dtype));
      });
    }
    store(w, w.sum_one, d, t.n, s_.scale, [&](int64_t r) { return out_row(dq_, number(t, t.first + r), d); });
  }

  void keys(Worker& w, const Task& t) const {
    const int64_t d = s_.d, dv = s_.dv;
    pack_keys(w, s_.head_of(*s_.k, t.batch, t.head), t, s_.scale, w.one);
    pack_keys(w, s_.head_of(*s_.v, t.batch, t.head), t, 1, w.two);
    std::fill_n(w.sum_one, s_.width * d, T(0));
    std::fill_n(w.sum_two, s_.width * dv, T(0));
    // Queries that see these keys: causality gives the first of them, the window the last.
    const int64_t ahead = s_.s - s_.l;
    KeyRange all{0, s_.l};
    if (s_.causal) all.begin = std::clamp<int64_t>(t.first - ahead, 0, s_.l);
    if (s_.causal && s_.window > 0) {
      all.end = std::clamp<int64_t>(t.first + t.n - 1 + s_.window - ahead, 0, s_.l);
    }
    for (int64_t group = 0; group < s_.groups; group++) {
      for (int64_t i = all.begin, n; i < all.end; i += n) {
        n = std::min(kRows, all.end - i);
        meet_queries(w, t, group * s_.l + i, i, n);
      }
    }
    const int64_t row = (t.batch * s_.kv_heads() + t.head) * s_.s + t.first;
    store(w, w.sum_one, d, t.n, s_.scale, [&](int64_t r) { return out_row(dk_, row + r, d); });
    store(w, w.sum_two, dv, t.n, 1, [&](int64_t r) { return out_row(dv_, row + r, dv); });
  }

  void pack_keys(Worker& w, const HeadRows& rows, const Task& t, double factor, T* panel) const {
    int64_t distance;
    const T* from = static_cast<const T*>(rows.rows(t.first, t.n, w.row, &distance));
    std::fill_n(panel, s_.width * rows.width, T(0));
    simd().transpose(int(sizeof(T)), from, distance, panel, s_.width, t.n, rows.width);
    if (factor != 1) simd().softmax_scale(kDtype, panel, s_.width * rows.width, factor);
  }

  // n queries of one head, from row r, which is query i, on.
  void meet_queries(Worker& w, const Task& t, int64_t r, int64_t i, int64_t n) const {
    const int64_t d = s_.d, dv = s_.dv, ahead = s_.s - s_.l;
    s_.pack_rows(*s_.q, t.batch, t.head, r, n, 1, w.rows_one);
    s_.pack_rows(*g_, t.batch, t.head, r, n, 1, w.rows_two);
    simd().panel_dots(kDtype, w.rows_one, d, n, d, w.one, w.scores);
    simd().panel_dots(kDtype, w.rows_two, dv, n, dv, w.two, w.change);
    for (int64_t lane = 0; lane < s_.width; lane++) {
      const int64_t j = t.first + lane;  // is seen by queries [j - ahead, j - ahead + window)
      w.begin[lane] = T(s_.causal ? std::clamp<int64_t>(j - ahead - i, 0, n) : 0);
      w.end[lane] = T(s_.causal && s_.window > 0 ? std::clamp<int64_t>(j - ahead + s_.window - i, 0, n) : n);
    }
    if (s_.mask) {
      std::fill_n(w.bias, n * s_.width, T(0));
      for (int64_t k = 0; k < n; k++) s_.bias(t.batch, t.head, r + k, t.first, t.n, w.bias + k * s_.width);
    }
    if (s_.mask || s_.causal) {
      simd().panel_mask(kDtype, w.scores, n, s_.mask ? w.bias : nullptr, s_.causal ? w.begin : nullptr,
                        w.end);
    }
    const int64_t at = number(t, r);
    simd().panel_gradient(kDtype, w.scores, w.change, n, shift_ + at, delta_ + at, false);
    simd().panel_sums(kDtype, w.rows_one, d, n, d, w.change, w.ones, w.sum_one);
    simd().panel_sums(kDtype, w.rows_two, dv, n, dv, w.scores, w.ones, w.sum_two);
  }

  AttentionShape s_;
  const View *out_, *log_sums_, *g_;
  View &dq_, &dk_, &dv_;
  View *dsinks_ = nullptr, *dmask_ = nullptr;
  int64_t rows_;
  T *shift_ = nullptr, *delta_ = nullptr;  // (B, H, L)
};

}  // namespace

void attention_vjp(const Call& call) {
  const auto& attrs = attrs_as<AttentionAttrs>(call.attrs);
  if (call.inputs[0].shape[1] == 0) {  // no head of q uses the keys
    for (View& out : call.outputs) std::fill_n(static_cast<char*>(out.data()), out.nbytes(), char(0));
    return;
  }
  carrier_of(call.inputs[0].dtype) == float64 ? AttentionGradient<double>(call, attrs).run()
                                              : AttentionGradient<float>(call, attrs).run();
}

}  // namespace melix::cpu
