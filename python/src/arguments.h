// Arguments of the generated functions: sorting what Python passed into parameters, and conversion of each to its C++
// type. The functions are plain CPython ones ("fastcall"): nothing is allocated for a call.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "python/src/array_object.h"

namespace melix::python {

inline constexpr int kMaxParameters = 16;

/// The parameters of a function, as Python sees them.
///
///     def f(a, b, /, axis=None, *, stream=None)     count 4, positional_only 2, positional 3, required 2
///     def f(*arrays, stream=None)                   variadic; count 1, all others are keywords
struct Signature {
  const char* name;
  const char* const* names;  // of the parameters without the variadic one
  int count;
  int positional_only;
  int positional;
  int required;  // of the positional ones; the keyword-only ones have defaults
  bool variadic = false;
  PyObject* interned[kMaxParameters] = {};
};

/// The TypeError of a call whose arguments do not fit the parameters. Where there are overloads, the next one is tried.
class Mismatch : public Error {
 public:
  using Error::Error;
};

/// Fills in the names as Python strings. Called once, when the module is made.
void intern_names(Signature& signature);

/// The arguments of one call, one for each parameter; null where none was given.
class Arguments {
 public:
  /// `self` (may be null) is the first argument of a method. Throws TypeError where the call does not fit.
  Arguments(const Signature& signature, PyObject* self, PyObject* const* positional, Py_ssize_t count,
            PyObject* keywords);

  PyObject* operator[](int index) const { return values_[index]; }
  /// The positional arguments of a variadic function.
  std::span<PyObject* const> rest() const { return rest_; }
  const Signature& signature() const { return signature_; }

  /// Throws TypeError: "[sum] axis must be an int or a sequence of ints, not float".
  [[noreturn]] void wrong_type(int index, const char* expected) const;
  [[noreturn]] void missing(int index) const;

  template <class T>
  T get(int index) const;
  template <class T, class Default>
  T get(int index, Default&& fallback) const {
    // None for an argument that has a default, and no None among its values, means the default.
    PyObject* value = values_[index];
    if (!value) return T(std::forward<Default>(fallback));
    if constexpr (std::is_same_v<T, Dtype>) {
      if (value == Py_None) return T(std::forward<Default>(fallback));
    }
    return get<T>(index);
  }
  template <class T>
  std::vector<T> rest_as() const;

 private:
  void take_keywords(PyObject* const* values, PyObject* keywords);

  const Signature& signature_;
  std::span<PyObject* const> rest_;
  PyObject* values_[kMaxParameters];
};

/// How a C++ type is made from a Python object. `expected` names it in messages; convert returns false where the object
/// is of another type, and may throw where it is of the right type with a wrong value.
template <class T>
struct From;

bool convert_int(PyObject* object, int64_t* out);
bool convert_float(PyObject* object, double* out);
bool convert_ints(PyObject* object, std::vector<int64_t>* out, bool allow_int);

template <class T>
T narrowed(int64_t value) {
  if (!std::in_range<T>(value)) raise(PyExc_OverflowError, "the number ", value, " is too large");
  return T(value);
}

template <class T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) struct From<T> {
  static constexpr const char* expected = "an int";
  static bool convert(PyObject* object, std::optional<T>& out) {
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (PyLong_Check(object)) {
        out = PyLong_AsUnsignedLongLong(object);
        if (PyErr_Occurred()) throw_python_error();
        return true;
      }
    }
    int64_t value;
    if (!convert_int(object, &value)) return false;
    out = narrowed<T>(value);
    return true;
  }
};

template <class T>
requires(std::is_floating_point_v<T>) struct From<T> {
  static constexpr const char* expected = "a number";
  static bool convert(PyObject* object, std::optional<T>& out) {
    double value;
    if (!convert_float(object, &value)) return false;
    out = T(value);
    return true;
  }
};

#define MELIX_FROM(type, text)                            \
  template <>                                             \
  struct From<type> {                                     \
    static constexpr const char* expected = text;         \
    static bool convert(PyObject*, std::optional<type>&); \
  };
MELIX_FROM(bool, "a bool")
MELIX_FROM(Dtype, "a Dtype")
MELIX_FROM(StreamOrDevice, "None, a Stream or a Device")
MELIX_FROM(std::string, "a str")
MELIX_FROM(array, "an array or a number")
MELIX_FROM(Shape, "an int or a sequence of ints")
MELIX_FROM(std::vector<int>, "an int or a sequence of ints")
MELIX_FROM(std::vector<int64_t>, "an int or a sequence of ints")
#undef MELIX_FROM

template <class T>
struct From<std::optional<T>> {
  static constexpr const char* expected = From<T>::expected;
  static bool convert(PyObject* object, std::optional<std::optional<T>>& out) {
    out.emplace();
    return object == Py_None || From<T>::convert(object, *out);
  }
};

