// Windows of one element: reading and writing them at offsets, per instruction set.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#define MELIX_INLINE static inline __attribute__((always_inline))

constexpr int64_t kDropped = INT64_MIN;  // as in windows.h

template <class T>
void gather_elements_of(const void* from, const int64_t* at, void* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* __restrict y = static_cast<T*>(to);
  for (int64_t i = 0; i < n; i++) y[i] = x[at[i]];
}

struct Replace {
  template <class T>
  MELIX_INLINE T value(T, T x) {
    return x;
  }
};
struct Add {
  template <class T>
  MELIX_INLINE T value(T a, T x) {
    return fn::add(a, x);
  }
};
struct Prod {
  template <class T>
  MELIX_INLINE T value(T a, T x) {
    return fn::multiply(a, x);
  }
};
struct Max {
  template <class T>
  MELIX_INLINE T value(T a, T x) {
    return fn::maximum(a, x);
  }
};
struct Min {
  template <class T>
  MELIX_INLINE T value(T a, T x) {
    return fn::minimum(a, x);
  }
};
struct Divide {
  template <class T>
  MELIX_INLINE T value(T a, T x) {
    return fn::divide(a, x);
  }
};

template <class How, class T>
void scatter_elements_of(void* to, const int64_t* at, const void* from, const int64_t* from_at, int64_t n) {
  T* y = static_cast<T*>(to);
  const T* x = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; i++) {
    if (at[i] != kDropped) y[at[i]] = How::value(y[at[i]], x[from_at[i]]);
  }
}

template <class How>
ScatterFn combining(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return scatter_elements_of<How, float>;
    case Dtype::float64:
      return scatter_elements_of<How, double>;
    case Dtype::complex64:
      return scatter_elements_of<How, fn::Complex64>;
    default:
      break;
  }
  if constexpr (!__is_same(How, Divide)) {
    switch (dtype) {
      case Dtype::bool_:
        return scatter_elements_of<How, bool>;
      case Dtype::uint8:
        return scatter_elements_of<How, uint8_t>;
      case Dtype::uint16:
        return scatter_elements_of<How, uint16_t>;
      case Dtype::uint32:
        return scatter_elements_of<How, uint32_t>;
      case Dtype::uint64:
        return scatter_elements_of<How, uint64_t>;
      case Dtype::int8:
        return scatter_elements_of<How, int8_t>;
      case Dtype::int16:
        return scatter_elements_of<How, int16_t>;
      case Dtype::int32:
        return scatter_elements_of<How, int32_t>;
      case Dtype::int64:
        return scatter_elements_of<How, int64_t>;
      default:
        break;
    }
  }
  return nullptr;
}

ScatterFn replacing(Dtype dtype) {
  switch (size_of(dtype)) {
    case 1:
      return scatter_elements_of<Replace, uint8_t>;
    case 2:
      return scatter_elements_of<Replace, uint16_t>;
    case 4:
      return scatter_elements_of<Replace, uint32_t>;
    default:
      return scatter_elements_of<Replace, uint64_t>;
  }
}

}  // namespace

void gather_elements(int bytes, const void* from, const int64_t* at, void* to, int64_t n) {
  switch (bytes) {
    case 1:
      return gather_elements_of<uint8_t>(from, at, to, n);
    case 2:
      return gather_elements_of<uint16_t>(from, at, to, n);
    case 4:
      return gather_elements_of<uint32_t>(from, at, to, n);
    default:
      return gather_elements_of<uint64_t>(from, at, to, n);
  }
}

ScatterFn scatter_elements(Combine how, Dtype dtype) {
  switch (how) {
    case Combine::replace:
      return replacing(dtype);
    case Combine::add:
      return combining<Add>(dtype);
    case Combine::prod:
      return combining<Prod>(dtype);
    case Combine::max:
      return combining<Max>(dtype);
    case Combine::min:
      return combining<Min>(dtype);
    case Combine::divide:
      return combining<Divide>(dtype);
  }
  return nullptr;
}

}  // namespace melix::cpu::MELIX_ISA
