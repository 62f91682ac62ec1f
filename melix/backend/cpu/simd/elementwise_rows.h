// Kernels of the rows of ops/elementwise.inc, made for the rows of one part. Included by elementwise_*.cpp, which say
// which part (parts keep each file's compilation under a minute).
#pragma once

#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/loops.h"
#include "melix/scalar/math.h"

namespace melix::cpu::MELIX_ISA {
namespace {

enum class Domain : uint8_t {
  all,
  number,
  real,
  rounding,
  inexact,
  floating,
  integer,
  shift,
  logical
};  // as in elementwise.h

enum class Row : int {
  cast,
  select,
#define MELIX_UNARY(name, ...) name,
#define MELIX_BINARY(name, ...) name,
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
};

// Whether rows of this domain are computed in a carrier dtype.
constexpr bool takes(Domain domain, Dtype dtype) {
  if (is_half(dtype)) return false;
  switch (domain) {
    case Domain::all:
      return true;
    case Domain::number:
      return dtype != bool_;
    case Domain::real:
      return !is_complex(dtype);
    case Domain::rounding:
    case Domain::floating:
      return is_floating(dtype);
    case Domain::inexact:
      return is_inexact(dtype);
    case Domain::integer:
      return !is_inexact(dtype);
    case Domain::shift:
      return is_integer(dtype);
    default:
      return dtype == bool_;
  }
}

template <Dtype kDtype>
struct CarrierOf;
#define complex64_t fn::Complex64
#define MELIX_DTYPE(name, kind, bytes, stored, computed, letter) \
  template <>                                                    \
  struct CarrierOf<Dtype::name> {                                \
    using type = computed;                                       \
  };
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
#undef complex64_t
template <Dtype kDtype>
using Carrier = typename CarrierOf<kDtype>::type;

#define MELIX_INLINE static inline __attribute__((always_inline))

template <class T>
inline constexpr bool is_float = __is_same(T, float) || __is_same(T, double);

// The loop of a row, when its fast form is wrong for rare floats (fn::repaired); void: a plain one.
template <class RowType>
struct Repaired {
  using type = void;
};
template <class RowType, class T>
inline constexpr bool kRepaired = !__is_same(typename Repaired<RowType>::type, void) && is_float<T>;

template <class RowType, class T>
void unary_loop(const void* a, const void*, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  auto* y = static_cast<decltype(RowType::value(T()))*>(out);
  if constexpr (kRepaired<RowType, T>) {
    fn::repaired<typename Repaired<RowType>::type>(x, y, n);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = RowType::value(x[i]);
  }
}

template <class RowType, class T>
void binary_loop(const void* a, const void* b, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  const T* z = static_cast<const T*>(b);
  auto* y = static_cast<decltype(RowType::value(T(), T()))*>(out);
  if constexpr (kRepaired<RowType, T>) {
    fn::repaired<typename Repaired<RowType>::type>(x, z, y, n);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = RowType::value(x[i], z[i]);
  }
}

#define MELIX_UNARY(name, domain, out, expression, ...)               \
  struct name##_row {                                                 \
    static constexpr Domain kDomain = Domain::domain;                 \
    template <class T>                                                \
    MELIX_INLINE auto value(T x) {                                    \
      return expression;                                              \
    }                                                                 \
    template <class T>                                                \
    static constexpr ElementwiseFn kLoop = unary_loop<name##_row, T>; \
  };
#define MELIX_BINARY(name, domain, out, expression, ...)               \
  struct name##_row {                                                  \
    static constexpr Domain kDomain = Domain::domain;                  \
    template <class T>                                                 \
    MELIX_INLINE auto value(T a, T b) {                                \
      return expression;                                               \
    }                                                                  \
    template <class T>                                                 \
    static constexpr ElementwiseFn kLoop = binary_loop<name##_row, T>; \
  };
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY

#define MELIX_REPAIRED(row, function) \
  template <>                         \
  struct Repaired<row> {              \
    using type = fn::function;        \
  };
MELIX_REPAIRED(sin_row, Sin)
MELIX_REPAIRED(cos_row, Cos)
MELIX_REPAIRED(tan_row, Tan)
MELIX_REPAIRED(remainder_row, Remainder)
#undef MELIX_REPAIRED

template <class RowType, Dtype kDtype>
ElementwiseFn loop_of() {
  if constexpr (takes(RowType::kDomain, kDtype)) {
    return RowType::template kLoop<Carrier<kDtype>>;
  } else {
    return nullptr;
  }
}

template <class RowType>
ElementwiseFn row_kernel(Dtype dtype) {
  switch (dtype) {
#define MELIX_DTYPE(name, ...) \
  case Dtype::name:            \
    return loop_of<RowType, Dtype::name>();
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
  }
  return nullptr;
}

// The kernel of a row, if `in_part(domain, arity)` says that this file makes it.
template <class InPart>
ElementwiseFn part_kernel(int row, Dtype dtype, InPart in_part) {
  switch (Row(row)) {
#define MELIX_UNARY(name, domain, ...)                                              \
  case Row::name:                                                                   \
    if constexpr (in_part(Domain::domain, 1)) return row_kernel<name##_row>(dtype); \
    break;
#define MELIX_BINARY(name, domain, ...)                                             \
  case Row::name:                                                                   \
    if constexpr (in_part(Domain::domain, 2)) return row_kernel<name##_row>(dtype); \
    break;
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
    default:
      break;
  }
  return nullptr;
}

}  // namespace

ElementwiseFn unary_math(int row, Dtype dtype);
ElementwiseFn unary_plain(int row, Dtype dtype);
ElementwiseFn binary_math(int row, Dtype dtype);
ElementwiseFn binary_plain(int row, Dtype dtype);
ElementwiseFn cast_kernel(Dtype from, Dtype to);
ElementwiseFn select_kernel(Dtype dtype);

}  // namespace melix::cpu::MELIX_ISA
