// Elements as sort keys and back: unsigned integers in the order of the elements. Not the sorting itself (sort.cpp).
//
//   integers    biased by the sign bit
//   floats      negative ones inverted, the others with the sign bit set; -0 as 0; NaN, of either sign, the largest key
//   complex     key of the real part above that of the imaginary part; numbers with NaN last: first those whose
//               imaginary part alone is NaN (in the order of the real part), then by the imaginary part
//
// Keys have 4 bytes for elements of up to 4 bytes, 8 for the others. What two equal keys stood for is lost: -0 and the
// kinds of NaN are counted here and put back by the caller.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE static inline __attribute__((always_inline))

// `Stored` is the unsigned integer of the element's width, Key that of the key's.
template <class Stored, class Key>
void unsigned_keys(const void* from, int64_t n, void* to) {
  const Stored* x = static_cast<const Stored*>(from);
  Key* keys = static_cast<Key*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) keys[i] = x[i];
}
template <class Stored, class Key>
void unsigned_values(const void* from, int64_t n, void* to) {
  const Key* keys = static_cast<const Key*>(from);
  Stored* x = static_cast<Stored*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) x[i] = Stored(keys[i]);
}

template <class Stored>
inline constexpr Stored kSign = Stored(Stored(1) << (sizeof(Stored) * 8 - 1));

template <class Stored, class Key>
void signed_keys(const void* from, int64_t n, void* to) {
  const Stored* x = static_cast<const Stored*>(from);
  Key* keys = static_cast<Key*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) keys[i] = Stored(x[i] ^ kSign<Stored>);
}
template <class Stored, class Key>
void signed_values(const void* from, int64_t n, void* to) {
  const Key* keys = static_cast<const Key*>(from);
  Stored* x = static_cast<Stored*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) x[i] = Stored(keys[i]) ^ kSign<Stored>;
}

// The key of a float's bits; `infinity` are those of infinity. NaN: all ones, which no number has.
template <class Stored>
MELIX_INLINE Stored float_key(Stored bits, Stored infinity) {
  const Stored sign = kSign<Stored>;
  const bool nan = Stored(bits & Stored(~sign)) > infinity;
  const Stored flip = bits & sign ? Stored(~Stored(0)) : sign;
  const Stored key = bits == sign ? sign : Stored(bits ^ flip);
  return nan ? Stored(~Stored(0)) : key;
}

template <class Stored, class Key>
void float_keys(const void* from, int64_t n, void* to, Stored infinity, SortSpecials* specials) {
  const Stored* x = static_cast<const Stored*>(from);
  Key* keys = static_cast<Key*>(to);
  const Stored sign = kSign<Stored>;
  Key nans = 0, zeros = 0;  // n is below 2^31: they do not overflow
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const Stored bits = x[i];
    keys[i] = float_key(bits, infinity);
    nans += Stored(bits & Stored(~sign)) > infinity ? 1 : 0;
    zeros += bits == sign ? 1 : 0;
  }
  specials->nans += int64_t(nans);
  specials->negative_zeros += int64_t(zeros);
}
template <class Stored, class Key>
void float_values(const void* from, int64_t n, void* to) {
  const Key* keys = static_cast<const Key*>(from);
  Stored* x = static_cast<Stored*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const Stored key = Stored(keys[i]);
    x[i] = Stored(key ^ (key & kSign<Stored> ? kSign<Stored> : Stored(~Stored(0))));
  }
}

void complex_keys(const void* from, int64_t n, void* to) {
  const uint32_t* x = static_cast<const uint32_t*>(from);
  uint64_t* keys = static_cast<uint64_t*>(to);
  const uint32_t nan = ~uint32_t(0);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const uint32_t real = float_key(x[2 * i], fn::Float<float>::infinity);
    const uint32_t imaginary = float_key(x[2 * i + 1], fn::Float<float>::infinity);
    const bool only_imaginary = (imaginary == nan) & (real != nan);
    const uint32_t high = only_imaginary ? nan - 1 : real, low = only_imaginary ? real : imaginary;
    keys[i] = uint64_t(high) << 32 | low;
  }
}

