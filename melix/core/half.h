// The two 16-bit floats as bits, with the conversions of melix/scalar for code outside kernels.
// They carry no arithmetic: 16-bit values are computed in float (design section 3).
#pragma once

#include <complex>
#include <cstdint>

namespace melix {

struct float16_t {
  uint16_t bits = 0;
  float16_t() = default;
  explicit float16_t(float value);
  explicit operator float() const;
};

struct bfloat16_t {
  uint16_t bits = 0;
  bfloat16_t() = default;
  explicit bfloat16_t(float value);
  explicit operator float() const;
};

using complex64_t = std::complex<float>;

}  // namespace melix
