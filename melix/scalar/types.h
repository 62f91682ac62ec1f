// What the scalar mathematics stands on: MELIX_FN, bits, small traits, Complex64, the instructions that are exact.
// No standard header beyond <cstdint>: the same text is compiled by g++ once per instruction set and by NVRTC.
//
// Rules of every header in this folder:
//  - Every function is MELIX_FN. Nothing may be left to the linker: of several copies it could keep the one compiled
//    for AVX-512, and a machine without AVX-512 would run it.
//  - Elementwise means one expression without branches, so that `for (i < n) out[i] = fn::f(in[i])` becomes vector code
//    with -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off. Choices are `?:` between values already computed.
//  - Only operations that IEEE 754 rounds exactly (+ - * / sqrt, rounding to integer, comparisons, bits), no FMA:
//    every instruction set and the GPU (--fmad=false) give the same bits.
//  - No undefined behaviour for any input: signed integers wrap through unsigned ones, conversions are guarded.
#pragma once

#if defined(__CUDACC_RTC__)
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
#else
#include <cstdint>
#endif

#if defined(__CUDACC__)
#define MELIX_FN static __device__ __forceinline__
#define MELIX_FN_CALLED static __device__ __noinline__
#define MELIX_FN_SLOW static __device__ __noinline__
#define MELIX_TABLE static __device__ const
#else
#define MELIX_FN [[maybe_unused]] static inline __attribute__((always_inline))
// Large, or large and rare: called, not inlined. `static`, so that it is this object's own.
#define MELIX_FN_CALLED [[maybe_unused]] static __attribute__((noinline))
#define MELIX_FN_SLOW [[maybe_unused]] static __attribute__((noinline, cold))
#define MELIX_TABLE [[maybe_unused]] static constexpr
#endif

