// What the kernels of matrix products share: native vectors, the types that products are accumulated in, and the
// conversion of one stored element to them.
//
//   stored                     accumulated in
//   float16 bfloat16 float32   float32
//   float64                    float64
//   bool                       uint8 (or, and)
//   int8 uint8, int16 uint16   uint16: the low bits of a product depend on the low bits of its factors alone
//   32 and 64 bits             the unsigned type
//   complex64                  float32 twice (see the packing)
#pragma once

#ifdef __x86_64__
#include <immintrin.h>  // functions that are always inlined: nothing for the linker
#endif

#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct Native {
  typedef T vector __attribute__((vector_size(kVectorBytes), may_alias));
  static constexpr int kLanes = kVectorBytes / int(sizeof(T));
};
template <class T>
using Vector = typename Native<T>::vector;

#define MELIX_PRODUCT static inline __attribute__((always_inline))

template <class T>
MELIX_PRODUCT Vector<T> load(const T* from) {
  Vector<T> out;
  __builtin_memcpy(&out, from, sizeof(out));
  return out;
}
template <class T>
MELIX_PRODUCT void store(T* to, Vector<T> value) {
  __builtin_memcpy(to, &value, sizeof(value));
}
template <class T>
MELIX_PRODUCT Vector<T> splat(T value) {
  return value - Vector<T>{};  // which costs nothing; a sum with 0 would be computed, as it changes -0
}

// sum + a * b. The one place where floats are multiplied and added with one rounding, where the instruction set has
// that: products are as fast as they can be, and their bits belong to an instruction set.
template <class V>
MELIX_PRODUCT V multiply_add(V a, V b, V sum) {
  return a * b + sum;
}
#if defined(__AVX512F__)
MELIX_PRODUCT Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> sum) {
  return Vector<float>(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(sum)));
}
MELIX_PRODUCT Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> sum) {
  return Vector<double>(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(sum)));
}
#elif defined(__FMA__)
MELIX_PRODUCT Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> sum) {
  return Vector<float>(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(sum)));
}
MELIX_PRODUCT Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> sum) {
  return Vector<double>(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(sum)));
}
#endif

// Sums of products, and their logical counterpart for bool.
struct Arithmetic {
  template <class V>
  MELIX_PRODUCT V add(V sum, V term) {
    return sum + term;
  }
  template <class V>
  MELIX_PRODUCT V add_product(V sum, V a, V b) {
    return multiply_add(a, b, sum);
  }
};
struct Logical {
  template <class V>
  MELIX_PRODUCT V add(V sum, V term) {
    return V(sum | term);
  }
  template <class V>
  MELIX_PRODUCT V add_product(V sum, V a, V b) {
    return V(sum | (a & b));
  }
};

// A stored element type: its bytes, what it is accumulated in, and how it gets there.
template <class StoredType, class SumType, class OpsType = Arithmetic>
struct Plain {
  using Stored = StoredType;
  using Sum = SumType;
  using Ops = OpsType;
  MELIX_PRODUCT Sum widen(Stored x) { return Sum(x); }
};
struct Float16 : Plain<uint16_t, float> {
  MELIX_PRODUCT float widen(uint16_t x) { return fn::f16_to_f32(x); }
};
// A signalling NaN may stay one: the product makes it quiet.
struct Bfloat16 : Plain<uint16_t, float> {
  MELIX_PRODUCT float widen(uint16_t x) { return fn::from_bits(uint32_t(x) << 16); }
};

template <class E>
void widen_run(const typename E::Stored* from, typename E::Sum* to, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] = E::widen(from[i]);
}
#ifdef __F16C__
// The instruction gives the bits of fn::f16_to_f32, three times as fast.
template <>
inline void widen_run<Float16>(const uint16_t* from, float* to, int64_t n) {
  typedef short Halves __attribute__((vector_size(16)));
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    Halves halves;
    __builtin_memcpy(&halves, from + i, sizeof(halves));
    auto wide = __builtin_ia32_vcvtph2ps256(halves);
    __builtin_memcpy(to + i, &wide, sizeof(wide));
  }
  for (; i < n; i++) to[i] = fn::f16_to_f32(from[i]);
}
#endif

/// Calls `body(E())` with the type above that belongs to the dtype (float32 for complex64).
template <class Body>
MELIX_PRODUCT void with_element(Dtype dtype, Body body) {
  switch (dtype) {
    case Dtype::bool_:
      return body(Plain<uint8_t, uint8_t, Logical>());
    case Dtype::uint8:
    case Dtype::int8:
      return body(Plain<uint8_t, uint16_t>());
    case Dtype::uint16:
    case Dtype::int16:
      return body(Plain<uint16_t, uint16_t>());
    case Dtype::uint32:
    case Dtype::int32:
      return body(Plain<uint32_t, uint32_t>());
    case Dtype::uint64:
    case Dtype::int64:
      return body(Plain<uint64_t, uint64_t>());
    case Dtype::float16:
      return body(Float16());
    case Dtype::bfloat16:
      return body(Bfloat16());
    case Dtype::float64:
      return body(Plain<double, double>());
    default:
      return body(Plain<float, float>());
  }
}

}  // namespace
}  // namespace melix::cpu::MELIX_ISA
