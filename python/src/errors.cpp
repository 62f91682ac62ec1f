// See errors.h.
#include "python/src/errors.h"

#include <new>
#include <stdexcept>

#include "melix/io/file_error.h"

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

// An exception with the attributes file, offset, field and rule. What the system refused is the OSError of its number:
// a FileNotFoundError, a PermissionError, ...
void set_file_error(const io::FileError& error) {
  auto text = [](const std::string& s) {
    return nb::steal(PyUnicode_DecodeUTF8(s.data(), Py_ssize_t(s.size()), "surrogateescape"));
  };
  const nb::object file = text(error.file());
  const nb::handle type = exception_of(error.code());
  nb::object exception =
      error.system_error() && error.offset() == io::FileError::kNowhere
          ? type(error.system_error(), text(concat("[", error.op(), "] ", error.rule())), file)
          : type(text(error.what()));
  exception.attr("file") = file;
  exception.attr("offset") =
      error.offset() == io::FileError::kNowhere ? nb::none() : nb::object(nb::int_(error.offset()));
  exception.attr("field") = text(error.field());
  exception.attr("rule") = text(error.rule());
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const io::FileError& error) {
    try {
      set_file_error(error);
    } catch (...) {
      PyErr_SetString(exception_of(error.code()), error.what());
    }
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
