// See array_methods.h.
#include "python/src/array_methods.h"

#include <cstring>
#include <string>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "python/src/arguments.h"
#include "python/src/buffer_protocol.h"
#include "python/src/dlpack.h"
#include "python/src/indexing.h"
#include "python/src/printing.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

using Values = PyObject* const*;

template <class Function>
PyCFunction method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyObject* item(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return item_object(array_of(self)); });
}

PyObject* tolist(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return list_object(array_of(self)); });
}

// ---- reshape(2, 3), reshape((2, 3)); transpose(1, 0), transpose([1, 0]), transpose() ----

// The numbers that were given one by one or as one sequence; a keyword `stream` beside them.
struct Numbers {
  std::vector<int64_t> values;
  bool given = false;
  StreamOrDevice stream;

  Numbers(const char* name, const char* keyword, Values arguments, Py_ssize_t n, PyObject* keywords) {
    for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); k++) {
      PyObject* key = PyTuple_GET_ITEM(keywords, k);
      PyObject* value = arguments[n + k];
      if (PyUnicode_CompareWithASCIIString(key, "stream") == 0) {
        if (!stream_from_object(value, &stream))
          fail(Code::type, name, "stream must be a Stream or a Device");
      } else if (n == 0 && PyUnicode_CompareWithASCIIString(key, keyword) == 0) {
        take(name, value);
      } else {
        const char* text = PyUnicode_AsUTF8(key);
        fail(Code::type, name, "has no keyword argument ", text ? text : "of that name");
      }
    }
    if (n == 1) {
      take(name, arguments[0]);
    } else if (n > 1) {
      nb::object all = steal(PyTuple_New(n));
      for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(all.ptr(), i, Py_NewRef(arguments[i]));
      take(name, all.ptr());
    }
  }

 private:
  void take(const char* name, PyObject* value) {
    if (value == Py_None) return;
    given = true;
    if (!convert_ints(value, &values, true)) {
      fail(Code::type, name, "takes ints, or one sequence of ints, not ", Py_TYPE(value)->tp_name);
    }
  }
};

PyObject* reshape_method(PyObject* self, Values arguments, Py_ssize_t n, PyObject* keywords) noexcept {
  return guarded([&] {
    Numbers shape("reshape", "shape", arguments, n, keywords);
    return wrap(reshape(array_of(self), Shape(shape.values.begin(), shape.values.end()), shape.stream));
  });
}

PyObject* transpose_method(PyObject* self, Values arguments, Py_ssize_t n, PyObject* keywords) noexcept {
  return guarded([&] {
    Numbers axes("transpose", "axes", arguments, n, keywords);
    if (!axes.given) return wrap(transpose(array_of(self), std::nullopt, axes.stream));
    return wrap(
        transpose(array_of(self), std::vector<int>(axes.values.begin(), axes.values.end()), axes.stream));
  });
}

// ---- copies and pickles ----

PyObject* copy(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return wrap(array_of(self)); });
}

nb::object raw_bytes(const array& value) {
  array keep = value;
  const View& view = evaluated(contiguous(value), keep);
  return steal(PyBytes_FromStringAndSize(static_cast<const char*>(view.data()), Py_ssize_t(view.nbytes())));
}

PyObject* as_bytes(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return raw_bytes(array_of(self)).release().ptr(); });
}

// (dtype, shape, elements): the elements as bytes, or from protocol 5 on without a copy.
nb::object state_of(PyObject* self, int protocol) {
  const array value = array_of(self);
  nb::object elements;
  if (protocol >= 5) {
    nb::object flat = to_object(view(contiguous(reshape(value, {-1})), uint8));
    elements = nb::module_::import_("pickle").attr("PickleBuffer")(flat);
  } else {
    elements = raw_bytes(value);
  }
  nb::object shape = nb::steal(to_python(value.shape()));
  return nb::make_tuple(nb::borrow(dtype_object(value.dtype())), shape, elements);
}

PyObject* get_state(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return state_of(self, 0).release().ptr(); });
}

