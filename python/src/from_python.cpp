// See from_python.h.
#include "python/src/from_python.h"

#include <string_view>

#include "melix/core/element.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "python/src/buffer_protocol.h"
#include "python/src/dlpack.h"
#include "python/src/scalars.h"

namespace melix::python {
namespace {

bool is_list(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }

// Kinds of numbers in a list, each holding those before it.
enum class Widest : uint8_t { boolean, small, large, unsigned_large, floating, complex };

// A nested list, seen once before it is read: its shape, the kind of its widest number, and whether arrays are in it.
class Nested {
 public:
  explicit Nested(PyObject* list) {
    measure(list);
    if (!arrays) visit(list, 0);
  }

  Shape shape;
  Widest widest = Widest::boolean;
  bool empty = true;
  bool arrays = false;

  Dtype dtype() const {
    if (empty) return float32;
    switch (widest) {
      case Widest::boolean:
        return bool_;
      case Widest::small:
        return int32;
      case Widest::large:
        return int64;
      case Widest::unsigned_large:
        return uint64;
      case Widest::floating:
        return float32;
      case Widest::complex:
        return complex64;
    }
    return float32;
  }

 private:
  // The shape is that of the first elements; visit() compares the others with it.
  void measure(PyObject* object) {
    while (is_list(object)) {
      if (shape.size() >= size_t(kMaxDims))
        fail(Code::value, "array", "lists are nested deeper than ", kMaxDims);
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(object);
      shape.push_back(n);
      for (Py_ssize_t i = 0; i < n; i++)
        arrays = arrays || is_leaf_array(PySequence_Fast_GET_ITEM(object, i));
      if (n == 0) return;
      object = PySequence_Fast_GET_ITEM(object, 0);
    }
  }

  static bool is_leaf_array(PyObject* object) {
    return is_array(object) ||
           (PyObject_CheckBuffer(object) && !PyFloat_Check(object));  // NumPy's float64 is a float
  }

  [[noreturn]] static void uneven() {
    fail(Code::value, "array", "the lists in one list have different lengths");
  }

  void visit(PyObject* list, size_t depth) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    if (n != shape[uint32_t(depth)]) uneven();
    const bool innermost = depth + 1 == shape.size();
    for (Py_ssize_t i = 0; i < n; i++) {
      PyObject* item = PySequence_Fast_GET_ITEM(list, i);
      if (is_list(item) == innermost) uneven();
      if (innermost) {
        number(item);
      } else {
        visit(item, depth + 1);
      }
    }
  }

  void number(PyObject* object) {
    empty = false;
    Widest kind;
    if (PyFloat_Check(object)) {
      kind = Widest::floating;
    } else if (PyBool_Check(object)) {
      kind = Widest::boolean;
    } else if (PyLong_Check(object)) {
      kind = width_of(object);
    } else if (PyComplex_Check(object)) {
      kind = Widest::complex;
    } else if (is_leaf_array(object)) {
      arrays = true;
      return;
    } else {
      fail(Code::value, "array", "a list of numbers has an element of type ", Py_TYPE(object)->tp_name);
    }
    widest = std::max(widest, kind);
  }

  static Widest width_of(PyObject* integer) {
    int overflow;
    const int64_t value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    if (overflow > 0) return Widest::unsigned_large;
    if (overflow < 0) return Widest::large;  // reading it fails
    return value == int32_t(value) ? Widest::small : Widest::large;
  }
};

// ---- reading ----

[[noreturn]] void does_not_fit(PyObject* object) {
  PyErr_Clear();
  fail(Code::value, "array", "an element of type ", Py_TYPE(object)->tp_name, " does not fit 64 bits");
}

// An integer with the bits that unsigned types share with signed ones.
int64_t integer_bits(PyObject* object) {
  int overflow;
  const int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (!overflow) return value;
  if (overflow < 0) does_not_fit(object);
  const uint64_t large = PyLong_AsUnsignedLongLong(object);
  if (PyErr_Occurred()) does_not_fit(object);
  return int64_t(large);
}

double float_of(PyObject* object) {
  if (PyFloat_Check(object)) return PyFloat_AS_DOUBLE(object);
  if (PyComplex_Check(object)) return PyComplex_RealAsDouble(object);
  const double value = PyLong_AsDouble(object);
  if (value == -1 && PyErr_Occurred()) does_not_fit(object);
  return value;
}

template <class T>
T number_as(PyObject* object) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    if (!PyComplex_Check(object)) return complex64_t(float(float_of(object)));
    Py_complex value = PyComplex_AsCComplex(object);
    return complex64_t(float(value.real), float(value.imag));
  } else {
    if (PyComplex_Check(object) && std::is_same_v<T, bool>) return T(PyObject_IsTrue(object) != 0);
    if (PyFloat_Check(object) || PyComplex_Check(object)) return convert_element<T>(float_of(object));
    if constexpr (std::is_integral_v<T>) return convert_element<T>(integer_bits(object));
    return convert_element<T>(float_of(object));
  }
}