/// A sequence (list, tuple) of elements of one type.
template <class T>
struct From<std::vector<T>> {
  static constexpr const char* expected = "a sequence";
  static bool convert(PyObject* object, std::optional<std::vector<T>>& out) {
    if (!PyList_Check(object) && !PyTuple_Check(object)) return false;
    out.emplace();
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
      std::optional<T> element;
      if (!From<T>::convert(PySequence_Fast_GET_ITEM(object, i), element)) return false;
      out->push_back(std::move(*element));
    }
    return true;
  }
};

/// N values of one type; one value alone is taken N times.
template <class T, size_t N>
struct From<std::array<T, N>> {
  static constexpr const char* expected = "a number or a tuple of as many as there are dimensions";
  static bool convert(PyObject* object, std::optional<std::array<T, N>>& out) {
    std::optional<T> one;
    if (From<T>::convert(object, one)) {
      out.emplace();
      out->fill(*one);
      return true;
    }
    std::optional<std::vector<T>> all;
    if (!From<std::vector<T>>::convert(object, all) || all->size() != N) return false;
    out.emplace();
    std::copy(all->begin(), all->end(), out->begin());
    return true;
  }
};
template <class T>
struct From<std::pair<T, T>> {
  static constexpr const char* expected = From<std::array<T, 2>>::expected;
  static bool convert(PyObject* object, std::optional<std::pair<T, T>>& out) {
    std::optional<std::array<T, 2>> both;
    if (!From<std::array<T, 2>>::convert(object, both)) return false;
    out.emplace((*both)[0], (*both)[1]);
    return true;
  }
};

/// The first alternative that takes the object.
template <class... T>
struct From<std::variant<T...>> {
  static constexpr const char* expected = "of another type";
  static bool convert(PyObject* object, std::optional<std::variant<T...>>& out) {
    auto one = [&]<class Alternative>(std::optional<Alternative> value) {
      if (!From<Alternative>::convert(object, value)) return false;
      out.emplace(std::move(*value));
      return true;
    };
    return (one(std::optional<T>()) || ...);
  }
};

template <class T>
T Arguments::get(int index) const {
  PyObject* value = values_[index];
  std::optional<T> out;
  if (!value) {
    missing(index);
  } else if (!From<T>::convert(value, out)) {
    wrong_type(index, From<T>::expected);
  }
  return std::move(*out);
}

template <class T>
std::vector<T> Arguments::rest_as() const {
  std::vector<T> out;
  // f([a, b]) means f(a, b), where an element itself is not a sequence.
  std::optional<std::vector<T>> all;
  if (rest_.size() == 1 && (PyList_Check(rest_[0]) || PyTuple_Check(rest_[0])) && std::is_same_v<T, array> &&
      From<std::vector<T>>::convert(rest_[0], all)) {
    return std::move(*all);
  }
  for (PyObject* object : rest_) {
    std::optional<T> element;
    if (!From<T>::convert(object, element)) wrong_type(-1, From<T>::expected);
    out.push_back(std::move(*element));
  }
  return out;
}

/// One array argument: the object's own array where it is one (not counted: the object lives as long as the call), or
/// what was made from a number, a NumPy array, ...
class ArrayArgument {
 public:
  ArrayArgument(const Arguments& arguments, int index) {
    PyObject* object = arguments[index];
    if (object && is_array(object)) {
      array_ = &array_of(object);
    } else {
      made_ = arguments.get<array>(index);
    }
  }
  explicit ArrayArgument(const array* existing) : array_(existing) {}
  explicit ArrayArgument(array&& made) : made_(std::move(made)) {}
  const array& operator*() const { return array_ ? *array_ : *made_; }

 private:
  const array* array_ = nullptr;
  std::optional<array> made_;
};

/// Array arguments that meet: numbers among them take the dtype of the arrays among them (see scalars.h).
class WeakArguments {
 public:
  template <class... Indices>
  explicit WeakArguments(const Arguments& arguments, Indices... indices)
      : arguments_(arguments), dtype_(common(arguments, {indices...})) {}
  ArrayArgument get(int index) const {
    PyObject* object = arguments_[index];
    return object && is_array(object) ? ArrayArgument(&array_of(object)) : ArrayArgument(made(index));
  }
  std::optional<array> get_optional(int index) const {
    PyObject* object = arguments_[index];
    if (!object || object == Py_None) return std::nullopt;
    return *get(index);
  }

 private:
  static std::optional<Dtype> common(const Arguments& arguments, std::initializer_list<int> indices);
  array made(int index) const;

  const Arguments& arguments_;
  std::optional<Dtype> dtype_;  // none: there are only numbers
};

}  // namespace melix::python