PyObject* set_state(PyObject* self, PyObject* state) noexcept {
  return guarded([&] {
    auto wrong = [] { fail(Code::value, "array", "this is no state of an array"); };
    std::vector<int64_t> dimensions;
    View view;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) != 3) wrong();
    if (!dtype_from_object(PyTuple_GET_ITEM(state, 0), &view.dtype)) wrong();
    if (!convert_ints(PyTuple_GET_ITEM(state, 1), &dimensions, false)) wrong();
    Shape shape(dimensions.begin(), dimensions.end());
    const int64_t n = elements("array", shape);
    std::optional<array> bytes = array_from_buffer(PyTuple_GET_ITEM(state, 2), std::nullopt, true);
    if (!bytes || bytes->itemsize() != 1 || uint64_t(bytes->size()) / size_of(view.dtype) != uint64_t(n) ||
        uint64_t(bytes->size()) % size_of(view.dtype) != 0) {
      wrong();
    }
    view.strides = row_major(shape);
    view.shape = std::move(shape);
    view.buffer = bytes->view().buffer;
    array_of(self) = array(std::move(view));
    return Py_NewRef(Py_None);
  });
}

PyObject* reduce(PyObject* self, PyObject* protocol_object) noexcept {
  return guarded([&] {
    int64_t protocol = 0;
    if (!convert_int(protocol_object, &protocol)) raise(PyExc_TypeError, "the protocol must be an int");
    nb::object arguments = nb::make_tuple(0);
    return nb::make_tuple(nb::borrow(reinterpret_cast<PyObject*>(Py_TYPE(self))), arguments,
                          state_of(self, int(protocol)))
        .release()
        .ptr();
  });
}

// ---- exchange ----

PyObject* dlpack_device(PyObject*, PyObject*) noexcept { return Py_BuildValue("(ii)", 1, 0); }

PyObject* dlpack(PyObject* self, Values arguments, Py_ssize_t n, PyObject* keywords) noexcept {
  static const char* const names[] = {"stream", "max_version", "dl_device", "copy"};
  static Signature signature = [] {
    Signature made{"__dlpack__", names, 4, 0, 4, 0};
    intern_names(made);
    return made;
  }();
  return guarded([&] {
    Arguments in(signature, nullptr, arguments, n, keywords);
    PyObject* version = in[1];
    bool version_1 = false;
    if (version && version != Py_None) {
      std::vector<int64_t> numbers;
      if (!convert_ints(version, &numbers, false) || numbers.empty()) in.wrong_type(1, "a tuple of two ints");
      version_1 = numbers[0] >= 1;
    }
    if (PyObject* device = in[2]; device && device != Py_None) {
      std::vector<int64_t> numbers;
      if (!convert_ints(device, &numbers, false) || numbers.empty()) in.wrong_type(2, "a tuple of two ints");
      if (numbers[0] != 1) raise(PyExc_BufferError, "the elements are in the memory of the CPU");
    }
    array value = array_of(self);
    if (in[3] == Py_True) value = array(copied_elements(value));
    return to_dlpack(value, version_1);
  });
}

PyObject* numpy_array(PyObject* self, Values arguments, Py_ssize_t n, PyObject* keywords) noexcept {
  static const char* const names[] = {"dtype", "copy"};
  static Signature signature = [] {
    Signature made{"__array__", names, 2, 0, 2, 0};
    intern_names(made);
    return made;
  }();
  return guarded([&] {
    Arguments in(signature, nullptr, arguments, n, keywords);
    array value = array_of(self);
    // NumPy has no bfloat16; float32 holds all its values.
    const bool widened = value.dtype() == bfloat16;
    if (widened) value = astype(value, float32);
    nb::object memory = steal(PyMemoryView_FromObject(to_object(value).ptr()));
    nb::object out = nb::module_::import_("numpy").attr("asarray")(memory);
    nb::handle dtype(in[0] ? in[0] : Py_None);
    if (!dtype.is_none() && !out.attr("dtype").equal(dtype)) {
      if (in[1] == Py_False) raise(PyExc_ValueError, "another dtype needs a copy");
      out = out.attr("astype")(dtype);
    } else if (in[1] == Py_True) {
      out = out.attr("copy")();
    } else if (in[1] == Py_False && widened) {
      raise(PyExc_ValueError, "bfloat16 becomes float32, which needs a copy");
    }
    return out.release().ptr();
  });
}

