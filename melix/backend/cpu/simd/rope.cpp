// The loops of rope, per instruction set. Angles, and their sines and cosines, are computed in double: an angle of
// 131072 radians in float32 would be wrong by 0.004.
#include "melix/backend/cpu/simd/rope.h"

#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T>
struct Plain {
  using Stored = T;
  using Carrier = T;
  MELIX_INLINE T load(T x) { return x; }
  MELIX_INLINE T store(T x) { return x; }
};
struct Float16 {
  using Stored = uint16_t;
  using Carrier = float;
  MELIX_INLINE float load(uint16_t x) { return fn::f16_to_f32(x); }
  MELIX_INLINE uint16_t store(float x) { return fn::f32_to_f16(x); }
};
struct BFloat16 {
  using Stored = uint16_t;
  using Carrier = float;
  MELIX_INLINE float load(uint16_t x) { return fn::bf16_to_f32(x); }
  MELIX_INLINE uint16_t store(float x) { return fn::f32_to_bf16(x); }
};

template <class T>
void angles_of(double position, const double* frequencies, int64_t n, void* cosines, void* sines) {
  constexpr int64_t kRun = 256;
  T *c = static_cast<T*>(cosines), *s = static_cast<T*>(sines);
  double angle[kRun], value[kRun];
  for (int64_t start = 0; start < n; start += kRun) {
    const int64_t count = n - start < kRun ? n - start : kRun;
    for (int64_t i = 0; i < count; i++) angle[i] = position * frequencies[start + i];
    fn::repaired<fn::Cos>(static_cast<const double*>(angle), value, count);
    for (int64_t i = 0; i < count; i++) c[start + i] = T(value[i]);
    fn::repaired<fn::Sin>(static_cast<const double*>(angle), value, count);
    for (int64_t i = 0; i < count; i++) s[start + i] = T(value[i]);
  }
}

// first and second elements of the pairs, `kStep` apart.
template <class Type, int kStep>
MELIX_INLINE void turn(const typename Type::Stored* a, const typename Type::Stored* b,
                       typename Type::Stored* to_a, typename Type::Stored* to_b,
                       const typename Type::Carrier* c, const typename Type::Carrier* s,
                       typename Type::Carrier sign, int64_t n) {
  using T = typename Type::Carrier;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const T x = Type::load(a[i * kStep]), y = Type::load(b[i * kStep]), sine = sign * s[i];
    to_a[i * kStep] = Type::store(x * c[i] - y * sine);
    to_b[i * kStep] = Type::store(x * sine + y * c[i]);
  }
}

template <class Type>
void rotate(const RopeRows& rows) {
  using Stored = typename Type::Stored;
  using T = typename Type::Carrier;
  const int64_t half = rows.half;
  for (int64_t r = 0; r < rows.rows; r++) {
    const Stored* from = static_cast<const Stored*>(rows.from) + r * rows.from_stride;
    Stored* to = static_cast<Stored*>(rows.to) + r * rows.to_stride;
    const T *c = static_cast<const T*>(rows.cosines) + r * half,
            *s = static_cast<const T*>(rows.sines) + r * half;
    const T sign = rows.inverse ? T(-1) : T(1);
    rows.traditional ? turn<Type, 2>(from, from + 1, to, to + 1, c, s, sign, half)
                     : turn<Type, 1>(from, from + half, to, to + half, c, s, sign, half);
    if (rows.tail > 0)
      __builtin_memcpy(to + 2 * half, from + 2 * half, std::size_t(rows.tail) * sizeof(Stored));
  }
}

}  // namespace

void rope_table(Dtype carrier, double position, const double* frequencies, int64_t n, void* cosines,
                void* sines) {
  (carrier == Dtype::float64 ? angles_of<double> : angles_of<float>)(position, frequencies, n, cosines,
                                                                     sines);
}

void rope_rotate(Dtype dtype, const RopeRows& rows) {
  switch (dtype) {
    case Dtype::float64:
      return rotate<Plain<double>>(rows);
    case Dtype::float16:
      return rotate<Float16>(rows);
    case Dtype::bfloat16:
      return rotate<BFloat16>(rows);
    default:
      return rotate<Plain<float>>(rows);
  }
}

}  // namespace melix::cpu::MELIX_ISA