constexpr uint16_t kInfinity16 = 0x7c00, kInfinityB16 = 0x7f80;

}  // namespace

void sort_keys(Dtype dtype, const void* x, int64_t n, void* keys, SortSpecials* specials) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8:
      return unsigned_keys<uint8_t, uint32_t>(x, n, keys);
    case Dtype::uint16:
      return unsigned_keys<uint16_t, uint32_t>(x, n, keys);
    case Dtype::uint32:
      return unsigned_keys<uint32_t, uint32_t>(x, n, keys);
    case Dtype::uint64:
      return unsigned_keys<uint64_t, uint64_t>(x, n, keys);
    case Dtype::int8:
      return signed_keys<uint8_t, uint32_t>(x, n, keys);
    case Dtype::int16:
      return signed_keys<uint16_t, uint32_t>(x, n, keys);
    case Dtype::int32:
      return signed_keys<uint32_t, uint32_t>(x, n, keys);
    case Dtype::int64:
      return signed_keys<uint64_t, uint64_t>(x, n, keys);
    case Dtype::float16:
      return float_keys<uint16_t, uint32_t>(x, n, keys, kInfinity16, specials);
    case Dtype::bfloat16:
      return float_keys<uint16_t, uint32_t>(x, n, keys, kInfinityB16, specials);
    case Dtype::float32:
      return float_keys<uint32_t, uint32_t>(x, n, keys, fn::Float<float>::infinity, specials);
    case Dtype::float64:
      return float_keys<uint64_t, uint64_t>(x, n, keys, fn::Float<double>::infinity, specials);
    case Dtype::complex64:
      return complex_keys(x, n, keys);
  }
}

void sort_values(Dtype dtype, const void* keys, int64_t n, void* x) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8:
      return unsigned_values<uint8_t, uint32_t>(keys, n, x);
    case Dtype::uint16:
      return unsigned_values<uint16_t, uint32_t>(keys, n, x);
    case Dtype::uint32:
      return unsigned_values<uint32_t, uint32_t>(keys, n, x);
    case Dtype::uint64:
      return unsigned_values<uint64_t, uint64_t>(keys, n, x);
    case Dtype::int8:
      return signed_values<uint8_t, uint32_t>(keys, n, x);
    case Dtype::int16:
      return signed_values<uint16_t, uint32_t>(keys, n, x);
    case Dtype::int32:
      return signed_values<uint32_t, uint32_t>(keys, n, x);
    case Dtype::int64:
      return signed_values<uint64_t, uint64_t>(keys, n, x);
    case Dtype::float16:
    case Dtype::bfloat16:
      return float_values<uint16_t, uint32_t>(keys, n, x);
    case Dtype::float32:
      return float_values<uint32_t, uint32_t>(keys, n, x);
    case Dtype::float64:
      return float_values<uint64_t, uint64_t>(keys, n, x);
    case Dtype::complex64:
      return;  // has keys without a way back: it is sorted by index
  }
}

void pair_keys32(const uint32_t* keys, int64_t first, int64_t n, uint64_t* pairs) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) pairs[i] = uint64_t(keys[i]) << 32 | uint64_t(first + i);
}
void pair_keys64(const uint64_t* keys, uint64_t base, int shift, int64_t first, int64_t n, uint64_t* pairs) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) pairs[i] = ((keys[i] - base) >> shift) << 32 | uint64_t(first + i);
}
void pair_indices(const uint64_t* pairs, int64_t n, uint32_t* indices) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) indices[i] = uint32_t(pairs[i]);
}
void key_range(const uint64_t* keys, int64_t n, uint64_t* lowest, uint64_t* highest) {
  uint64_t low = keys[0], high = keys[0];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    low = keys[i] < low ? keys[i] : low;
    high = keys[i] > high ? keys[i] : high;
  }
  *lowest = low;
  *highest = high;
}

}  // namespace melix::cpu::MELIX_ISA
