// One element of a dtype converted to another C++ type, for code outside kernels (scalars, item, printing).
// The rules are those of astype: floats to integers truncate and saturate, NaN is 0, anything but zero is true.
#pragma once

#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "melix/core/dtype.h"
#include "melix/core/half.h"

namespace melix {

template <class T>
inline constexpr bool is_half_type = std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>;

template <class To, class From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_half_type<From>) {
    return convert_element<To>(static_cast<float>(value));
  } else if constexpr (is_half_type<To>) {
    return To(convert_element<float>(value));
  } else if constexpr (std::is_same_v<From, complex64_t>) {
    if constexpr (std::is_same_v<To, bool>) return value != complex64_t(0);
    return convert_element<To>(value.real());
  } else if constexpr (std::is_same_v<To, complex64_t>) {
    return complex64_t(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (value != value) return 0;
    constexpr To lowest = std::numeric_limits<To>::min(), highest = std::numeric_limits<To>::max();
    if (value <= static_cast<From>(lowest)) return lowest;
    if (value >= static_cast<From>(highest)) return highest;
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// Calls `body(T())` with the stored C++ type of the dtype.
template <class Body>
decltype(auto) with_type(Dtype dtype, Body&& body) {
  switch (dtype) {
#define MELIX_DTYPE(name, kind, bytes, stored, computed, letter) \
  case Dtype::name:                                              \
    return body(stored());
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
  }
  __builtin_unreachable();
}

}  // namespace melix
