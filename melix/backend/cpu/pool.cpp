// Kernels of max_pool and its derivatives. Windows are those of a convolution with one channel to a group
// (conv_shape.h): for each result, taps meet places of the input. Rows of results, or of the input, are shared out; in
// a row, a tap is one loop over all its places where the stride is 1, else one over the channels of each.
#include "melix/ops/pool.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/conv_runs.h"
#include "melix/backend/cpu/products.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"
#include "melix/ops/elementwise.h"

namespace melix::cpu {
namespace {

constexpr int64_t kTaskElements = 1 << 15;  // elements times taps of a task: 5 to 10 microseconds

ConvAttrs as_convolution(const PoolAttrs& a, int64_t channels) {
  ConvAttrs out;
  size_t dims = a.kernel.size();
  out.stride = a.stride;
  out.kernel = a.kernel;
  out.padding_low = out.padding_high = a.padding;
  out.kernel_dilation = out.input_dilation = Shape(dims, 1);
  out.groups = std::max<int64_t>(channels, 1);
  out.flip = false;
  return out;
}

class Pool {
 public:
  Pool(const PoolAttrs& attrs, const Shape& input, const Shape& result, Dtype dtype)
      : shape_(as_convolution(attrs, input.back()), input, result),
        phase_(shape_.phases[0]),
        c_(input.back()),
        dtype_(dtype),
        bytes_(int64_t(size_of(dtype))) {}

  const ConvShape& shape() const { return shape_; }
  int64_t row_bytes(const Triple& spatial) const { return spatial[2] * c_ * bytes_; }

  /// body(number of the row, its elements) for all rows of arrays with these spatial axes, in parallel.
  template <class Body>
  void for_rows(const Triple& spatial, Body body) const {
    int64_t work = std::max<int64_t>(spatial[2] * c_ * shape_.kernel, 1);
    parallel_for(shape_.n * spatial[0] * spatial[1], 1 + kTaskElements / work,
                 [&](int64_t begin, int64_t end) {
                   ThreadMemory memory;
                   for (int64_t row = begin; row < end; row++) body(memory, row);
                 });
  }

  /// loop(x, y, n) for each tap of a row of results: n elements from byte x of the input and byte y of the row on meet.
  template <class Loop>
  void for_taps(int64_t row, Loop loop) const {
    int64_t q1 = row % shape_.out[1], q0 = row / shape_.out[1] % shape_.out[0];
    int64_t image = row / shape_.out[1] / shape_.out[0];
    for (const ConvTap& tap : phase_.taps) {
      int64_t z = q0 * phase_.input_step[0] + tap.at[0], y = q1 * phase_.input_step[1] + tap.at[1];
      if (z < 0 || z >= shape_.in[0] || y < 0 || y >= shape_.in[1]) continue;
      along_row(tap, ((image * shape_.in[0] + z) * shape_.in[1] + y) * row_bytes(shape_.in), 0, loop);
    }
  }

  /// The same for a row of the input and all rows of results that it meets: n elements from byte x of that row and byte
  /// y of the results on.
  template <class Loop>
  void for_taps_of_input(int64_t row, Loop loop) const {
    int64_t y = row % shape_.in[1], z = row / shape_.in[1] % shape_.in[0];
    int64_t image = row / shape_.in[1] / shape_.in[0];
    for (const ConvTap& tap : phase_.taps) {
      int64_t from[2] = {z - tap.at[0], y - tap.at[1]}, q[2];
      bool meets = true;
      for (size_t d = 0; d < 2; d++) {
        q[d] = from[d] / phase_.input_step[d];
        meets &= from[d] >= 0 && from[d] % phase_.input_step[d] == 0 && q[d] < shape_.out[d];
      }
      if (meets)
        along_row(tap, 0, ((image * shape_.out[0] + q[0]) * shape_.out[1] + q[1]) * row_bytes(shape_.out),
                  loop);
    }
  }

 private:
  // Results [low, high) of a row are those whose place the input has.
  template <class Loop>
  void along_row(const ConvTap& tap, int64_t input, int64_t result, Loop loop) const {
    int64_t step = phase_.input_step[2], first = tap.at[2], size = c_ * bytes_;
    int64_t low = first < 0 ? (-first + step - 1) / step : 0;
    int64_t high = first < shape_.in[2] ? std::min(shape_.out[2], (shape_.in[2] - 1 - first) / step + 1) : 0;
    if (low >= high) return;
    if (step == 1) return loop(input + (low + first) * size, result + low * size, (high - low) * c_);
    for (int64_t q = low; q < high; q++) loop(input + (q * step + first) * size, result + q * size, c_);
  }

