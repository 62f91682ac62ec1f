// The loops of cumulative operations, per instruction set.
//
// Row (elements along memory): vectors of kWidth results. Within a vector prefixes are made in log2(kWidth) steps, each
// joining what stands 1, 2, 4, ... places before:
//
//   x0  x1     x2     x3
//   x0  x01    x12    x23
//   x0  x01    x012   x0123       joined with the running result, which then takes in the last of them
//
// The order of operations is fixed by the place in the row alone, and equal on every instruction set.
//
// Column (neighbours in memory belong to different rows): one running result for each.
//
// Floats are added and multiplied in double, small integers in 32 bits. Eight float32 can be multiplied in any order
// without leaving the range of double; float64 and complex numbers are taken one after the other.
#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/simd.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// ---- operations, on numbers and on vectors of them ----

template <class T>
MELIX_INLINE T lowest() {
  if constexpr (fn::Kind<T>::floating) {
    return -fn::infinity<T>();
  } else if constexpr (fn::Kind<T>::is_signed) {
    return T(fn::Bits<T>(1) << (sizeof(T) * 8 - 1));
  } else {
    return T(0);
  }
}
template <class T>
MELIX_INLINE T highest() {
  if constexpr (fn::Kind<T>::floating) {
    return fn::infinity<T>();
  } else {
    return T(~lowest<T>());
  }
}

// nothing: joined with x gives x. before_first: what an exclusive scan begins with.
struct Sum {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return A{-0.0, -0.0};
    else
      return A(-A(0));  // -0 of floats: 0 would turn -0 into 0
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return T{};
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return {a.re + b.re, a.im + b.im};
    else
      return a + b;
  }
};
struct Prod {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {1, 0};
    else
      return A(1);
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::product(a, b);
    else
      return a * b;
  }
};
struct Max {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {-fn::infinity<float>(), -fn::infinity<float>()};
    else
      return lowest<A>();
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::maximum(a, b);
    else
      return (a > b) | (a != a) ? a : b;
  }
};
struct Min {
  template <class A>
  MELIX_INLINE A nothing() {
    if constexpr (__is_class(A))
      return {fn::infinity<float>(), fn::infinity<float>()};
    else
      return highest<A>();
  }
  template <class T>
  MELIX_INLINE T before_first() {
    return nothing<T>();
  }
  template <class A>
  MELIX_INLINE A join(const A& a, const A& b) {
    if constexpr (__is_class(A))
      return fn::minimum(a, b);
    else
      return (a < b) | (a != a) ? a : b;
  }
};

// From the stored type to that of the running result, and back.
template <class To, class From>
MELIX_INLINE To as(From x) {
  if constexpr (__is_same(From, fn::Complex64) && __is_same(To, fn::ComplexDouble)) {
    return fn::widen(x);
  } else if constexpr (__is_same(From, fn::ComplexDouble) && __is_same(To, fn::Complex64)) {
    return fn::narrow(x);
  } else {
    return To(x);
  }
}

// ---- rows ----

// Lane l of v joined with lanes l - D, l - 2 * D, ..., for all that there are.
template <class Op, int D, class V, int... I>
MELIX_INLINE void prefixes(V& v, const V& nothing, Ints<I...> lanes) {
  constexpr int n = int(sizeof...(I));
  if constexpr (D < n) {
    const V before = __builtin_shufflevector(v, nothing, (I >= D ? I - D : n)...);
    v = Op::join(before, v);
    prefixes<Op, D * 2>(v, nothing, lanes);
  }
}

template <class V, int... I>
MELIX_INLINE void reverse_lanes(V& v, Ints<I...>) {
  v = __builtin_shufflevector(v, v, (int(sizeof...(I)) - 1 - I)...);
}

// Runs from the first element to the last, or (kReverse) from the last to the first.
template <class Op, bool kReverse, class T, class A>
MELIX_INLINE void run_vectors(const T* x, int64_t n, T* y, A* carry) {
  constexpr int kWidth = 64 / int(sizeof(A));
  using V = Vector<A>;
  using Stored = Vector<T, kWidth* int(sizeof(T))>;
  A running = *carry;
  const V nothing = V{} + Op::template nothing<A>();
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const int64_t at = kReverse ? n - kWidth - i : i;
    Stored stored;
    __builtin_memcpy(&stored, x + at, sizeof stored);
    V v = __builtin_convertvector(stored, V);
    if (kReverse) reverse_lanes(v, Count<kWidth>());
    prefixes<Op, 1>(v, nothing, Count<kWidth>());
    const A last = v[kWidth - 1];
    if (y) {
      v = Op::join(V{} + running, v);
      if (kReverse) reverse_lanes(v, Count<kWidth>());
      stored = __builtin_convertvector(v, Stored);
      __builtin_memcpy(y + at, &stored, sizeof stored);
    }
    running = Op::join(running, last);
  }
  for (; i < n; i++) {
    const int64_t at = kReverse ? n - 1 - i : i;
    running = Op::join(running, A(x[at]));
    if (y) y[at] = T(running);
  }
  *carry = running;
}