PyObject* numpy(PyObject* self, PyObject*) noexcept { return numpy_array(self, nullptr, 0, nullptr); }

PyObject* round_method(PyObject* self, PyObject* const* arguments, Py_ssize_t n) noexcept {
  return guarded([&]() -> PyObject* {
    if (n > 1) raise(PyExc_TypeError, "__round__ takes at most one argument");
    int decimals = n == 0 || arguments[0] == Py_None ? 0 : nb::cast<int>(nb::handle(arguments[0]));
    return wrap(round(array_of(self), decimals));
  });
}

PyObject* array_namespace(PyObject*, Values, Py_ssize_t, PyObject*) noexcept {
  return PyImport_ImportModule("melix.core");
}

PyObject* format(PyObject* self, PyObject* spec) noexcept {
  return guarded([&] {
    if (!PyUnicode_Check(spec)) raise(PyExc_TypeError, "the format must be a str");
    if (array_of(self).ndim() == 0) {
      nb::object number = nb::steal(item_object(array_of(self)));
      return PyObject_Format(number.ptr(), spec);
    }
    if (PyUnicode_GET_LENGTH(spec) != 0)
      raise(PyExc_TypeError, "only arrays of no dimensions can be formatted");
    return to_python(repr(array_of(self)));
  });
}

// ---- iteration ----

struct ArrayIterator {
  array value;
  int64_t next = 0;
};

constexpr int kCall = METH_FASTCALL | METH_KEYWORDS;

}  // namespace

PyObject* iterate(PyObject* self) noexcept {
  return guarded([&] {
    const array& value = array_of(self);
    if (value.ndim() == 0) raise(PyExc_TypeError, "an array of no dimensions cannot be iterated");
    return nb::cast(ArrayIterator{value}).release().ptr();
  });
}

void bind_array_iterator(nb::module_& m) {
  nb::class_<ArrayIterator>(m, "ArrayIterator", "Iterates over the first axis of an array.")
      .def("__iter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__next__", [](ArrayIterator& self) {
        if (self.next >= self.value.shape()[0]) throw nb::stop_iteration();
        return get_item(self.value, nb::int_(self.next++));
      });
}

PyMethodDef array_methods[] = {
    {"item", item, METH_NOARGS, "item($self)\n--\n\nThe one element as a Python number; evaluates."},
    {"tolist", tolist, METH_NOARGS,
     "tolist($self)\n--\n\nThe elements as nested lists; a scalar as a number. Evaluates."},
    {"reshape", method(reshape_method), kCall,
     "reshape($self, *shape, stream=None)\n--\n\nThe same elements in another shape, given as ints or as one "
     "sequence."},
    {"transpose", method(transpose_method), kCall,
     "transpose($self, *axes, stream=None)\n--\n\nAxes permuted; without axes, their order is reversed."},
    {"__copy__", copy, METH_NOARGS, "Another object for the same array."},
    {"__deepcopy__", copy, METH_O, "Another object for the same array: elements never change in place."},
    {"__bytes__", as_bytes, METH_NOARGS, "The elements in row-major order, as bytes."},
    {"__getstate__", get_state, METH_NOARGS, "dtype, shape and bytes."},
    {"__setstate__", set_state, METH_O, "Takes the value that __getstate__ gave."},
    {"__reduce_ex__", reduce, METH_O, "For pickle."},
    {"__dlpack__", method(dlpack), kCall,
     "__dlpack__($self, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
     "A DLPack capsule over the elements; evaluates."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, "DLPack's numbers for the CPU."},
    {"__array__", method(numpy_array), kCall,
     "__array__($self, dtype=None, copy=None)\n--\n\nThe elements as a NumPy array, without a copy where "
     "possible."},
    {"numpy", numpy, METH_NOARGS,
     "numpy($self)\n--\n\nThe elements as a NumPy array, without a copy where possible. Evaluates."},
    {"__round__", method(round_method), METH_FASTCALL,
     "__round__($self, decimals=0)\n--\n\nNearest numbers of so many decimals."},
    {"__array_namespace__", method(array_namespace), kCall,
     "__array_namespace__($self, api_version=None)\n--\n\nThe module melix.core."},
    {"__format__", format, METH_O,
     "A scalar as its number is formatted; without a format, the text of the array."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace melix::python
