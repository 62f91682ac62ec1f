// Errors on the border: a C++ exception becomes the Python exception that its code names.
#pragma once

#include <nanobind/nanobind.h>

#include <type_traits>

#include "melix/core/error.h"

namespace nb = nanobind;

namespace melix::python {

/// Sets the Python error for the C++ exception being handled; call it in a catch block, with the interpreter lock.
void set_python_error() noexcept;

/// Throws the Python error that is set.
[[noreturn]] inline void throw_python_error() { throw nb::python_error(); }

/// Throws a Python exception of a kind that Code has no name for.
template <class... Parts>
[[noreturn]] void raise(PyObject* exception, const Parts&... parts) {
  PyErr_SetString(exception, concat(parts...).c_str());
  throw_python_error();
}

/// The body of a function that Python calls: its result, or the value that says "error" with the error set.
template <class Body>
auto guarded(Body&& body) noexcept -> decltype(body()) {
  using Result = decltype(body());
  try {
    return body();
  } catch (...) {
    set_python_error();
    if constexpr (std::is_pointer_v<Result>) {
      return nullptr;
    } else {
      return Result(-1);
    }
  }
}

/// The object, or the error that a null pointer stands for.
inline PyObject* checked(PyObject* object) {
  if (!object) throw_python_error();
  return object;
}

/// A new reference as an object, or the error that a null pointer stands for.
inline nb::object steal(PyObject* object) { return nb::steal(checked(object)); }

}  // namespace melix::python
