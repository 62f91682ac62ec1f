// The loops of cumulative operations, per instruction set: rows (see scan_rows.h), and columns, whose neighbours in
// memory belong to different rows, with a running result for each. logcumsumexp is in scan_log.cpp.
//
// Floats are added and multiplied in double, small integers in 32 bits. Eight float32 can be multiplied in any order
// without leaving the range of double; float64 and complex numbers are taken one after the other.
#include "melix/backend/cpu/simd/scan_rows.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// ---- rows ----

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
      return log_scan(dtype);
  }
  return {};
}

}  // namespace melix::cpu::MELIX_ISA