namespace melix::fn {

/// Two floats as they lie in memory, and nothing else; the operations are free functions (complex.h).
struct Complex64 {
  float re, im;
};

// ---- traits (NVRTC has no <type_traits>) ----

template <class A, class B>
struct Same {
  enum { value = 0 };
};
template <class A>
struct Same<A, A> {
  enum { value = 1 };
};

template <bool condition, class A, class B>
struct Choose {
  using type = A;
};
template <class A, class B>
struct Choose<false, A, B> {
  using type = B;
};

template <class T>
struct Kind {  // integers, bool not among them
  enum {
    floating = Same<T, float>::value || Same<T, double>::value,
    boolean = Same<T, bool>::value,
    complex = Same<T, Complex64>::value,
    integer = !floating && !boolean && !complex,
  };
  enum { is_signed = bool(integer) && T(bool(integer) ? -1 : 0) < T(0) };
};
template <>
struct Kind<Complex64> {
  enum { floating = 0, boolean = 0, complex = 1, integer = 0, is_signed = 0 };
};

template <int bytes>
struct Unsigned;
template <>
struct Unsigned<1> {
  using type = uint8_t;
};
template <>
struct Unsigned<2> {
  using type = uint16_t;
};
template <>
struct Unsigned<4> {
  using type = uint32_t;
};
template <>
struct Unsigned<8> {
  using type = uint64_t;
};
/// The unsigned integer of the same width: where integers wrap, and where the bits of floats live.
template <class T>
using Bits = typename Unsigned<int(sizeof(T))>::type;

// ---- bits ----

MELIX_FN uint32_t bits(float x) { return __builtin_bit_cast(uint32_t, x); }
MELIX_FN uint64_t bits(double x) { return __builtin_bit_cast(uint64_t, x); }
MELIX_FN float from_bits(uint32_t b) { return __builtin_bit_cast(float, b); }
MELIX_FN double from_bits(uint64_t b) { return __builtin_bit_cast(double, b); }

/// 0 or 1. Where a truth value is read from memory, this view of it vectorises and the bool itself does not (GCC 12).
MELIX_FN uint8_t byte(bool b) { return __builtin_bit_cast(uint8_t, b); }

template <class T>
struct Float;
template <>
struct Float<float> {
  static constexpr uint32_t sign = 0x80000000u, infinity = 0x7f800000u, nan = 0x7fc00000u;
};
template <>
struct Float<double> {
  static constexpr uint64_t sign = 0x8000000000000000u, infinity = 0x7ff0000000000000u,
                            nan = 0x7ff8000000000000u;
};

template <class T>
MELIX_FN T infinity() {
  return from_bits(Bits<T>(Float<T>::infinity));
}
template <class T>
MELIX_FN T nan() {
  return from_bits(Bits<T>(Float<T>::nan));
}
template <class T>
MELIX_FN T fabs(T x) {
  return from_bits(Bits<T>(bits(x) & ~Float<T>::sign));
}
/// The magnitude of `x` with the sign bit of `sign`, zeros and NaN included.
template <class T>
MELIX_FN T copysign(T x, T sign) {
  return from_bits(Bits<T>((bits(x) & ~Float<T>::sign) | (bits(sign) & Float<T>::sign)));
}
/// `x` with its sign flipped where `sign` is negative: for x >= 0 and NaN cheaper than copysign.
template <class T>
MELIX_FN T xorsign(T x, T sign) {
  return from_bits(Bits<T>(bits(x) ^ (bits(sign) & Float<T>::sign)));
}
template <class T>
MELIX_FN bool signbit(T x) {
  return (bits(x) & Float<T>::sign) != 0;
}

// ---- one instruction each ----

#if defined(__CUDACC__)
MELIX_FN float hw_sqrt(float x) { return __fsqrt_rn(x); }
MELIX_FN double hw_sqrt(double x) { return __dsqrt_rn(x); }
MELIX_FN float hw_floor(float x) { return ::floorf(x); }
MELIX_FN double hw_floor(double x) { return ::floor(x); }
MELIX_FN float hw_ceil(float x) { return ::ceilf(x); }
MELIX_FN double hw_ceil(double x) { return ::ceil(x); }
MELIX_FN float hw_trunc(float x) { return ::truncf(x); }
MELIX_FN double hw_trunc(double x) { return ::trunc(x); }
MELIX_FN float hw_rint(float x) { return ::rintf(x); }
MELIX_FN double hw_rint(double x) { return ::rint(x); }
#else
MELIX_FN float hw_sqrt(float x) { return __builtin_sqrtf(x); }
MELIX_FN double hw_sqrt(double x) { return __builtin_sqrt(x); }
MELIX_FN float hw_floor(float x) { return __builtin_floorf(x); }
MELIX_FN double hw_floor(double x) { return __builtin_floor(x); }
MELIX_FN float hw_ceil(float x) { return __builtin_ceilf(x); }
MELIX_FN double hw_ceil(double x) { return __builtin_ceil(x); }
MELIX_FN float hw_trunc(float x) { return __builtin_truncf(x); }
MELIX_FN double hw_trunc(double x) { return __builtin_trunc(x); }
MELIX_FN float hw_rint(float x) { return __builtin_rintf(x); }
MELIX_FN double hw_rint(double x) { return __builtin_rint(x); }
#endif

// ---- polynomials ----

/// c0 + x * (c1 + x * (c2 + ...)).
template <class T>
MELIX_FN T horner(T, T c0) {
  return c0;
}
template <class T, class... Rest>
MELIX_FN T horner(T x, T c0, Rest... rest) {
  return c0 + x * horner(x, rest...);
}

/// `condition ? a : b`, the name `where` goes by in the table of operations.
template <class T>
MELIX_FN T select(bool condition, T a, T b) {
  return byte(condition) != 0 ? a : b;
}
MELIX_FN Complex64 select(bool condition, Complex64 a, Complex64 b) {
  return {condition ? a.re : b.re, condition ? a.im : b.im};
}

}  // namespace melix::fn
