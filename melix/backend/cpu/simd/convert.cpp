// Conversions of 16-bit floats and strided copies, per instruction set.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {

void widen(Dtype half, const void* from, float* to, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(from);
  if (half == float16) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) to[i] = fn::f16_to_f32(x[i]);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) to[i] = fn::bf16_to_f32(x[i]);
  }
}

void narrow(Dtype half, const float* from, void* to, int64_t n) {
  uint16_t* y = static_cast<uint16_t*>(to);
  if (half == float16) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = fn::f32_to_f16(from[i]);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = fn::f32_to_bf16(from[i]);
  }
}

void round_to(Dtype half, float* values, int64_t n) {
  if (half == float16) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) values[i] = fn::round_f16(values[i]);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) values[i] = fn::round_bf16(values[i]);
  }
}

namespace {

template <class T>
void copy_elements(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  if (from_stride == 0 && to_stride == 1) {
    T value = *x;
    for (int64_t i = 0; i < n; i++) y[i] = value;
  } else if (to_stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * from_stride];
  } else {
    for (int64_t i = 0; i < n; i++) y[i * to_stride] = x[i * from_stride];
  }
}

}  // namespace

void copy_strided(int bytes, const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t n) {
  if (from_stride == 1 && to_stride == 1) {
    __builtin_memcpy(to, from, size_t(n) * size_t(bytes));
    return;
  }
  switch (bytes) {
    case 1:
      return copy_elements<uint8_t>(from, from_stride, to, to_stride, n);
    case 2:
      return copy_elements<uint16_t>(from, from_stride, to, to_stride, n);
    case 4:
      return copy_elements<uint32_t>(from, from_stride, to, to_stride, n);
    default:
      return copy_elements<uint64_t>(from, from_stride, to, to_stride, n);
  }
}

}  // namespace melix::cpu::MELIX_ISA