template <class Op, class T, class A>
void vector_row(const void* from, int64_t n, void* to, void* carry, bool reverse) {
  const T* x = static_cast<const T*>(from);
  reverse ? run_vectors<Op, true>(x, n, static_cast<T*>(to), static_cast<A*>(carry))
          : run_vectors<Op, false>(x, n, static_cast<T*>(to), static_cast<A*>(carry));
}

template <class Op, class T, class A>
void serial_row(const void* from, int64_t n, void* to, void* carry, bool reverse) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  A running = *static_cast<A*>(carry);
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = reverse ? n - 1 - i : i;
    running = Op::join(running, as<A>(x[at]));
    if (y) y[at] = as<T>(running);
  }
  *static_cast<A*>(carry) = running;
}

// ---- columns, and the rest ----

template <class Op, class T, class A>
void column(const void* from, int64_t n, void* to, void* carries) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  A* running = static_cast<A*>(carries);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    running[i] = Op::join(running[i], as<A>(x[i]));
    y[i] = as<T>(running[i]);
  }
}

template <class Op, class A>
void start(void* carries, int64_t n) {
  for (int64_t i = 0; i < n; i++) static_cast<A*>(carries)[i] = Op::template nothing<A>();
}

template <class Op, class A>
void append(void* carry, const void* next) {
  *static_cast<A*>(carry) = Op::join(*static_cast<A*>(carry), *static_cast<const A*>(next));
}

template <class Op, class T>
void before_first(void* to, int64_t n) {
  for (int64_t i = 0; i < n; i++) static_cast<T*>(to)[i] = Op::template before_first<T>();
}

// T: stored, A: of the running result.
template <class Op, class T, class A,
          bool kVectors = !__is_class(A) && !(__is_same(Op, Prod) && __is_same(T, double))>
ScanLoops loops() {
  static_assert(sizeof(A) <= kScanCarry);
  if constexpr (kVectors) {
    return {start<Op, A>, vector_row<Op, T, A>, column<Op, T, A>, append<Op, A>, before_first<Op, T>};
  } else {
    return {start<Op, A>, serial_row<Op, T, A>, column<Op, T, A>, append<Op, A>, before_first<Op, T>};
  }
}

template <class Op>
ScanLoops arithmetic(Dtype dtype) {
  switch (dtype) {  // signed integers wrap as unsigned ones
    case Dtype::bool_:
      return loops<Op, uint8_t, uint32_t>();  // products alone
    case Dtype::uint8:
    case Dtype::int8:
      return loops<Op, uint8_t, uint32_t>();
    case Dtype::uint16:
    case Dtype::int16:
      return loops<Op, uint16_t, uint32_t>();
    case Dtype::uint32:
    case Dtype::int32:
      return loops<Op, uint32_t, uint32_t>();
    case Dtype::uint64:
    case Dtype::int64:
      return loops<Op, uint64_t, uint64_t>();
    case Dtype::float32:
      return loops<Op, float, double>();
    case Dtype::float64:
      return loops<Op, double, double>();
    case Dtype::complex64:
      return loops<Op, fn::Complex64, fn::ComplexDouble>();
    default:
      return {};
  }
}

// Small integers run in 32 bits, but what stands before the first element is their own smallest or largest number.
template <class Op, class T>
ScanLoops choice_of() {
  if constexpr (sizeof(T) >= 4) {
    return loops<Op, T, T>();
  } else {
    ScanLoops out = loops<Op, T, int32_t>();
    out.start = [](void* carries, int64_t n) {
      for (int64_t i = 0; i < n; i++) static_cast<int32_t*>(carries)[i] = Op::template nothing<T>();
    };
    return out;
  }
}

