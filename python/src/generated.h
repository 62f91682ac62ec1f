// What the files made by tools/bindgen.py stand on: a Python function is a table row of a name, a description, and one
// of the two entries below around the function that converts arguments, calls melix and converts the result.
#pragma once

#include "python/src/arguments.h"
#include "python/src/to_python.h"

namespace melix::python {

using Call = PyObject* (*)(const Arguments&);

template <Call call, Signature& signature>
PyObject* function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([&] { return call(Arguments(signature, nullptr, arguments, count, keywords)); });
}

/// The same with the object as the first argument.
template <Call call, Signature& signature>
PyObject* method(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([&] { return call(Arguments(signature, self, arguments, count, keywords)); });
}

/// A function with overloads: the first one that the arguments fit.
struct Overload {
  Call call;
  Signature* signature;
};
template <const auto& overloads>
PyObject* overloaded(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([&]() -> PyObject* {
    for (size_t i = 0;; i++) {
      try {
        return overloads[i].call(Arguments(*overloads[i].signature, nullptr, arguments, count, keywords));
      } catch (const Mismatch&) {
        if (i + 1 == std::size(overloads)) throw;
      }
    }
  });
}

inline constexpr int kCall = METH_FASTCALL | METH_KEYWORDS;

template <class Function>
PyCFunction as_c(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

/// A module of melix.core, made when first asked for; core itself for the empty name.
nb::module_ submodule(nb::module_& core, const char* name);
/// Adds functions (rows up to one of nulls), or another name of one, to a module of melix.core.
void add_functions(nb::module_& core, const char* module, PyMethodDef* rows);
void add_alias(nb::module_& core, const char* module, const char* name, const char* alias);

/// Adds all that was made from the headers of operations.
void bind_operations(nb::module_& core);

}  // namespace melix::python