  ConvShape shape_;
  const ConvPhase& phase_;
  int64_t c_;
  Dtype dtype_;
  int64_t bytes_;
};

void fill_lowest(Dtype dtype, void* to, int64_t n) {
  with_type(dtype, [&]<class T>(T) {
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      using Limits = std::numeric_limits<T>;
      std::fill_n(static_cast<T*>(to), n, Limits::has_infinity ? T(-Limits::infinity()) : Limits::lowest());
    }
  });
}

void fill_ones(Dtype dtype, void* to, int64_t n) {
  dtype == float64 ? (void)std::fill_n(static_cast<double*>(to), n, 1.0)
                   : (void)std::fill_n(static_cast<float*>(to), n, 1.0f);
}

char* bytes_of(const View& v) { return static_cast<char*>(v.data()); }

// Rows are made as sums (float32 for 16-bit floats), in place where these have the result's bits.
template <class Make>
void write_row(ThreadMemory& memory, View& out, int64_t row, int64_t n, Make make) {
  char* to = bytes_of(out) + row * n * int64_t(size_of(out.dtype));
  if (!is_half(out.dtype)) return make(to);
  char* wide = static_cast<char*>(memory.bytes(n * 4));
  make(wide);
  simd().from_sums(out.dtype, wide, to, n);
}

}  // namespace

void max_pool(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  View x = as_sums(call.inputs[0]);
  Pool pool(attrs_as<PoolAttrs>(call.attrs), x.shape, out.shape, x.dtype);
  ElementwiseFn larger = simd().elementwise(int(Elementwise::maximum), x.dtype, x.dtype);
  int64_t n = pool.shape().out[2] * out.shape.back();
  pool.for_rows(pool.shape().out, [&](ThreadMemory& memory, int64_t row) {
    write_row(memory, out, row, n, [&](char* to) {
      fill_lowest(x.dtype, to, n);
      pool.for_taps(row, [&](int64_t from, int64_t at, int64_t count) {
        larger(to + at, bytes_of(x) + from, nullptr, to + at, count);
      });
    });
  });
}

void max_pool_collect(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  View x = as_sums(call.inputs[0]), y = as_sums(call.inputs[1]), values = as_sums(call.inputs[2]);
  Pool pool(attrs_as<PoolAttrs>(call.attrs), x.shape, y.shape, x.dtype);
  // A window of NaN, or outside of the input, has no largest element: 0 / 1.
  ElementwiseFn larger = simd().elementwise(int(Elementwise::maximum), x.dtype, x.dtype);
  ElementwiseFn divide = simd().elementwise(int(Elementwise::divide), x.dtype, x.dtype);
  int64_t n = pool.shape().out[2] * out.shape.back(), size = n * int64_t(size_of(x.dtype));
  pool.for_rows(pool.shape().out, [&](ThreadMemory& memory, int64_t row) {
    ThreadMemory more;
    char *counts = static_cast<char*>(more.bytes(2 * size)), *ones = counts + size;
    std::memset(counts, 0, size_t(size));
    fill_ones(x.dtype, ones, n);
    const char* largest = bytes_of(y) + row * size;
    write_row(memory, out, row, n, [&](char* to) {
      std::memset(to, 0, size_t(size));
      pool.for_taps(row, [&](int64_t from, int64_t at, int64_t count) {
        simd().add_where_equal(x.dtype, bytes_of(x) + from, largest + at, ones, count, counts + at);
        simd().add_where_equal(x.dtype, bytes_of(x) + from, largest + at, bytes_of(values) + from, count,
                               to + at);
      });
      larger(counts, ones, nullptr, counts, n);
      divide(to, counts, nullptr, to, n);
    });
  });
}

void max_pool_spread(const Call& call) {
  View& out = call.outputs[0];
  if (out.size() == 0) return;
  View x = as_sums(call.inputs[0]), y = as_sums(call.inputs[1]), values = as_sums(call.inputs[2]);
  Pool pool(attrs_as<PoolAttrs>(call.attrs), x.shape, y.shape, x.dtype);
  // A window of NaN, or outside of the input, has no largest element: 0 / 1.
  ElementwiseFn larger = simd().elementwise(int(Elementwise::maximum), x.dtype, x.dtype);
  ElementwiseFn divide = simd().elementwise(int(Elementwise::divide), x.dtype, x.dtype);
  int64_t n = pool.shape().out[2] * x.shape.back(), size = n * int64_t(size_of(x.dtype));
  View shares = allocate_view(y.shape, x.dtype);  // of one of the largest elements
  pool.for_rows(pool.shape().out, [&](ThreadMemory& memory, int64_t row) {
    char* ones = static_cast<char*>(memory.bytes(size));
    fill_ones(x.dtype, ones, n);
    char* share = bytes_of(shares) + row * size;
    std::memset(share, 0, size_t(size));
    pool.for_taps(row, [&](int64_t from, int64_t at, int64_t count) {
      simd().add_where_equal(x.dtype, bytes_of(x) + from, bytes_of(y) + row * size + at, ones, count,
                             share + at);
    });
    larger(share, ones, nullptr, share, n);
    divide(bytes_of(values) + row * size, share, nullptr, share, n);
  });
  int64_t width = pool.shape().in[2] * x.shape.back(), row_size = pool.row_bytes(pool.shape().in);
  pool.for_rows(pool.shape().in, [&](ThreadMemory& memory, int64_t row) {
    write_row(memory, out, row, width, [&](char* to) {
      std::memset(to, 0, size_t(row_size));
      pool.for_taps_of_input(row, [&](int64_t at, int64_t from, int64_t count) {
        simd().add_where_equal(x.dtype, bytes_of(x) + row * row_size + at, bytes_of(y) + from,
                               bytes_of(shares) + from, count, to + at);
      });
    });
  });
}

}  // namespace melix::cpu