template <class Op>
ScanLoops choice(Dtype dtype) {
  switch (dtype) {
    case Dtype::bool_: {
      ScanLoops out = choice_of<Op, uint8_t>();
      out.before_first = [](void* to, int64_t n) { __builtin_memset(to, __is_same(Op, Min), size_t(n)); };
      return out;
    }
    case Dtype::uint8:
      return choice_of<Op, uint8_t>();
    case Dtype::uint16:
      return choice_of<Op, uint16_t>();
    case Dtype::uint32:
      return choice_of<Op, uint32_t>();
    case Dtype::uint64:
      return choice_of<Op, uint64_t>();
    case Dtype::int8:
      return choice_of<Op, int8_t>();
    case Dtype::int16:
      return choice_of<Op, int16_t>();
    case Dtype::int32:
      return choice_of<Op, int32_t>();
    case Dtype::int64:
      return choice_of<Op, int64_t>();
    case Dtype::float32:
      return choice_of<Op, float>();
    case Dtype::float64:
      return choice_of<Op, double>();
    case Dtype::complex64:
      return loops<Op, fn::Complex64, fn::Complex64>();
    default:
      return {};
  }
}

// ---- log(sum(exp(x))) ----

// The running result is log(sum) + largest, with sum >= 1 but for infinite or missing elements: exponents are of what
// is at most 0. Complex numbers: the largest real part.
template <class T>
struct Shifted {
  T largest;
  double sum;
};

// What may be subtracted: an infinity from itself would be NaN.
template <class T>
MELIX_INLINE T finite(T x) {
  return fn::fabs(x) < fn::infinity<T>() ? x : T(0);
}

template <class T>
MELIX_INLINE Shifted<T> log_join(Shifted<T> a, Shifted<T> b) {
  const T largest = fn::maximum(a.largest, b.largest), shift = finite(largest);
  return {largest, a.sum * double(fn::exp(a.largest - shift)) + b.sum * double(fn::exp(b.largest - shift))};
}

// Loops of their own for each step: together they would not become vector code.
constexpr int kPiece = 256;

template <class T>
MELIX_INLINE void shifts(const T* largest, int n, T* to) {
#pragma GCC ivdep
  for (int i = 0; i < n; i++) to[i] = finite(largest[i]);
}
template <class T>
MELIX_INLINE void shifted_exp(const T* x, const T* shift, int n, T* to) {
#pragma GCC ivdep
  for (int i = 0; i < n; i++) to[i] = fn::exp(x[i] - shift[i]);
}
template <class T>
MELIX_INLINE void shifted_log(const T* sum, const T* shift, int n, T* to) {
#pragma GCC ivdep
  for (int i = 0; i < n; i++) to[i] = shift[i] + fn::log(sum[i]);
}

template <class T>
MELIX_INLINE void turn(const T* from, int n, T* to) {
  for (int i = 0; i < n; i++) to[i] = from[n - 1 - i];
}

template <class T>
void log_row(const void* from, int64_t n, void* to, void* carry, bool reverse) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  auto* state = static_cast<Shifted<T>*>(carry);
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int count = int(n - begin < kPiece ? n - begin : kPiece);
    const int64_t at = reverse ? n - begin - count : begin;
    T turned[kPiece], largest[kPiece + 1], shift[kPiece], term[kPiece], fade[kPiece], sum[kPiece];
    if (reverse) turn(x + at, count, turned);
    const T* piece = reverse ? turned : x + at;
    T running = largest[0] = state->largest;
    run_vectors<Max, false>(piece, count, largest + 1, &running);
    shifts(largest + 1, count, shift);
    shifted_exp(piece, shift, count, term);
    shifted_exp(largest, shift, count, fade);
    double total = state->sum;
    for (int i = 0; i < count; i++) {
      total = total * double(fade[i]) + double(term[i]);
      sum[i] = T(total);
    }
    *state = {running, total};
    if (!y) continue;
    shifted_log(sum, shift, count, reverse ? turned : y + at);
    if (reverse) turn(turned, count, y + at);
  }
}

// The running results of n columns: first all that is largest, then all sums.
template <class T>
MELIX_INLINE double* sums_of(void* carries, int64_t n) {
  return reinterpret_cast<double*>(static_cast<char*>(carries) + n * 8);
}

template <class T>
void log_column(const void* from, int64_t n, void* to, void* carries) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int count = int(n - begin < kPiece ? n - begin : kPiece);
    T* before = static_cast<T*>(carries) + begin;
    double* total = sums_of<T>(carries, n) + begin;
    T largest[kPiece], shift[kPiece], term[kPiece], fade[kPiece], sum[kPiece];
