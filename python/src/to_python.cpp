// See to_python.h.
#include "python/src/to_python.h"

#include "melix/core/element.h"

namespace melix::python {
namespace {

template <class T>
PyObject* number(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return PyBool_FromLong(value);
  } else if constexpr (is_half_type<T>) {
    return PyFloat_FromDouble(double(float(value)));
  } else if constexpr (std::is_same_v<T, complex64_t>) {
    return PyComplex_FromDoubles(value.real(), value.imag());
  } else if constexpr (std::is_floating_point_v<T>) {
    return PyFloat_FromDouble(double(value));
  } else if constexpr (std::is_signed_v<T>) {
    return PyLong_FromLongLong(value);
  } else {
    return PyLong_FromUnsignedLongLong(value);
  }
}

template <class T>
PyObject* nested(const T* from, std::span<const int64_t> shape, std::span<const int64_t> strides) {
  if (shape.empty()) return checked(number(*from));
  nb::object out = steal(PyList_New(shape[0]));
  for (int64_t i = 0; i < shape[0]; i++) {
    PyList_SET_ITEM(out.ptr(), i, nested(from + i * strides[0], shape.subspan(1), strides.subspan(1)));
  }
  return out.release().ptr();
}

template <class Values>
PyObject* int_tuple(const Values& values) {
  nb::object out = steal(PyTuple_New(Py_ssize_t(values.size())));
  Py_ssize_t i = 0;
  for (auto value : values) PyTuple_SET_ITEM(out.ptr(), i++, to_python(value));
  return out.release().ptr();
}

}  // namespace

PyObject* number_object(const void* element, Dtype dtype) {
  return checked(
      with_type(dtype, [&](auto type) { return number(*static_cast<const decltype(type)*>(element)); }));
}

PyObject* item_object(const array& value) {
  if (value.size() != 1)
    fail(Code::value, "item", "needs an array of one element, this one has shape ", value.shape());
  array keep = value;
  const View& view = evaluated(value, keep);
  return number_object(view.data(), view.dtype);
}

PyObject* list_object(const array& value) {
  array keep = value;
  const View& view = evaluated(value, keep);
  return with_type(view.dtype,
                   [&](auto type) { return nested(view.as<decltype(type)>(), view.shape, view.strides); });
}

PyObject* to_python(const Shape& shape) { return int_tuple(shape); }
PyObject* to_python(const std::vector<int>& values) { return int_tuple(values); }
PyObject* to_python(const std::vector<int64_t>& values) { return int_tuple(values); }

PyObject* to_python(std::vector<array> values) {
  nb::object out = steal(PyList_New(Py_ssize_t(values.size())));
  for (size_t i = 0; i < values.size(); i++)
    PyList_SET_ITEM(out.ptr(), Py_ssize_t(i), wrap(std::move(values[i])));
  return out.release().ptr();
}

PyObject* to_tuple(std::vector<array> values) {
  nb::object list = nb::steal(to_python(std::move(values)));
  return checked(PyList_AsTuple(list.ptr()));
}

PyObject* to_one_or_tuple(std::vector<array> values) {
  return values.size() == 1 ? to_python(std::move(values[0])) : to_tuple(std::move(values));
}

}  // namespace melix::python
