// Element types, their kinds, and the rules by which two of them meet. The list itself is dtype.inc.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace melix {

enum class Kind : uint8_t { boolean, unsigned_integer, signed_integer, floating, complex_floating };

enum class Dtype : uint8_t {
#define MELIX_DTYPE(name, ...) name,
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
};

#define MELIX_DTYPE(name, ...) inline constexpr Dtype name = Dtype::name;
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE

inline constexpr int kDtypes = 0
#define MELIX_DTYPE(...) +1
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
    ;

inline constexpr size_t kDtypeSizes[kDtypes] = {
#define MELIX_DTYPE(name, kind, bytes, ...) bytes,
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
};

inline constexpr Kind kDtypeKinds[kDtypes] = {
#define MELIX_DTYPE(name, kind, ...) Kind::kind,
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
};

constexpr size_t size_of(Dtype dtype) { return kDtypeSizes[static_cast<int>(dtype)]; }
constexpr Kind kind_of(Dtype dtype) { return kDtypeKinds[static_cast<int>(dtype)]; }
constexpr bool is_integer(Dtype dtype) {
  return kind_of(dtype) == Kind::signed_integer || kind_of(dtype) == Kind::unsigned_integer;
}
constexpr bool is_floating(Dtype dtype) { return kind_of(dtype) == Kind::floating; }
constexpr bool is_complex(Dtype dtype) { return kind_of(dtype) == Kind::complex_floating; }
constexpr bool is_inexact(Dtype dtype) { return kind_of(dtype) >= Kind::floating; }
constexpr bool is_half(Dtype dtype) { return dtype == float16 || dtype == bfloat16; }

/// The type kernels compute with: float32 for the 16-bit floats, the type itself otherwise.
constexpr Dtype carrier_of(Dtype dtype) { return is_half(dtype) ? float32 : dtype; }

/// The name without an underscore: "bool", "float32".
std::string_view name_of(Dtype dtype);
/// The type of that name, or `fallback` when there is none.
bool dtype_from_name(std::string_view name, Dtype* dtype);
void append(std::string& out, Dtype dtype);

/// The smallest type both convert to. Integers of mixed sign widen (uint64 with a signed one: float32); an integer
/// takes the other's floating type; float16 with bfloat16 is float32.
Dtype promote(Dtype a, Dtype b);
/// The type that an operation of real analysis (exp, sin, mean) computes for an argument of this type.
constexpr Dtype inexact_of(Dtype dtype) { return is_inexact(dtype) ? dtype : float32; }

/// Kinds of types as a tree, for issubdtype: generic > number > {integer > {signed, unsigned}, inexact > {floating,
/// complex}}.
enum class Category : uint8_t {
  complexfloating,
  floating,
  inexact,
  signedinteger,
  unsignedinteger,
  integer,
  number,
  generic
};
bool issubdtype(Dtype dtype, Category category);
bool issubdtype(Category a, Category b);

}  // namespace melix
