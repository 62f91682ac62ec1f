// Rules of random numbers: bits from keys, and the distributions made from them by elementwise operations.
#include "melix/ops/random.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <random>

#include "melix/ops/argreduce.h"
#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"
#include "melix/ops/sort.h"
#include "melix/scalar/threefry.h"

namespace melix {
namespace {

// ---- bits ----

Dtype unsigned_of(int width) {
  switch (width) {
    case 1:
      return uint8;
    case 2:
      return uint16;
    case 4:
      return uint32;
    case 8:
      return uint64;
    default:
      fail(Code::value, "bits", "width must be 1, 2, 4 or 8 bytes, not ", width);
  }
}

void infer_bits(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<RandomBitsAttrs>(attrs);
  Dtype dtype = unsigned_of(a.width);
  if (in[0].dtype() != uint32) fail(Code::value, "bits", "a key has dtype uint32, not ", in[0].dtype());
  if (in[0].ndim() == 0 || in[0].shape().back() != 2) {
    fail(Code::value, "bits", "a key has shape (2,), not ", in[0].shape());
  }
  // Counters have 32 bits: a key has two words for each. Beyond them words would repeat.
  if (elements("bits", a.shape) > (int64_t(1) << 35) / a.width) {
    fail(Code::value, "bits", "one key gives at most 2^33 words, shape ", a.shape, " needs more");
  }
  Shape shape(in[0].shape().begin(), in[0].shape().end() - 1);
  shape.insert(shape.end(), a.shape.begin(), a.shape.end());
  elements("bits", shape);
  out.push_back({std::move(shape), dtype});
}

std::vector<array> bits_vmap(const VmapContext& c) {
  return {make(op::random_bits, Ref<const Attrs>(c.attrs), {c.inputs[0]})};
}

std::vector<MaybeArray> no_vjp(const VjpContext&) { return {std::nullopt}; }
std::vector<MaybeArray> no_jvp(const JvpContext&) { return {std::nullopt}; }

// ---- covariance_factor: F with F F^T = the matrix, for positive semi-definite matrices (..., n, n) ----

void infer_factor(const Attrs*, std::span<const array> in, Avals& out) {
  const Shape& shape = in[0].shape();
  if (shape.size() < 2 || shape.back() != shape[shape.size() - 2]) {
    fail(Code::value, "multivariate_normal", "cov has shape ", shape, ", not (..., n, n)");
  }
  if (in[0].dtype() != float32) fail(Code::value, "multivariate_normal", "cov has dtype ", in[0].dtype());
  out.push_back({shape, float32});
}

std::vector<array> factor_vmap(const VmapContext& c) {
  return {make(op::covariance_factor, {}, {c.inputs[0]})};
}

}  // namespace

namespace op {
const Op random_bits{.name = "random_bits",
                     .infer = infer_bits,
                     .vjp = no_vjp,
                     .jvp = no_jvp,
                     .vmap = bits_vmap,
                     .read_attrs = RandomBitsAttrs::read};
const Op covariance_factor{.name = "covariance_factor", .infer = infer_factor, .vmap = factor_vmap};
}  // namespace op

namespace random {
namespace {

// ---- the sequence of keys ----

array host_key(uint32_t a, uint32_t b) {
  const uint32_t words[] = {a, b};
  return array(words, {2}, uint32);
}

class ProcessKey final : public KeySource {
 public:
  array next() override {
    std::lock_guard guard(lock_);
    auto [kept, given] = split_key(key_);
    key_ = kept;
    return given;
  }
  void set(const array& key) override {
    array before = array::none();  // freed after the lock
    std::lock_guard guard(lock_);
    before = std::exchange(key_, key);
  }

