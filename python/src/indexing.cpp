// See indexing.h. Keys are only read here; melix/ops/indexing.h says what they mean.
#include "python/src/indexing.h"

#include <algorithm>

#include "melix/core/element.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/indexing.h"
#include "python/src/arguments.h"
#include "python/src/from_python.h"
#include "python/src/scalars.h"

namespace melix::python {
namespace {

constexpr const char* kName = "index";

// Integers that Python has in its hands are checked when the operation is built: notes the smallest and the largest.
KnownIndices known(array values) {
  KnownIndices out{std::move(values)};
  if (out.values.size() == 0) return out;
  const View& view = out.values.view();
  with_type(view.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (std::is_integral_v<T>) {
      const auto [low, high] = std::minmax_element(view.as<T>(), view.as<T>() + view.size());
      out.lowest = int64_t(*low);
      out.highest = narrowed<int64_t>(*high);
    }
  });
  return out;
}

IndexEntry from_values(array values) {
  if (values.size() == 0 && values.dtype() == float32) values = astype(values, int32);  // a[[]]
  const bool readable = is_integer(values.dtype()) && values.ready() && values.view().row_major();
  if (readable) return known(std::move(values));
  return values;
}

IndexEntry entry_of(PyObject* key) {
  if (PyBool_Check(key)) return array(key == Py_True);
  if (is_array(key)) return array_of(key);
  if (key == Py_None) return NewAxis{};
  if (key == Py_Ellipsis) return Ellipsis{};
  if (PySlice_Check(key)) {
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) throw_python_error();
    return Slice{start, stop, step};
  }
  if (int64_t number; convert_int(key, &number)) return number;
  if (PyList_Check(key) || PyTuple_Check(key)) return from_values(array_from_python(key, std::nullopt));
  if (std::optional<array> values = array_from_exporter(key, std::nullopt))
    return from_values(std::move(*values));
  if (PySequence_Check(key) && !PyUnicode_Check(key) && !PyBytes_Check(key)) {
    nb::object list = steal(PySequence_List(key));
    return from_values(array_from_python(list.ptr(), std::nullopt));
  }
  fail(Code::index, kName,
       "only integers, slices (':'), ellipsis ('...'), None and arrays of integers or bools are valid "
       "indices, not ",
       Py_TYPE(key)->tp_name);
}

Index index_of(PyObject* key) {
  Index out;
  if (!PyTuple_Check(key)) {
    out.push_back(entry_of(key));
    return out;
  }
  // Each entry is held while it is read: that may run code which drops the tuple.
  nb::object tuple = nb::borrow(key);
  out.reserve(size_t(PyTuple_GET_SIZE(key)));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) out.push_back(entry_of(PyTuple_GET_ITEM(key, i)));
  return out;
}

// What is assigned takes the dtype of the array, whatever its own.
array value_for(const array& a, PyObject* value) {
  if (std::optional<array> out = operand(value, a.dtype())) return std::move(*out);
  return array_from_python(value, std::nullopt);
}

struct ArrayAt {
  array value;
  nb::object key;  // null until an index was given

  array updated(Scatter mode, nb::handle with, bool opposite = false) const {
    if (!key.is_valid()) fail(Code::value, "at", "needs an index first, as in a.at[index].add(x)");
    array values = astype(value_for(value, with.ptr()), value.dtype());
    return index_update(value, index_of(key.ptr()), opposite ? negative(values) : values, mode);
  }
};

}  // namespace

nb::object get_item(const array& a, nb::handle key) { return to_object(index(a, index_of(key.ptr()))); }

void set_item(array& a, nb::handle key, nb::handle value) {
  const array before = a;  // reading key and value may run code that gives the object another handle
  Index index = index_of(key.ptr());
  a = index_update(before, index, value_for(before, value.ptr()));
}

nb::object make_array_at(nb::handle a) { return nb::cast(ArrayAt{array_of(a.ptr()), nb::object()}); }

void bind_indexing(nb::module_& m) {
  nb::class_<ArrayAt>(m, "ArrayAt",
                      "Updates of some elements of an array: `a.at[index].add(x)` is a new array. Unlike "
                      "`a[index] += x`, every\n"
                      "one of several updates of one element counts.")
      .def(
          "__getitem__",
          [](const ArrayAt& at, nb::object key) {
            return ArrayAt{at.value, std::move(key)};
          },
          nb::arg().none())
      .def(
          "add", [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::add, value); },
          nb::arg("value"), "The array with `value` added to the indexed elements.")
      .def(
          "subtract",
          [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::add, value, true); },
          nb::arg("value"), "The array with `value` subtracted from the indexed elements.")
      .def(
          "multiply", [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::prod, value); },
          nb::arg("value"), "The array with the indexed elements multiplied by `value`.")
      .def(
          "divide", [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::divide, value); },
          nb::arg("value"), "The array with the indexed elements divided by `value`.")
      .def(
          "maximum", [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::max, value); },
          nb::arg("value"), "The array with the larger of each indexed element and `value`.")
      .def(
          "minimum", [](const ArrayAt& at, nb::object value) { return at.updated(Scatter::min, value); },
          nb::arg("value"), "The array with the smaller of each indexed element and `value`.");
}

}  // namespace melix::python
