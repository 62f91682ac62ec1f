// See errors.h.
#include "python/src/errors.h"

#include <new>
#include <stdexcept>

namespace melix::python {
namespace {

PyObject* exception_of(Code code) {
  switch (code) {
    case Code::value:
      return PyExc_ValueError;
    case Code::type:
      return PyExc_TypeError;
    case Code::index:
      return PyExc_IndexError;
    case Code::memory:
      return PyExc_MemoryError;
    case Code::io:
      return PyExc_OSError;
    case Code::runtime:
      return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

PyObject* exception_of(nb::exception_type type) {
  switch (type) {
    case nb::exception_type::stop_iteration:
      return PyExc_StopIteration;
    case nb::exception_type::index_error:
      return PyExc_IndexError;
    case nb::exception_type::key_error:
      return PyExc_KeyError;
    case nb::exception_type::value_error:
      return PyExc_ValueError;
    case nb::exception_type::type_error:
      return PyExc_TypeError;
    case nb::exception_type::buffer_error:
      return PyExc_BufferError;
    case nb::exception_type::import_error:
      return PyExc_ImportError;
    case nb::exception_type::attribute_error:
      return PyExc_AttributeError;
    default:
      return PyExc_RuntimeError;
  }
}

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const Error& error) {
    PyErr_SetString(exception_of(error.code()), error.what());
  } catch (const nb::builtin_exception& error) {
    PyErr_SetString(exception_of(error.type()), error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::bad_cast&) {
    PyErr_SetString(PyExc_TypeError, "an argument has the wrong type");
  } catch (const std::out_of_range& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const std::length_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "an unknown C++ exception");
  }
}

}  // namespace melix::python
