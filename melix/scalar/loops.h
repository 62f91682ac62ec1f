// Loops over blocks for the functions whose fast form is wrong for rare arguments: sin, cos, tan, remainder of floats.
//
//   for each run of 256 elements: does any need the slow form?
//     no    the fast form, vectorised, and on
//     yes   the same from a copy, then those elements again, singly
//
// Which form computes an element depends on that element alone, never on its neighbours: blocks may be cut anywhere,
// and single values (fn::sin, fn::remainder) agree bit for bit.
//
//   fn::repaired<fn::Sin>(in, out, n);               out == in is allowed, other overlap is not
//   fn::repaired<fn::Remainder>(a, b, out, n);       out == a or out == b is allowed
#pragma once

#include "melix/scalar/arithmetic.h"
#include "melix/scalar/trigonometric.h"

namespace melix::fn {

#define MELIX_REPAIRED_TRIGONOMETRIC(Name, name) \
  struct Name {                                  \
    template <class T>                           \
    MELIX_FN T fast(T x) {                       \
      return name##_fast(x);                     \
    }                                            \
    template <class T>                           \
    MELIX_FN T slow(T x) {                       \
      return name##_slow(x);                     \
    }                                            \
    template <class T>                           \
    MELIX_FN bool needs_slow(T x) {              \
      return trigonometric_needs_slow(x);        \
    }                                            \
  };
MELIX_REPAIRED_TRIGONOMETRIC(Sin, sin)
MELIX_REPAIRED_TRIGONOMETRIC(Cos, cos)
MELIX_REPAIRED_TRIGONOMETRIC(Tan, tan)
#undef MELIX_REPAIRED_TRIGONOMETRIC

struct Remainder {
  template <class T>
  MELIX_FN T fast(T a, T b) {
    return remainder_fast(a, b);
  }
  template <class T>
  MELIX_FN T slow(T a, T b) {
    return remainder_slow(a, b);
  }
  template <class T>
  MELIX_FN bool needs_slow(T a, T b) {
    return remainder_needs_slow(a, b);
  }
};

template <class Function, class T>
MELIX_FN void repaired(const T* in, T* out, int64_t n) {
  constexpr int64_t run = 256;
  for (int64_t start = 0; start < n; start += run) {
    const int64_t count = n - start < run ? n - start : run;
    const T* x = in + start;
    T* y = out + start;
    Bits<T> any = 0;  // as wide as T: a bool would make the vectoriser pack lanes
    for (int64_t i = 0; i < count; i++) any |= Function::needs_slow(x[i]) ? Bits<T>(1) : Bits<T>(0);
    if (any == 0) {
#pragma GCC ivdep
      for (int64_t i = 0; i < count; i++) y[i] = Function::fast(x[i]);
    } else {
      T copy[run];
      for (int64_t i = 0; i < count; i++) copy[i] = x[i];
      for (int64_t i = 0; i < count; i++) y[i] = Function::fast(copy[i]);
      for (int64_t i = 0; i < count; i++) {
        if (Function::needs_slow(copy[i])) y[i] = Function::slow(copy[i]);
      }
    }
  }
}

template <class Function, class T>
MELIX_FN void repaired(const T* a, const T* b, T* out, int64_t n) {
  constexpr int64_t run = 256;
  for (int64_t start = 0; start < n; start += run) {
    const int64_t count = n - start < run ? n - start : run;
    const T *x = a + start, *y = b + start;
    T* z = out + start;
    Bits<T> any = 0;
    for (int64_t i = 0; i < count; i++) any |= Function::needs_slow(x[i], y[i]) ? Bits<T>(1) : Bits<T>(0);
    if (any == 0) {
#pragma GCC ivdep
      for (int64_t i = 0; i < count; i++) z[i] = Function::fast(x[i], y[i]);
    } else {
      T copy_x[run], copy_y[run];
      for (int64_t i = 0; i < count; i++) copy_x[i] = x[i], copy_y[i] = y[i];
      for (int64_t i = 0; i < count; i++) z[i] = Function::fast(copy_x[i], copy_y[i]);
      for (int64_t i = 0; i < count; i++) {
        if (Function::needs_slow(copy_x[i], copy_y[i])) z[i] = Function::slow(copy_x[i], copy_y[i]);
      }
    }
  }
}

}  // namespace melix::fn
