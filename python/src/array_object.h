// The Python class `array` as C++ sees it: an object that holds one array handle. In-place operators give the object
// another handle, which everybody sees who holds the object.
//
// The class is made by hand rather than by nanobind: operators are slots of the type, and a new object is one
// allocation without a registry, so that `a + b` costs little more than its node. The casters below let nanobind's
// functions take and return arrays, dtypes and streams all the same; include this header wherever they do.
#pragma once

#include <nanobind/nanobind.h>

#include "melix/core/stream.h"
#include "melix/graph/node.h"
#include "python/src/errors.h"

namespace melix::python {

struct ArrayObject {
  PyObject ob_base;
  PyObject* weak_references;
  array value;
};

/// The class; the module owns it.
extern PyTypeObject* array_type;

inline bool is_array(PyObject* object) noexcept {
  return Py_TYPE(object) == array_type || PyType_IsSubtype(Py_TYPE(object), array_type);
}
/// The handle inside an object of the class. Copy it before the interpreter lock is released.
inline array& array_of(PyObject* object) noexcept { return reinterpret_cast<ArrayObject*>(object)->value; }

/// A new object for an array; a new reference. Throws the Python error when there is no memory.
PyObject* wrap(array value);
inline nb::object to_object(array value) { return nb::steal(wrap(std::move(value))); }

/// Computes the array without holding the interpreter lock, and returns where its elements are. Copies the handle, so
/// that the object may meanwhile be given another one; `keep` holds what the view belongs to.
const View& evaluated(const array& value, array& keep);

/// Makes the class and adds it to the module; adds methods (a list that ends with a row of nulls) to it.
void bind_array(nb::module_& m);
void add_methods(PyTypeObject* type, PyMethodDef* methods);

/// The object of a dtype (a borrowed reference; there is one for each), and the dtype of an object.
PyObject* dtype_object(Dtype dtype);
bool dtype_from_object(PyObject* object, Dtype* dtype) noexcept;
/// None (which is null too), Stream, Device, DeviceType.
bool stream_from_object(PyObject* object, StreamOrDevice* stream) noexcept;

}  // namespace melix::python

namespace nanobind::detail {

/// Takes objects of the class array only; functions that take scalars too use melix::python::to_array.
template <>
struct type_caster<melix::array> {
  using Value = melix::array;
  static constexpr auto Name = const_name("array");
  template <class T>
  using Cast = std::conditional_t<is_pointer_v<T>, Value*, Value&>;
  template <class T>
  static constexpr bool can_cast() {
    return true;
  }
  bool from_python(handle source, uint32_t, cleanup_list*) noexcept {
    if (!source.is_valid() || !melix::python::is_array(source.ptr())) return false;
    value = &melix::python::array_of(source.ptr());
    return true;
  }
  static handle from_cpp(const Value& array, rv_policy, cleanup_list*) noexcept {
    return melix::python::guarded([&] { return melix::python::wrap(array); });
  }
  static handle from_cpp(const Value* array, rv_policy policy, cleanup_list* list) noexcept {
    return array ? from_cpp(*array, policy, list) : none().release();
  }
  explicit operator Value*() { return value; }
  explicit operator Value&() { return *value; }

 private:
  Value* value = nullptr;
};

template <>
struct type_caster<melix::Dtype> {
  NB_TYPE_CASTER(melix::Dtype, const_name("Dtype"))
  bool from_python(handle source, uint32_t, cleanup_list*) noexcept {
    return melix::python::dtype_from_object(source.ptr(), &value);
  }
  static handle from_cpp(melix::Dtype dtype, rv_policy, cleanup_list*) noexcept {
    return handle(melix::python::dtype_object(dtype)).inc_ref();
  }
};

template <>
struct type_caster<melix::StreamOrDevice> {
  NB_TYPE_CASTER(melix::StreamOrDevice, const_name("StreamOrDevice"))
  bool from_python(handle source, uint32_t, cleanup_list*) noexcept {
    return melix::python::stream_from_object(source.ptr(), &value);
  }
};

}  // namespace nanobind::detail
