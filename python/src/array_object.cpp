// See array_object.h. The class is put together here from slots and methods that other files define.
#include "python/src/array_object.h"

#include <structmember.h>

#include <cstddef>
#include <vector>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "melix/transforms/eval.h"
#include "python/src/array_methods.h"
#include "python/src/buffer_protocol.h"
#include "python/src/foreign.h"
#include "python/src/from_python.h"
#include "python/src/indexing.h"
#include "python/src/operators.h"
#include "python/src/printing.h"
#include "python/src/to_python.h"

namespace melix::python {

PyTypeObject* array_type = nullptr;

namespace {

PyObject* allocate(PyTypeObject* type, array value) {
  PyObject* object = type->tp_alloc(type, 0);
  if (!object) throw_python_error();
  auto* self = reinterpret_cast<ArrayObject*>(object);
  new (&self->value) array(std::move(value));
  return object;
}

// The whole construction: an object without an array in it is never seen.
PyObject* construct(PyTypeObject* type, PyObject* positional, PyObject* keywords) noexcept {
  return guarded([&]() -> PyObject* {
    PyObject *value, *dtype_argument = nullptr;
    const char* names[] = {"val", "dtype", nullptr};
    if (!PyArg_ParseTupleAndKeywords(positional, keywords, "O|O:array", const_cast<char**>(names), &value,
                                     &dtype_argument)) {
      return nullptr;
    }
    std::optional<Dtype> dtype;
    if (dtype_argument && dtype_argument != Py_None && !dtype_from_object(dtype_argument, &dtype.emplace())) {
      fail(Code::type, "array", "dtype must be a Dtype, not ", Py_TYPE(dtype_argument)->tp_name);
    }
    return allocate(type, array_from_python(value, dtype));
  });
}

void destroy(PyObject* object) noexcept {
  auto* self = reinterpret_cast<ArrayObject*>(object);
  PyTypeObject* type = Py_TYPE(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  self->value.~array();
  type->tp_free(object);
  Py_DECREF(type);
}

// ---- properties ----

template <auto Get>
PyObject* property(PyObject* self, void*) noexcept {
  return guarded([&] { return to_python(Get(array_of(self))); });
}

PyGetSetDef properties[] = {
    {"shape", property<[](const array& a) { return a.shape(); }>, nullptr,
     "The dimensions, as a tuple of ints.", nullptr},
    {"dtype", property<[](const array& a) { return a.dtype(); }>, nullptr, "The type of the elements.",
     nullptr},
    {"size", property<[](const array& a) { return a.size(); }>, nullptr, "Number of elements.", nullptr},
    {"ndim", property<[](const array& a) { return int64_t(a.ndim()); }>, nullptr, "Number of dimensions.",
     nullptr},
    {"itemsize", property<[](const array& a) { return int64_t(a.itemsize()); }>, nullptr,
     "Bytes of one element.", nullptr},
    {"nbytes", property<[](const array& a) { return int64_t(a.nbytes()); }>, nullptr,
     "Bytes of all elements.", nullptr},
    {"real", property<[](const array& a) { return real(a); }>, nullptr, "The real part.", nullptr},
    {"imag", property<[](const array& a) { return imag(a); }>, nullptr, "The imaginary part.", nullptr},
    {"T", property<[](const array& a) { return transpose(a); }>, nullptr, "The axes in reverse order.",
     nullptr},
    {"mT", property<[](const array& a) {
       if (a.ndim() < 2)
         fail(Code::value, "mT", "needs at least two dimensions, this array has shape ", a.shape());
       return swapaxes(a, -1, -2);
     }>,
     nullptr, "The last two axes exchanged.", nullptr},
    {"at",
     [](PyObject* self, void*) noexcept {
       return guarded([&] { return make_array_at(self).release().ptr(); });
     },
     nullptr, "Updates of parts: a.at[index].add(values) is a new array, in which repeated indices add up.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ArrayObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

// ---- containers ----

Py_ssize_t length(PyObject* self) noexcept {
  return guarded([&] {
    const array& value = array_of(self);
    if (value.ndim() == 0) raise(PyExc_TypeError, "an array of no dimensions has no len()");
    return Py_ssize_t(value.shape()[0]);
  });
}

PyObject* subscript(PyObject* self, PyObject* index) noexcept {
  return guarded([&] { return get_item(array(array_of(self)), index).release().ptr(); });
}

int assign(PyObject* self, PyObject* index, PyObject* value) noexcept {
  return guarded([&] {
    if (!value) raise(PyExc_TypeError, "elements of an array cannot be deleted");
    set_item(array_of(self), index, value);
    return 0;
  });
}

PyObject* represent(PyObject* self) noexcept {
  return guarded([&] { return to_python(repr(array_of(self))); });
}

constexpr const char* kDoc =
    "array(val, dtype=None)\n--\n\n"
    "A lazy array of numbers. `val` is a number, nested lists or tuples of numbers, an array, or what NumPy, "
    "PyTorch and\n"
    "others export (the buffer protocol, DLPack, `__array__`). Without `dtype`, floats become float32, "
    "complex numbers\n"
    "complex64, ints the smallest of int32, int64 and uint64 that holds them; arrays of others keep their "
    "type, but for\n"
    "float64, which becomes float32.";

template <class Function>
PyType_Slot slot(int id, Function* function) {
  return {id, reinterpret_cast<void*>(function)};
}

}  // namespace

PyObject* wrap(array value) {
  auto* self =
      static_cast<ArrayObject*>(PyObject_Malloc(sizeof(ArrayObject)));  // what tp_alloc does, but quicker
  if (!self) throw std::bad_alloc();
  PyObject_Init(&self->ob_base, array_type);
  self->weak_references = nullptr;
  new (&self->value) array(std::move(value));
  return &self->ob_base;
}

const View& evaluated(const array& value, array& keep) {
  keep = value;
  if (!keep.ready()) {
    Unlocked unlocked;
    keep.eval();
  }
  return keep.view();
}

void bind_array(nb::module_& m) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_doc, const_cast<char*>(kDoc)},
      slot(Py_tp_new, construct),
      slot(Py_tp_dealloc, destroy),
      slot(Py_tp_repr, represent),
      slot(Py_tp_iter, iterate),
      {Py_tp_methods, array_methods},
      {Py_tp_getset, properties},
      {Py_tp_members, members},
      slot(Py_mp_length, length),
      slot(Py_mp_subscript, subscript),
      slot(Py_mp_ass_subscript, assign),
      slot(Py_bf_getbuffer, get_buffer),
      slot(Py_bf_releasebuffer, release_buffer),
  };
  for (const PyType_Slot& operation : operator_slots()) slots.push_back(operation);
  slots.push_back({0, nullptr});
  PyType_Spec spec{"melix.core.array", int(sizeof(ArrayObject)), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                   slots.data()};
  nb::object type = steal(PyType_FromModuleAndSpec(m.ptr(), &spec, nullptr));
  array_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.attr("array") = type;
  add_methods(array_type, operator_methods);
}

void add_methods(PyTypeObject* type, PyMethodDef* methods) {
  for (PyMethodDef* method = methods; method->ml_name; method++) {
    nb::object descriptor = steal(PyDescr_NewMethod(type, method));
    if (PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), method->ml_name, descriptor.ptr()) != 0) {
      throw_python_error();
    }
  }
}

}  // namespace melix::python
