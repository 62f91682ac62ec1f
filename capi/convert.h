// What the sources of the C interface share: handles, conversion of C arguments, and the frame of every function that
// turns exceptions into codes. The sources of the operations are made by tools/bindgen_c.py on top of this.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "capi/melix_c.h"
#include "melix/graph/node.h"

struct melix_array_s {
  melix::array value;
};

namespace melix::c {

/// Keeps the failure that is being caught for melix_error_text, and gives its code.
melix_status caught() noexcept;

/// Calls the body of a C function; what it throws becomes its result.
template <class Body>
melix_status guarded(Body&& body) noexcept {
  try {
    body();
    return MELIX_OK;
  } catch (...) {
    return caught();
  }
}

void give(melix_array* out, array value);
/// Frees what it has made when a later one fails.
void give(melix_arrays* out, const std::vector<array>& values);
/// A result in several parts: all or none.
template <class Results, class... Outs>
void give_each(const Results& results, Outs*... outs) {
  try {
    std::apply([&](const auto&... values) { (give(outs, values), ...); }, results);
  } catch (...) {
    ((melix_array_free(*outs), *outs = nullptr), ...);
    throw;
  }
}

/// What stands behind a handle; NULL is an error that names the operation.
const array& in(const char* op, melix_array a);
std::vector<array> in(const char* op, const melix_array* arrays, size_t size);
StreamOrDevice in(melix_stream stream);
Dtype in(const char* op, melix_dtype dtype);

// ---- arguments of operations: Argument<T>::get makes a T of what C gives for it ----

template <class T>
struct Argument {  // bool, numbers
  static T get(const char*, T value) { return value; }
};
template <>
struct Argument<Dtype> {
  static Dtype get(const char* op, melix_dtype value) { return in(op, value); }
};
template <>
struct Argument<array> {
  static const array& get(const char* op, melix_array a) { return in(op, a); }
};
template <>
struct Argument<StreamOrDevice> {
  static StreamOrDevice get(const char*, melix_stream stream) { return in(stream); }
};
template <>
struct Argument<std::string> {
  static std::string get(const char* op, const char* text) {
    return text ? text : throw Error(Code::value, op, "a text is NULL");
  }
};
using Number = std::variant<int64_t, double>;
template <>
struct Argument<Number> {
  static Number get(const char*, melix_number n) { return n.is_integer ? Number(n.integer) : Number(n.real); }
};

/// Throws where a list has elements but no address.
inline void check_list(const char* op, const void* list, size_t size) {
  if (!list && size > 0) fail(Code::value, op, "a list of ", size, " elements is NULL");
}
template <class T>
struct Argument<std::vector<T>> {
  static std::vector<T> get(const char* op, const T* list, size_t size) {
    check_list(op, list, size);
    return std::vector<T>(list, list + size);
  }
};
template <>
struct Argument<std::vector<array>> {
  static std::vector<array> get(const char* op, const melix_array* list, size_t size) {
    return in(op, list, size);
  }
};
template <>
struct Argument<Shape> {
  static Shape get(const char* op, const int64_t* list, size_t size) {
    check_list(op, list, size);
    return Shape(list, list + size);
  }
};
template <class T>
struct Argument<std::vector<std::vector<T>>> {
  static std::vector<std::vector<T>> get(const char* op, const T* const* lists, const size_t* sizes,
                                         size_t size) {
    check_list(op, lists, size);
    std::vector<std::vector<T>> out;
    for (size_t i = 0; i < size; i++) out.push_back(Argument<std::vector<T>>::get(op, lists[i], sizes[i]));
    return out;
  }
};
template <class T>
struct Argument<std::vector<std::pair<T, T>>> {
  static std::vector<std::pair<T, T>> get(const char* op, const T (*pairs)[2], size_t size) {
    check_list(op, pairs, size);
    std::vector<std::pair<T, T>> out;
    for (size_t i = 0; i < size; i++) out.emplace_back(pairs[i][0], pairs[i][1]);
    return out;
  }
};
template <class T>
struct Argument<std::pair<T, T>> {
  static std::pair<T, T> get(const char* op, const T* pair) {
    check_list(op, pair, 2);
    return {pair[0], pair[1]};
  }
};
template <class T, size_t N>
struct Argument<std::array<T, N>> {
  static std::array<T, N> get(const char* op, const T* list) {
    check_list(op, list, N);
    std::array<T, N> out;
    for (size_t i = 0; i < N; i++) out[i] = list[i];
    return out;
  }
};
/// NULL is nothing. Single numbers come by address, everything else as it does where it is not optional.
template <class T>
struct Argument<std::optional<T>> {
  template <class First, class... Rest>
  static std::optional<T> get(const char* op, First first, Rest... rest) {
    if (!first) return std::nullopt;
    if constexpr (requires { Argument<T>::get(op, first, rest...); }) {
      return Argument<T>::get(op, first, rest...);
    } else {
      return Argument<T>::get(op, *first);
    }
  }
};

}  // namespace melix::c
