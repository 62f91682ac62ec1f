// Tables of Fourier transforms: factors of lengths, powers of roots of unity. Computed in double, rounded once; kept
// in a cache of the process that is bounded in size, so that the next transform of a length finds them.
#pragma once

#include <memory>
#include <vector>

#include "melix/backend/cpu/simd/fft.h"

namespace melix::cpu {

/// What the cache holds. Immutable once it is there.
struct FftTable {
  virtual ~FftTable() = default;
  virtual size_t bytes() const = 0;
};

/// The passes of a transform whose prime factors are at most kFftLargestRadix.
struct FftPlan : FftTable {
  explicit FftPlan(int64_t n);
  size_t bytes() const override { return numbers.size() * sizeof(float); }
  std::vector<FftPass> passes;
  std::vector<float> numbers;  // what the passes point to
};

/// exp(-2 pi i t / n) for any t: the product, in double, of two of about sqrt(n) numbers.
struct FftRoots : FftTable {
  explicit FftRoots(int64_t n);
  size_t bytes() const override { return numbers.size() * sizeof(double); }
  /// For 0 <= t < n.
  void power(int64_t t, double* re, double* im) const {
    const double *a = &numbers[size_t(t >> shift) * 2 + fine], *b = &numbers[size_t(t & mask) * 2];
    *re = a[0] * b[0] - a[1] * b[1];
    *im = a[0] * b[1] + a[1] * b[0];
  }
  int64_t n, mask;
  int shift;
  size_t fine;                  // doubles of the powers 0 ... mask, behind which are those of mask + 1
  std::vector<double> numbers;  // pairs
};

/// exp(-2 pi i k / n) for k = 0 ... n / 4, for real transforms in lanes.
struct FftHalf : FftTable {
  explicit FftHalf(int64_t n);
  size_t bytes() const override { return numbers.size() * sizeof(float); }
  std::vector<float> numbers;  // pairs
};

/// A transform of any length n as a convolution (Bluestein): with c[k] = exp(-pi i k^2 / n)
///
///   X[k] = c[k] * sum over j of (x[j] c[j]) * conj c[k - j]
///
/// which is a product of transforms of a length `padded` >= 2 n - 1.
struct FftChirp : FftTable {
  explicit FftChirp(int64_t n);
  size_t bytes() const override { return (chirp.size() + spectrum.size()) * sizeof(float); }
  int64_t padded;
  std::vector<float> chirp;     // n pairs
  std::vector<float> spectrum;  // of the conjugate, divided by `padded`: as many pairs
};

/// Whether every prime factor has a butterfly.
bool fft_is_smooth(int64_t n);
/// The length that a convolution of n elements is padded to.
int64_t fft_padded(int64_t n);
/// n as a product of two factors, the first one the largest up to sqrt(n); 1 where n is a prime.
int64_t fft_small_factor(int64_t n);

/// The table of a length, from the cache or new. Any thread may call it.
template <class Table>
std::shared_ptr<const Table> fft_table(int64_t n);

}  // namespace melix::cpu
