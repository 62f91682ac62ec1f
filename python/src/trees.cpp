// See trees.h.
#include "python/src/trees.h"

namespace melix::python {
namespace {

// Trees are as deep as people write them; Python's own limit catches those that contain themselves.
class Depth {
 public:
  Depth() {
    if (Py_EnterRecursiveCall(" in a tree of arrays")) throw_python_error();
  }
  ~Depth() { Py_LeaveRecursiveCall(); }
};

bool is_sequence(nb::handle h) { return PyList_Check(h.ptr()) || PyTuple_Check(h.ptr()); }
bool is_dict(nb::handle h) { return PyDict_Check(h.ptr()); }

// Calls `visit` with every child of a container.
template <class Visit>
void for_each(nb::handle tree, Visit&& visit) {
  Depth depth;
  if (is_dict(tree)) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) visit(value);
  } else {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(tree.ptr()); i++) {
      visit(nb::handle(PySequence_Fast_GET_ITEM(tree.ptr(), i)));
    }
  }
}

}  // namespace

void flatten(nb::handle tree, std::vector<array>& arrays) {
  if (is_array(tree.ptr())) {
    arrays.push_back(array_of(tree.ptr()));
  } else if (is_sequence(tree) || is_dict(tree)) {
    for_each(tree, [&](nb::handle child) { flatten(child, arrays); });
  }
}

std::vector<array> flatten(nb::handle tree) {
  std::vector<array> arrays;
  flatten(tree, arrays);
  return arrays;
}

nb::object rebuild(nb::handle tree, const std::vector<array>& arrays, size_t& index) {
  if (is_array(tree.ptr())) return to_object(arrays.at(index++));
  if (is_dict(tree)) {
    Depth depth;
    nb::dict out;
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) out[key] = rebuild(value, arrays, index);
    return out;
  }
  if (!is_sequence(tree)) return nb::borrow(tree);
  nb::list out;
  for_each(tree, [&](nb::handle child) { out.append(rebuild(child, arrays, index)); });
  if (PyList_Check(tree.ptr())) return out;
  // Named tuples are made from positional arguments, plain ones from a sequence.
  if (nb::hasattr(tree, "_fields")) return nb::borrow(tree.type())(*nb::tuple(out));
  return nb::tuple(out);
}

nb::object rebuild(nb::handle tree, const std::vector<array>& arrays) {
  size_t index = 0;
  return rebuild(tree, arrays, index);
}

void refill(nb::handle tree, const std::vector<array>& arrays, size_t& index) {
  if (is_array(tree.ptr())) {
    array_of(tree.ptr()) = arrays.at(index++);
  } else if (is_sequence(tree) || is_dict(tree)) {
    for_each(tree, [&](nb::handle child) { refill(child, arrays, index); });
  }
}

nb::object signature(nb::handle tree) {
  if (is_array(tree.ptr())) return nb::none();
  nb::list parts;
  parts.append(tree.type());
  if (is_dict(tree)) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) parts.append(nb::make_tuple(key, signature(value)));
  } else if (is_sequence(tree)) {
    for_each(tree, [&](nb::handle child) { parts.append(signature(child)); });
  } else {
    if (PyObject_Hash(tree.ptr()) == -1) {
      PyErr_Clear();
      raise(PyExc_TypeError, "[compile] an argument of type ", Py_TYPE(tree.ptr())->tp_name,
            " can neither be traced (as arrays are) nor hashed (as constants are)");
    }
    parts.append(tree);
  }
  return nb::tuple(parts);
}

Kept keep(nb::handle object) {
  return Kept(object.inc_ref().ptr(), [](PyObject* kept) {
    if (!Py_IsInitialized()) return;  // the interpreter is gone, and with it the object
    nb::gil_scoped_acquire lock;
    Py_DECREF(kept);
  });
}

}  // namespace melix::python