 private:
  std::mutex lock_;
  array key_ = arbitrary_key();
};

std::atomic<KeySource*> replacement{nullptr};

KeySource& keys() {
  static auto* own = new ProcessKey;  // threads may draw until the process ends
  KeySource* other = replacement.load(std::memory_order_acquire);
  return other ? *other : *own;
}

array given_or_next(const std::optional<array>& key) {
  if (!key) return keys().next();
  if (key->dtype() != uint32 || key->shape() != Shape{2}) {
    fail(Code::value, "random", "a key is an array of uint32 and shape (2,), not ", key->dtype(), " and ",
         key->shape());
  }
  return *key;
}

array drawn(const char* op, const Shape& shape, int width, const std::optional<array>& key) {
  elements(op, shape);
  return make(op::random_bits, make_attrs<RandomBitsAttrs>(shape, width), {given_or_next(key)});
}

// ---- uniform numbers ----

// Whether an argument is the number itself, so that what it does can be left out.
bool is_number(const array& a, double value) {
  return a.ndim() == 0 && a.ready() && !is_complex(a.dtype()) && a.item<double>() == value;
}

// In [0, 1). The largest float16 and bfloat16 below 1 stand for the numbers that would round to it.
array unit(const char* op, const Shape& shape, Dtype dtype, const std::optional<array>& key) {
  if (dtype == float64)
    return astype(right_shift(drawn(op, shape, 8, key), array(int64_t(11), uint64)), float64) * 0x1p-53;
  array x = minimum(astype(drawn(op, shape, 4, key), float32) / array(0x1p32, float32),
                    array(1 - 0x1p-24, float32));
  if (dtype == float32) return x;
  return minimum(astype(x, dtype), array(dtype == float16 ? 1 - 0x1p-11 : 1 - 0x1p-8, dtype));
}

void check_floating(const char* op, Dtype dtype) {
  if (!is_floating(dtype)) fail(Code::value, op, "makes floating numbers, not ", dtype);
}

// Both broadcast to the shape, or an error.
void check_shape(const char* op, const array& a, const array& b, const Shape& shape) {
  if (broadcast(op, broadcast(op, a.shape(), b.shape()), shape) != shape) {
    fail(Code::value, op, "bounds of shapes ", a.shape(), " and ", b.shape(), " do not broadcast to shape ",
         shape);
  }
}

array between(const char* op, const array& low, const array& high, const Shape& shape, Dtype dtype,
              const std::optional<array>& key) {
  check_shape(op, low, high, shape);
  array x = unit(op, shape, dtype, key);
  if (is_number(low, 0) && is_number(high, 1)) return x;
  array from = astype(low, dtype);
  return (astype(high, dtype) - from) * x + from;
}

// In (-1, 1), for distributions that are infinite at the ends. Short floats draw in float32.
array symmetric(const char* op, const Shape& shape, Dtype dtype, const std::optional<array>& key) {
  Dtype wide = dtype == float64 ? float64 : float32;
  array low(dtype == float64 ? -1 + 0x1p-53 : -1 + 0x1p-24, wide);
  return between(op, low, array(1.0, wide), shape, wide, key);
}

}  // namespace

// ---- keys ----

array key(uint64_t seed) { return host_key(uint32_t(seed >> 32), uint32_t(seed)); }

array arbitrary_key() {
  auto now = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
  try {
    std::random_device device;
    return key(now ^ (uint64_t(device()) << 32 | device()));
  } catch (const std::exception&) {
    return key(now);
  }
}

void seed(uint64_t seed) { keys().set(key(seed)); }

void set_key_source(KeySource* source) { replacement.store(source, std::memory_order_release); }

std::pair<array, array> split_key(const array& key) {
  if (key.ready() && key.dtype() == uint32 && key.shape() == Shape{2}) {
    const View& view = key.view();
    const uint32_t *first = view.as<uint32_t>(), *second = first + view.strides[0];
    uint32_t x[2] = {0, 1}, y[2] = {2, 3};
    for (int i = 0; i < 2; i++) fn::threefry(*first, *second, x[i], y[i]);
    return {host_key(x[0], x[1]), host_key(y[0], y[1])};
  }
  std::vector<array> both = unstack(split(key));
  return {both[0], both[1]};
}

array split(const array& key, int64_t num, StreamOrDevice s) {
  StreamScope scope(s);
  if (num < 0) fail(Code::value, "split", "cannot make ", num, " keys");
  return drawn("split", {num, 2}, 4, key);
}

array bits(const Shape& shape, int width, const std::optional<array>& key, StreamOrDevice s) {
  StreamScope scope(s);
  unsigned_of(width);
  return drawn("bits", shape, width, key);
}

// ---- distributions ----

array uniform(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const std::optional<array>& key, StreamOrDevice s) {
  check_floating("uniform", dtype);
  StreamScope scope(s);
  return between("uniform", low, high, shape, dtype, key);
}

array normal(const Shape& shape, Dtype dtype, const std::optional<array>& loc,
             const std::optional<array>& scale, const std::optional<array>& key, StreamOrDevice s) {
  if (!is_inexact(dtype)) fail(Code::value, "normal", "makes floating and complex numbers, not ", dtype);
  StreamScope scope(s);
  array x = array::none();
  array factor(is_complex(dtype) ? 1.0 : M_SQRT2, dtype);
  if (is_complex(dtype)) {
    Shape parts = shape;
    parts.push_back(2);
    x = squeeze(view(erfinv(symmetric("normal", parts, float32, key)), complex64), std::vector<int>{-1});
  } else {
    x = astype(erfinv(symmetric("normal", shape, dtype, key)), dtype);
  }
  if (scale) factor = factor * astype(*scale, dtype);
  if (scale || !is_complex(dtype)) x = x * factor;
  if (loc) x = x + astype(*loc, dtype);
  if (x.shape() != shape) {
    fail(Code::value, "normal", "loc and scale do not broadcast to shape ", shape);
  }
  return x;
}

array multivariate_normal(const array& mean, const array& cov, const Shape& shape, Dtype dtype,
                          const std::optional<array>& key, StreamOrDevice s) {
  constexpr const char* name = "multivariate_normal";
  if (dtype != float32) fail(Code::value, name, "is defined for float32, not for ", dtype);
  if (mean.ndim() < 1) fail(Code::value, name, "mean must have at least one dimension");
  if (cov.ndim() < 2)
    fail(Code::value, name, "cov must have at least two dimensions, got shape ", cov.shape());
  int64_t n = mean.shape().back();
  if (cov.shape(-1) != n || cov.shape(-2) != n) {
    fail(Code::value, name, "cov of shape ", cov.shape(), " for means of length ", n);
  }
  StreamScope scope(s);
  Shape means(mean.shape().begin(), mean.shape().end() - 1),
      matrices(cov.shape().begin(), cov.shape().end() - 2);
  Shape batch = broadcast(name, broadcast(name, means, matrices), shape);
  batch.push_back(n);
  array z = expand_dims(normal(batch, float32, std::nullopt, std::nullopt, key), {-2});
  array factor = make(op::covariance_factor, {}, {astype(cov, float32)});
  return astype(mean, float32) + sum(factor * z, std::vector<int>{-1});
}

array randint(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const std::optional<array>& key, StreamOrDevice s) {
  if (is_inexact(dtype)) fail(Code::value, "randint", "is not defined for ", dtype);
  StreamScope scope(s);
  Dtype whole = dtype == bool_ ? int32 : dtype;
  array x = astype(floor(between("randint", low, high, shape, float32, key)), whole);
  array from = astype(low, whole), last = astype(high, whole) - array(int64_t(1), whole);
  return astype(maximum(minimum(x, last), from), dtype);
}

array bernoulli(const array& p, const std::optional<Shape>& shape, const std::optional<array>& key,
                StreamOrDevice s) {
  if (!is_floating(p.dtype()))
    fail(Code::value, "bernoulli", "the probability must be a floating number, not ", p.dtype());
  StreamScope scope(s);
  Shape to = shape.value_or(p.shape());
  check_shape("bernoulli", p, p, to);
  return unit("bernoulli", to, p.dtype() == float64 ? float64 : float32, key) < p;
}

array truncated_normal(const array& lower, const array& upper, const std::optional<Shape>& shape, Dtype dtype,
                       const std::optional<array>& key, StreamOrDevice s) {
  check_floating("truncated_normal", dtype);
  StreamScope scope(s);
  array low = astype(lower, dtype), high = astype(upper, dtype), root(M_SQRT2, dtype);
  Shape to = shape ? *shape : broadcast("truncated_normal", lower.shape(), upper.shape());
  array x = between("truncated_normal", erf(low / root), erf(high / root), to, dtype, key);
  return maximum(minimum(root * erfinv(x), high), low);
}

array gumbel(const Shape& shape, Dtype dtype, const std::optional<array>& key, StreamOrDevice s) {
  check_floating("gumbel", dtype);
  StreamScope scope(s);
  return -log(-log(unit("gumbel", shape, dtype, key)));
}

// The largest of logits + Gumbel noise is at i with the probability of i.
array categorical(const array& logits, int axis, const std::optional<Shape>& shape,
                  std::optional<int64_t> num_samples, const std::optional<array>& key, StreamOrDevice s) {
  StreamScope scope(s);
  int at = normal_axis("categorical", axis, logits.shape());
  if (logits.shape()[uint32_t(at)] == 0)
    fail(Code::value, "categorical", "axis ", at, " of shape ", logits.shape(), " has nothing to draw from");
  if (shape && num_samples) fail(Code::value, "categorical", "takes shape or num_samples, not both");
  if (num_samples) {
    if (*num_samples < 0) fail(Code::value, "categorical", "cannot draw ", *num_samples, " samples");
    array wide = expand_dims(logits, {-1});
    Shape noise = logits.shape();
    noise.push_back(*num_samples);
    return argmax(wide + gumbel(noise, float32, key), at);
  }
  Shape noise = logits.shape();
  int along = at;
  if (shape) {
    Shape left = logits.shape();
    left.erase(left.begin() + at);
    if (broadcast("categorical", left, *shape) != *shape) {
      fail(Code::value, "categorical", "shape ", *shape, " does not fit logits that leave ", left);
    }
    along = at + int(shape->size() - left.size());
    noise = *shape;
    noise.insert(noise.begin() + along, logits.shape()[uint32_t(at)]);
  }
  return argmax(logits + gumbel(noise, float32, key), along);
}

array laplace(const Shape& shape, Dtype dtype, double loc, double scale, const std::optional<array>& key,
              StreamOrDevice s) {
  check_floating("laplace", dtype);
  StreamScope scope(s);
  array u = symmetric("laplace", shape, dtype, key);
  array x = astype(sign(u) * log1p(-abs(u)), dtype);
  if (scale != 1) x = x * array(scale, dtype);
  return loc == 0 ? x : x + array(loc, dtype);
}

array permutation(const std::variant<int64_t, array>& x, int axis, const std::optional<array>& key,
                  StreamOrDevice s) {
  StreamScope scope(s);
  if (const int64_t* n = std::get_if<int64_t>(&x)) {
    if (*n < 0) fail(Code::value, "permutation", "of ", *n, " numbers");
    return argsort(drawn("permutation", {*n}, 4, key), 0);
  }
  const array& a = std::get<array>(x);
  int at = normal_axis("permutation", axis, a.shape());
  return take(a, argsort(drawn("permutation", {a.shape()[uint32_t(at)]}, 4, key), 0), at);
}

}  // namespace random
}  // namespace melix
