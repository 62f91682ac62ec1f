// The loops of logcumsumexp, per instruction set.
//
// The running result is log(sum) + largest, with sum >= 1 but for infinite or missing elements: exponents are of what
// is at most 0. For complex numbers `largest` is of the real parts.
#include "melix/backend/cpu/simd/scan_rows.h"

namespace melix::cpu::MELIX_ISA {
namespace {

template <class T>
struct Shifted {
  T largest;
  double sum;
};

struct ShiftedComplex {
  float largest;
  fn::ComplexDouble sum;
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
  static_assert(sizeof(Shifted<T>) == 16 && sizeof(ShiftedComplex) <= kScanCarry);
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

MELIX_INLINE ShiftedComplex log_join(const ShiftedComplex& a, const ShiftedComplex& b) {
  const float largest = fn::maximum(a.largest, b.largest), shift = finite(largest);
  const double fade = double(fn::exp(a.largest - shift)), other = double(fn::exp(b.largest - shift));
  return {largest, {a.sum.re * fade + b.sum.re * other, a.sum.im * fade + b.sum.im * other}};
}

MELIX_INLINE void log_step(fn::Complex64 x, fn::Complex64* y, ShiftedComplex* state) {
  *state = log_join(*state, ShiftedComplex{x.re, fn::exp(fn::ComplexDouble{0.0, double(x.im)})});
  if (!y) return;
  const fn::ComplexDouble log = fn::log(state->sum);
  *y = fn::narrow({log.re + double(finite(state->largest)), log.im});
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
              static_cast<ShiftedComplex*>(carries)[i] = {-fn::infinity<float>(), {0.0, 0.0}};
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

ScanLoops log_scan(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return log_loops<float>();
    case Dtype::float64:
      return log_loops<double>();
    case Dtype::complex64:
      return log_complex_loops();
    default:
      return {};
  }
}

}  // namespace melix::cpu::MELIX_ISA