template <class T>
T* read(PyObject* list, size_t depth, T* to) {
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(list, i);
    if (depth > 1) {
      to = read(item, depth - 1, to);
    } else {
      *to++ = number_as<T>(item);
    }
  }
  return to;
}

array array_from_list(PyObject* list, std::optional<Dtype> dtype);

// Lists with arrays in them are stacked by the operation, so that gradients flow through.
array stacked(PyObject* list, std::optional<Dtype> dtype) {
  nb::object parts = steal(PyList_New(0));
  std::vector<array> values;
  std::optional<Dtype> common = dtype;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(list, i);
    values.push_back(array_from_python(item, dtype));
    if (!dtype) common = common ? promote(*common, values.back().dtype()) : values.back().dtype();
  }
  for (array& value : values) {
    if (value.shape() != values[0].shape()) {
      fail(Code::value, "array", "the elements of one list have the shapes ", values[0].shape(), " and ",
           value.shape());
    }
    nb::object part = to_object(astype(value, *common));
    if (PyList_Append(parts.ptr(), part.ptr()) != 0) throw_python_error();
  }
  nb::object out = nb::module_::import_("melix.core").attr("stack")(parts);
  return array_of(out.ptr());
}

array array_from_list(PyObject* list, std::optional<Dtype> dtype) {
  Nested nested(list);
  if (nested.arrays) return stacked(list, dtype);
  View view = allocate_view(nested.shape, dtype.value_or(nested.dtype()));
  with_type(view.dtype, [&](auto type) { read(list, nested.shape.size(), view.as<decltype(type)>()); });
  return array(std::move(view));
}

// Of the smallest dtype that holds the number, where none is given.
array number_array(PyObject* number, std::optional<Dtype> dtype) {
  if (!dtype) return *number_operand(number, std::nullopt);
  View view = allocate_view({}, *dtype);
  with_type(*dtype, [&](auto type) { *view.as<decltype(type)>() = number_as<decltype(type)>(number); });
  return array(std::move(view));
}

// The result of a method without arguments; null (no error set) where there is no such method.
nb::object call_method(PyObject* object, const char* name) {
  nb::object method = nb::steal(PyObject_GetAttrString(object, name));
  if (!method.is_valid()) {
    PyErr_Clear();
    return {};
  }
  return steal(PyObject_CallNoArgs(method.ptr()));
}

// bfloat16 of NumPy (a type that packages add to it) has no format in the buffer protocol, but its bits have.
std::optional<array> array_from_bfloat16(PyObject* object) {
  nb::object dtype = nb::steal(PyObject_GetAttrString(object, "dtype"));
  nb::object name = dtype.is_valid() ? nb::steal(PyObject_GetAttrString(dtype.ptr(), "name")) : nb::object();
  if (!name.is_valid()) PyErr_Clear();
  if (!name.is_valid() || !PyUnicode_Check(name.ptr()) ||
      PyUnicode_CompareWithASCIIString(name.ptr(), "bfloat16") != 0) {
    return std::nullopt;
  }
  nb::object bits = steal(PyObject_CallMethod(object, "view", "s", "uint16"));
  std::optional<array> out = array_from_buffer(bits.ptr(), std::nullopt, true);
  if (out) {
    View view = out->view();
    view.dtype = bfloat16;
    out = array(std::move(view));
  }
  return out;
}

}  // namespace

std::optional<array> array_from_exporter(PyObject* object, std::optional<Dtype> dtype) {
  // Classes and text are asked nothing: `str` has no numbers, and a class has the methods of its instances.
  if (PyType_Check(object) || PyUnicode_Check(object) || object == Py_None) return std::nullopt;
  for (const char* name : {"__mlx_array__", "__mlx__array__"}) {
    nb::object made = call_method(object, name);
    if (made.is_valid() && is_array(made.ptr())) return array_of(made.ptr());
  }
  if (std::optional<array> out = array_from_buffer(object, dtype, true)) return out;
  if (std::optional<array> out = array_from_bfloat16(object)) return out;
  if (std::optional<array> out = array_from_dlpack(object, true)) return out;
  nb::object made = call_method(object, "__array__");
  return made.is_valid() ? array_from_buffer(made.ptr(), dtype, true) : std::nullopt;
}

array array_from_python(PyObject* value, std::optional<Dtype> dtype) {
  if (is_list(value)) return array_from_list(value, dtype);
  if (PyFloat_Check(value) || PyLong_Check(value) || PyComplex_Check(value))
    return number_array(value, dtype);
  std::optional<array> out = is_array(value) ? array_of(value) : array_from_exporter(value, dtype);
  if (!out) fail(Code::value, "array", "an array cannot be made of the type ", Py_TYPE(value)->tp_name);
  return dtype && *dtype != out->dtype() ? astype(*out, *dtype) : *out;
}

}  // namespace melix::python
