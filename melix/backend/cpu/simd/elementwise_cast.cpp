// Elementwise kernels: casts between carrier dtypes, and selection.
#include "melix/backend/cpu/simd/elementwise_rows.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class From, class To>
void cast_loop(const void* a, const void*, const void*, void* out, int64_t n) {
  const From* x = static_cast<const From*>(a);
  To* y = static_cast<To*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = fn::cast<To>(x[i]);
}

// Doubles straight to 16 bits, and back to the carrier: by way of float they would be rounded twice.
void float16_of_double(const void* a, const void*, const void*, void* out, int64_t n) {
  const double* x = static_cast<const double*>(a);
  float* y = static_cast<float*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = fn::f16_to_f32(fn::f64_to_f16(x[i]));
}
void bfloat16_of_double(const void* a, const void*, const void*, void* out, int64_t n) {
  const double* x = static_cast<const double*>(a);
  float* y = static_cast<float*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = fn::bf16_to_f32(fn::f64_to_bf16(x[i]));
}

template <class T>
void select_loop(const void* condition, const void* a, const void* b, void* out, int64_t n) {
  const uint8_t* c = static_cast<const uint8_t*>(condition);
  const T* x = static_cast<const T*>(a);
  const T* z = static_cast<const T*>(b);
  T* y = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = c[i] ? x[i] : z[i];
}

template <class From>
ElementwiseFn cast_from(Dtype to) {
  switch (to) {
#define complex64_t fn::Complex64
#define MELIX_DTYPE(name, kind, bytes, stored, computed, letter) \
  case Dtype::name:                                              \
    return cast_loop<From, computed>;
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
#undef complex64_t
  }
  return nullptr;
}

}  // namespace

ElementwiseFn cast_kernel(Dtype from, Dtype to) {
  if (from == float64 && is_half(to)) return to == float16 ? float16_of_double : bfloat16_of_double;
  switch (from) {
#define complex64_t fn::Complex64
#define MELIX_DTYPE(name, kind, bytes, stored, computed, letter) \
  case Dtype::name:                                              \
    return cast_from<computed>(to);
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
#undef complex64_t
  }
  return nullptr;
}

// Selection moves bytes: one loop per size.
ElementwiseFn select_kernel(Dtype dtype) {
  switch (size_of(carrier_of(dtype))) {
    case 1:
      return select_loop<uint8_t>;
    case 2:
      return select_loop<uint16_t>;
    case 4:
      return select_loop<uint32_t>;
    default:
      return select_loop<uint64_t>;
  }
}

ElementwiseFn elementwise(int row, Dtype in, Dtype out) {
  if (Row(row) == Row::cast) return cast_kernel(in, out);
  if (Row(row) == Row::select) return select_kernel(in);
  for (auto part : {unary_math, unary_plain, binary_math, binary_plain}) {
    if (ElementwiseFn kernel = part(row, in)) return kernel;
  }
  return nullptr;
}

}  // namespace melix::cpu::MELIX_ISA
