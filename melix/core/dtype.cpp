// See dtype.h.
#include "melix/core/dtype.h"

#include <algorithm>

namespace melix {
namespace {

constexpr std::string_view kNames[] = {
#define MELIX_DTYPE(name, ...) #name,
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
};

constexpr Dtype kSigned[] = {int8, int16, int32, int64};  // by log2 of the bytes

Dtype promote_integers(Dtype a, Dtype b) {
  if (kind_of(a) == kind_of(b)) return size_of(a) > size_of(b) ? a : b;
  Dtype with_sign = kind_of(a) == Kind::signed_integer ? a : b;
  Dtype without = kind_of(a) == Kind::signed_integer ? b : a;
  if (size_of(with_sign) > size_of(without)) return with_sign;
  if (without == uint64) return float32;
  int log2_bytes = size_of(without) == 1 ? 0 : size_of(without) == 2 ? 1 : 2;
  return kSigned[log2_bytes + 1];
}

}  // namespace

std::string_view name_of(Dtype dtype) {
  return dtype == bool_ ? std::string_view("bool") : kNames[static_cast<int>(dtype)];
}

bool dtype_from_name(std::string_view name, Dtype* dtype) {
  for (int i = 0; i < kDtypes; i++) {
    if (name == kNames[i] || name == name_of(Dtype(i))) {
      *dtype = Dtype(i);
      return true;
    }
  }
  return false;
}

void append(std::string& out, Dtype dtype) { out += name_of(dtype); }

Dtype promote(Dtype a, Dtype b) {
  if (a == b) return a;
  Kind ka = kind_of(a), kb = kind_of(b);
  if (ka == Kind::complex_floating || kb == Kind::complex_floating) return complex64;
  if (ka == Kind::floating && kb == Kind::floating)
    return size_of(a) == size_of(b) ? float32 : size_of(a) > size_of(b) ? a : b;
  if (ka == Kind::floating) return a;
  if (kb == Kind::floating) return b;
  if (ka == Kind::boolean) return b;
  if (kb == Kind::boolean) return a;
  return promote_integers(a, b);
}

bool issubdtype(Category a, Category b) {
  auto parent = [](Category c) {
    switch (c) {
      case Category::complexfloating:
      case Category::floating:
        return Category::inexact;
      case Category::signedinteger:
      case Category::unsignedinteger:
        return Category::integer;
      case Category::integer:
      case Category::inexact:
        return Category::number;
      default:
        return Category::generic;
    }
  };
  for (;; a = parent(a)) {
    if (a == b) return true;
    if (a == Category::generic) return false;
  }
}

bool issubdtype(Dtype dtype, Category category) {
  switch (kind_of(dtype)) {
    case Kind::boolean:
      return category == Category::generic;
    case Kind::unsigned_integer:
      return issubdtype(Category::unsignedinteger, category);
    case Kind::signed_integer:
      return issubdtype(Category::signedinteger, category);
    case Kind::floating:
      return issubdtype(Category::floating, category);
    default:
      return issubdtype(Category::complexfloating, category);
  }
}

}  // namespace melix
