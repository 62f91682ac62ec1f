// Random bits, and factors of covariance matrices.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "melix/backend/backend.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/threads.h"
#include "melix/ops/random.h"

namespace melix::cpu {
namespace {

constexpr int64_t kCounters = 1024;  // of one task; each gives two words
constexpr int64_t kGrainWords = 16384;

// The bytes of one key's words (see RandomBitsAttrs). The last word may be cut off, so that bytes of the next key may
// begin anywhere.
class Stream {
 public:
  Stream(const uint32_t* key, char* out, int64_t bytes) : key_(key), out_(out), bytes_(bytes) {
    int64_t words = (bytes + 3) / 4;
    half_ = words / 2;
    second_ = words - half_;
  }

  /// Tasks of one key, which depend on the number of bytes alone.
  static int64_t tasks(int64_t bytes) {
    return std::max<int64_t>(1, ((bytes + 3) / 8 + kCounters - 1) / kCounters);
  }

  void run(int64_t task) {
    if (task == 0 && second_ != half_) {
      uint32_t word, other;
      simd().threefry(key_[0], key_[1], uint32_t(half_), 0, 1, &word, &other);
      put(&word, half_, 1);
    }
    int64_t begin = task * kCounters, n = std::min(kCounters, half_ - begin);
    if (n <= 0) return;
    bool direct = bytes_ % 4 == 0 && reinterpret_cast<uintptr_t>(out_) % 4 == 0;
    uint32_t scratch[2][kCounters];
    uint32_t* first = direct ? reinterpret_cast<uint32_t*>(out_) + begin : scratch[0];
    uint32_t* second = direct ? reinterpret_cast<uint32_t*>(out_) + second_ + begin : scratch[1];
    simd().threefry(key_[0], key_[1], uint32_t(begin), uint32_t(second_ + begin), n, first, second);
    if (direct) return;
    put(first, begin, n);
    put(second, second_ + begin, n);
  }

 private:
  void put(const uint32_t* words, int64_t at, int64_t n) {
    std::memcpy(out_ + 4 * at, words, size_t(std::min(4 * n, bytes_ - 4 * at)));
  }

  const uint32_t* key_;
  char* out_;
  int64_t bytes_, half_, second_;  // words of the first half, place of the second
};

// Cholesky with complete pivoting, of a matrix in double: column k of the factor is column p of what is left over its
// root, p the row with the largest diagonal. It ends where nothing but rounding errors is left, so that the matrix may
// be singular. A NaN is taken for the largest: it comes out.
void factorise(const float* matrix, int64_t n, float* factor) {
  std::vector<double> left(size_t(n * n)), column(static_cast<size_t>(n));
  std::vector<char> done(size_t(n), 0);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j <= i; j++) left[size_t(i * n + j)] = left[size_t(j * n + i)] = matrix[i * n + j];
  }
  std::fill_n(factor, n * n, 0.0f);
  double smallest = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t p = -1;
    for (int64_t i = 0; i < n; i++) {
      double d = left[size_t(i * n + i)];
      if (!done[size_t(i)] && (p < 0 || !(d <= left[size_t(p * n + p)]))) p = i;
    }
    double pivot = left[size_t(p * n + p)];
    if (k == 0) smallest = double(n) * 0x1p-24 * pivot;  // the matrix itself was rounded to float32
    if (pivot <= smallest) return;
    double root = std::sqrt(pivot);
    done[size_t(p)] = 1;
    for (int64_t i = 0; i < n; i++) {
      bool before = done[size_t(i)] && i != p;
      column[size_t(i)] = before ? 0 : i == p ? root : left[size_t(p * n + i)] / root;
      factor[i * n + k] = float(column[size_t(i)]);
    }
    for (int64_t i = 0; i < n; i++) {
      if (done[size_t(i)]) continue;
      double* row = left.data() + i * n;
      double by = column[size_t(i)];
      for (int64_t j = 0; j < n; j++) row[j] -= by * column[size_t(j)];
    }
  }
}

}  // namespace

void random_bits(const Call& call) {
  const auto& a = attrs_as<RandomBitsAttrs>(call.attrs);
  const uint32_t* keys = call.inputs[0].as<uint32_t>();
  char* out = call.outputs[0].as<char>();
  int64_t bytes = elements(a.shape) * a.width, number = call.inputs[0].size() / 2;
  if (bytes == 0 || number == 0) return;
  int64_t tasks = Stream::tasks(bytes), words = std::min<int64_t>(bytes / 4 + 1, 2 * kCounters);
  parallel_for(number * tasks, std::max<int64_t>(1, kGrainWords / words), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      int64_t key = i / tasks;
      Stream(keys + 2 * key, out + key * bytes, bytes).run(i % tasks);
    }
  });
}

void covariance_factor(const Call& call) {
  const View &in = call.inputs[0], &out = call.outputs[0];
  if (in.size() == 0) return;
  int64_t n = in.shape.back();
  parallel_for(in.size() / (n * n), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      factorise(in.as<float>() + i * n * n, n, out.as<float>() + i * n * n);
  });
}

}  // namespace melix::cpu
