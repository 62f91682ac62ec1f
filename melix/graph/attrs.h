// Attributes: what an operation knows besides its inputs, as a struct whose fields are listed once.
// From the list come equality, hash, text, export and import.
//
//   struct SoftmaxAttrs : Attributes<SoftmaxAttrs> {
//     Axes axes;
//     bool precise;
//     static constexpr auto fields() {
//       return std::tuple{field("axes", &SoftmaxAttrs::axes), field("precise", &SoftmaxAttrs::precise)};
//     }
//   };
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "melix/core/dtype.h"
#include "melix/core/error.h"
#include "melix/core/ref.h"
#include "melix/core/shape.h"

namespace melix {

/// Every type a field may have, as it is exported.
using AttrValue =
    std::variant<bool, int64_t, double, std::string, Dtype, std::vector<int64_t>, std::vector<double>>;
using AttrList = std::vector<std::pair<std::string, AttrValue>>;

class Attrs : public RefCounted {
 public:
  virtual ~Attrs() = default;
  /// Names and values, in the order of fields().
  virtual AttrList list() const = 0;
  bool equals(const Attrs& other) const { return list() == other.list(); }
  size_t hash() const;
  static void destroy(const Attrs* attrs) noexcept { delete attrs; }
};

/// "(axes=(1,), precise=false)"
void append(std::string& out, const Attrs& attrs);

template <class Owner, class T>
struct Field {
  const char* name;
  T Owner::*member;
};
template <class Owner, class T>
constexpr Field<Owner, T> field(const char* name, T Owner::*member) {
  return {name, member};
}

namespace attr_detail {
inline AttrValue pack(bool v) { return v; }
inline AttrValue pack(int v) { return int64_t(v); }
inline AttrValue pack(int64_t v) { return v; }
inline AttrValue pack(uint64_t v) { return int64_t(v); }
inline AttrValue pack(double v) { return v; }
inline AttrValue pack(const std::string& v) { return v; }
inline AttrValue pack(Dtype v) { return v; }
inline AttrValue pack(const std::vector<double>& v) { return v; }
template <class E>
requires std::is_enum_v<E> AttrValue pack(E v) { return int64_t(v); }
template <class T, uint32_t N>
AttrValue pack(const SmallVector<T, N>& v) {
  return std::vector<int64_t>(v.begin(), v.end());
}

template <class T>
void unpack(const AttrValue& from, T& to) {
  if constexpr (requires { to.push_back(int64_t()); } && !std::is_same_v<T, std::vector<double>> &&
                !std::is_same_v<T, std::string>) {
    to.clear();
    for (int64_t v : std::get<std::vector<int64_t>>(from))
      to.push_back(static_cast<typename T::value_type>(v));
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, Dtype> ||
                       std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<double>>) {
    to = std::get<T>(from);
  } else {
    to = static_cast<T>(std::get<int64_t>(from));
  }
}
}  // namespace attr_detail

template <class Derived>
class Attributes : public Attrs {
 public:
  AttrList list() const final {
    AttrList out;
    std::apply([&](auto... f) { (out.emplace_back(f.name, attr_detail::pack(self().*f.member)), ...); },
               Derived::fields());
    return out;
  }

  /// The struct that `list` describes; throws Code::value when a field is missing or has another type.
  static Ref<const Attrs> read(const AttrList& list) {
    auto out = make_ref<Derived>();
    auto one = [&](auto f) {
      for (const auto& [name, value] : list) {
        if (name != f.name) continue;
        try {
          attr_detail::unpack(value, (*out).*f.member);
        } catch (const std::bad_variant_access&) {
          fail(Code::value, "import_function", "attribute ", f.name, " has the wrong type");
        }
        // Narrow fields would take a part of a number for the whole. (NaN equals nothing, and has no other width.)
        if (!std::holds_alternative<double>(value) && !std::holds_alternative<std::vector<double>>(value) &&
            attr_detail::pack((*out).*f.member) != value)
          fail(Code::value, "import_function", "attribute ", f.name, " is out of range");
        return;
      }
      fail(Code::value, "import_function", "attribute ", f.name, " is missing");
    };
    std::apply([&](auto... f) { (one(f), ...); }, Derived::fields());
    return out;
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

/// The attributes as the type that the operation gave them.
template <class T>
const T& attrs_as(const Attrs* attrs) {
  return static_cast<const T&>(*attrs);
}

/// A new attribute struct from its fields in order.
template <class T, class... Values>
Ref<const Attrs> make_attrs(Values&&... values) {
  auto out = make_ref<T>();
  auto assign = [&]<size_t... I>(std::index_sequence<I...>) {
    constexpr auto fields = T::fields();
    (((*out).*std::get<I>(fields).member = std::forward<Values>(values)), ...);
  };
  assign(std::index_sequence_for<Values...>{});
  return out;
}

}  // namespace melix
