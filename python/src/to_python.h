// Results as Python objects: what generated functions return, and the elements of arrays as numbers and lists.
// Every function gives a new reference, or throws the Python error.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "python/src/array_object.h"

namespace melix::python {

/// The element at an address as a bool, int, float or complex.
PyObject* number_object(const void* element, Dtype dtype);
/// array.item() and array.tolist(): evaluates.
PyObject* item_object(const array& value);
PyObject* list_object(const array& value);

inline PyObject* to_python(array value) { return wrap(std::move(value)); }
inline PyObject* to_python(bool value) { return PyBool_FromLong(value); }
inline PyObject* to_python(int value) { return checked(PyLong_FromLong(value)); }
inline PyObject* to_python(int64_t value) { return checked(PyLong_FromLongLong(value)); }
inline PyObject* to_python(uint64_t value) { return checked(PyLong_FromUnsignedLongLong(value)); }
inline PyObject* to_python(double value) { return checked(PyFloat_FromDouble(value)); }
inline PyObject* to_python(Dtype value) { return Py_NewRef(dtype_object(value)); }
inline PyObject* to_python(const std::string& value) {
  return checked(PyUnicode_FromStringAndSize(value.data(), Py_ssize_t(value.size())));
}
PyObject* to_python(const Shape& shape);  // a tuple
PyObject* to_python(const std::vector<int>& values);
PyObject* to_python(const std::vector<int64_t>& values);

/// A list, which is what functions with several results of one kind return unless they are annotated otherwise.
PyObject* to_python(std::vector<array> values);
PyObject* to_tuple(std::vector<array> values);
/// The same, but a single array as it is.
PyObject* to_one_or_tuple(std::vector<array> values);

template <class T>
PyObject* to_python(std::optional<T> value) {
  return value ? to_python(std::move(*value)) : Py_NewRef(Py_None);
}

template <class... T>
PyObject* to_python(std::tuple<T...> values) {
  nb::object out = steal(PyTuple_New(sizeof...(T)));
  Py_ssize_t i = 0;
  std::apply([&](T&... value) { (PyTuple_SET_ITEM(out.ptr(), i++, to_python(std::move(value))), ...); },
             values);
  return out.release().ptr();
}
template <class A, class B>
PyObject* to_python(std::pair<A, B> values) {
  return to_python(std::tuple<A, B>(std::move(values)));
}
template <size_t N>
PyObject* to_python(std::array<array, N> values) {
  return to_tuple(std::vector<array>(values.begin(), values.end()));
}

}  // namespace melix::python