#pragma GCC ivdep
    for (int i = 0; i < count; i++) largest[i] = fn::maximum(before[i], x[begin + i]);
    shifts(largest, count, shift);
    shifted_exp(x + begin, shift, count, term);
    shifted_exp(before, shift, count, fade);
#pragma GCC ivdep
    for (int i = 0; i < count; i++) {
      before[i] = largest[i];
      total[i] = total[i] * double(fade[i]) + double(term[i]);
      sum[i] = T(total[i]);
    }
    shifted_log(sum, shift, count, y + begin);
  }
}

template <class T>
ScanLoops log_loops() {
  static_assert(sizeof(Shifted<T>) == 16 && sizeof(Shifted<T>) <= kScanCarry);
  return {[](void* carries, int64_t n) {
            for (int64_t i = 0; i < n; i++) static_cast<T*>(carries)[i] = -fn::infinity<T>();
            for (int64_t i = 0; i < n; i++) sums_of<T>(carries, n)[i] = 0.0;
          },
          log_row<T>, log_column<T>,
          [](void* carry, const void* next) {
            auto* state = static_cast<Shifted<T>*>(carry);
            *state = log_join(*state, *static_cast<const Shifted<T>*>(next));
          },
          before_first<Max, T>};
}

struct ShiftedComplex {
  float largest, re, im;
};

MELIX_INLINE ShiftedComplex log_join(ShiftedComplex a, ShiftedComplex b) {
  const float largest = fn::maximum(a.largest, b.largest), shift = finite(largest);
  const float fade = fn::exp(a.largest - shift), other = fn::exp(b.largest - shift);
  return {largest, a.re * fade + b.re * other, a.im * fade + b.im * other};
}

MELIX_INLINE void log_step(fn::Complex64 x, fn::Complex64* y, ShiftedComplex* state) {
  const fn::Complex64 unit = fn::exp(fn::Complex64{0.0f, x.im});
  *state = log_join(*state, ShiftedComplex{x.re, unit.re, unit.im});
  if (!y) return;
  const fn::Complex64 log = fn::log(fn::Complex64{state->re, state->im});
  *y = {log.re + finite(state->largest), log.im};
}

void log_complex_row(const void* from, int64_t n, void* to, void* carry, bool reverse) {
  const auto* x = static_cast<const fn::Complex64*>(from);
  auto* y = static_cast<fn::Complex64*>(to);
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = reverse ? n - 1 - i : i;
    log_step(x[at], y ? y + at : y, static_cast<ShiftedComplex*>(carry));
  }
}

void log_complex_column(const void* from, int64_t n, void* to, void* carries) {
  const auto* x = static_cast<const fn::Complex64*>(from);
  auto* y = static_cast<fn::Complex64*>(to);
  for (int64_t i = 0; i < n; i++) log_step(x[i], y + i, static_cast<ShiftedComplex*>(carries) + i);
}

ScanLoops log_complex_loops() {
  return {[](void* carries, int64_t n) {
            for (int64_t i = 0; i < n; i++)
              static_cast<ShiftedComplex*>(carries)[i] = {-fn::infinity<float>(), 0.0f, 0.0f};
          },
          log_complex_row, log_complex_column,
          [](void* carry, const void* next) {
            auto* state = static_cast<ShiftedComplex*>(carry);
            *state = log_join(*state, *static_cast<const ShiftedComplex*>(next));
          },
          [](void* to, int64_t n) {
            for (int64_t i = 0; i < n; i++)
              static_cast<fn::Complex64*>(to)[i] = {-fn::infinity<float>(), 0.0f};
          }};
}

}  // namespace

ScanLoops scan(Scan scan, Dtype dtype) {
  switch (scan) {
    case Scan::sum:
      return arithmetic<Sum>(dtype);
    case Scan::prod:
      return arithmetic<Prod>(dtype);
    case Scan::max:
      return choice<Max>(dtype);
    case Scan::min:
      return choice<Min>(dtype);
    case Scan::logsumexp:
      if (dtype == Dtype::float32) return log_loops<float>();
      if (dtype == Dtype::float64) return log_loops<double>();
      if (dtype == Dtype::complex64) return log_complex_loops();
  }
  return {};
}

}  // namespace melix::cpu::MELIX_ISA
