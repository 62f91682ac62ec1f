// Random numbers from keys. A key is two 32-bit words; the same key gives the same numbers, on any device and with any
// number of threads. Functions that get no key take the next one of the process's sequence, which `seed` restarts.
#pragma once

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op random_bits, covariance_factor;
}

/// Input: keys, (..., 2) of uint32. Output: for each key an array of `shape`, of unsigned integers of `width` bytes.
///
/// The words of one key are encrypted counters. For an even number of words, word i of the first half and word i of the
/// second come from the counter (i, i + half); for an odd number, the one in the middle comes from (half, 0) and the
/// second half counts from half + 1. Narrow integers are the bytes of the words in order, wide ones two words.
struct RandomBitsAttrs : Attributes<RandomBitsAttrs> {
  Shape shape;
  int width;
  static constexpr auto fields() {
    return std::tuple{field("shape", &RandomBitsAttrs::shape), field("width", &RandomBitsAttrs::width)};
  }
};

namespace random {

/// The key that belongs to a seed.
/// @python module=random
array key(uint64_t seed);

/// Restarts the sequence of keys that functions without a key take.
/// @python module=random
void seed(uint64_t seed);

/// `num` keys made from one, as an array (num, 2).
/// @python keyword=none
array split(const array& key, int64_t num = 2, StreamOrDevice s = {});

/// Random bits: unsigned integers of `width` bytes (1, 2, 4 or 8).
/// @python keyword=none
array bits(const Shape& shape = {}, int width = 4, const std::optional<array>& key = std::nullopt,
           StreamOrDevice s = {});

/// Numbers of a floating dtype evenly distributed in [low, high), which broadcast to `shape`.
/// @python keyword=none
array uniform(const array& low = 0, const array& high = 1, const Shape& shape = {}, Dtype dtype = float32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Normally distributed numbers of a floating dtype or complex64, with mean `loc` (0) and standard deviation `scale`
/// (1). Real and imaginary parts of complex numbers have variance 1/2 each.
/// @python keyword=none
array normal(const Shape& shape = {}, Dtype dtype = float32, const std::optional<array>& loc = std::nullopt,
             const std::optional<array>& scale = std::nullopt, const std::optional<array>& key = std::nullopt,
             StreamOrDevice s = {});

/// Vectors of normally distributed numbers with means (..., n) and covariance matrices (..., n, n), which must be
/// positive semi-definite (not checked; only their lower triangles are read). `shape` is that of the batch, by default
/// the one that means and matrices broadcast to.
/// @python keyword=none
array multivariate_normal(const array& mean, const array& cov, const Shape& shape = {}, Dtype dtype = float32,
                          const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Integers evenly distributed in [low, high), which broadcast to `shape`. They are drawn in float32: of an interval
/// wider than 2^24 not every integer can come.
/// @python keyword=none
array randint(const array& low, const array& high, const Shape& shape = {}, Dtype dtype = int32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Booleans that are true with probability `p`, which broadcasts to `shape` (by default its own).
/// @python keyword=none
array bernoulli(const array& p = 0.5, const std::optional<Shape>& shape = std::nullopt,
                const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Numbers of the standard normal distribution cut off outside of [lower, upper], which broadcast to `shape`.
/// @python keyword=none
array truncated_normal(const array& lower, const array& upper,
                       const std::optional<Shape>& shape = std::nullopt, Dtype dtype = float32,
                       const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Numbers of the standard Gumbel distribution, -log(-log(u)).
/// @python keyword=none
array gumbel(const Shape& shape = {}, Dtype dtype = float32, const std::optional<array>& key = std::nullopt,
             StreamOrDevice s = {});

/// Indices along an axis, each as likely as its element of softmax(logits), as uint32. The result has the shape of
/// `logits` without the axis; or `shape`, to which that broadcasts; or that with `num_samples` as one more axis at the
/// end.
/// @python keyword=none
array categorical(const array& logits, int axis = -1, const std::optional<Shape>& shape = std::nullopt,
                  std::optional<int64_t> num_samples = std::nullopt,
                  const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Numbers of the Laplace distribution around `loc` with scale `scale`.
/// @python keyword=none
array laplace(const Shape& shape = {}, Dtype dtype = float32, double loc = 0.0, double scale = 1.0,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// The numbers below x in random order, as uint32; or the array x with its parts along an axis in random order.
/// @python keyword=none
array permutation(const std::variant<int64_t, array>& x, int axis = 0,
                  const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

/// Who keeps the key that the process's sequence has come to. Any thread may call it.
class KeySource {
 public:
  virtual ~KeySource() = default;
  /// Splits the key in two: keeps the first, gives the second.
  virtual array next() = 0;
  virtual void set(const array& key) = 0;
};

/// A key that nobody can know beforehand, which a sequence begins with.
array arbitrary_key();

/// The two keys that KeySource::next makes from one; at once where the key's value is there.
std::pair<array, array> split_key(const array& key);

/// Replaces the keeper (an array behind a mutex); null gives it back. The object must live until it is replaced.
void set_key_source(KeySource* source);

}  // namespace random
}  // namespace melix
