// See creation.h.
#include "python/src/creation.h"

#include "melix/ops/shape.h"
#include "python/src/arguments.h"
#include "python/src/buffer_protocol.h"
#include "python/src/dlpack.h"
#include "python/src/from_python.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

std::optional<bool> copy_argument(const char* op, nb::handle copy) {
  if (copy.is_none()) return std::nullopt;
  if (!PyBool_Check(copy.ptr()))
    fail(Code::type, op, "copy must be None or a bool, not ", Py_TYPE(copy.ptr())->tp_name);
  return copy.ptr() == Py_True;
}

// Elements that are looked at, not copied, change when their owner writes to them, even after operations on the array
// were built and before they run. So only who asks for it gets that.
array asarray(nb::handle object, std::optional<Dtype> dtype, std::optional<bool> copy) {
  if (is_array(object.ptr())) {
    const array& value = array_of(object.ptr());
    if (copy == false && dtype && *dtype != value.dtype())
      fail(Code::value, "asarray", "another dtype needs a copy");
    return copy == true ? array(copied_elements(array_from_python(object.ptr(), dtype)))
                        : array_from_python(object.ptr(), dtype);
  }
  if (copy != false) return array_from_python(object.ptr(), dtype);
  std::optional<array> shared = array_from_buffer(object.ptr(), std::nullopt, false);
  if (!shared) shared = array_from_dlpack(object.ptr(), false);
  if (!shared)
    fail(Code::value, "asarray", "an object of type ", Py_TYPE(object.ptr())->tp_name, " needs a copy");
  if (dtype && *dtype != shared->dtype()) fail(Code::value, "asarray", "another dtype needs a copy");
  return std::move(*shared);
}

template <array (*F)(const array&, StreamOrDevice)>
nb::object at_least(const char* op, nb::args arrays, StreamOrDevice stream) {
  std::vector<array> out;
  for (nb::handle object : arrays) {
    std::optional<array> value;
    if (!From<array>::convert(object.ptr(), value))
      fail(Code::type, op, "takes arrays, not ", Py_TYPE(object.ptr())->tp_name);
    out.push_back(F(*value, stream));
  }
  if (out.size() == 1) return to_object(std::move(out[0]));
  return nb::steal(to_python(std::move(out)));
}

struct ArrayLike {
  nb::object object;
};

}  // namespace

void bind_making(nb::module_& m) {
  m.def(
      "asarray",
      [](nb::handle a, nb::handle dtype, nb::handle copy) {
        std::optional<Dtype> wanted;
        if (!dtype.is_none()) wanted = nb::cast<Dtype>(dtype);
        return asarray(a, wanted, copy_argument("asarray", copy));
      },
      nb::arg("a"), nb::arg("dtype") = nb::none(), nb::kw_only(), nb::arg("copy") = nb::none(),
      "An array of an object's elements, copied unless it is an array; with copy=False on the object's own "
      "memory, or "
      "ValueError where that is impossible.");
  m.def(
      "from_dlpack",
      [](nb::handle x, nb::handle copy) {
        std::optional<array> out = array_from_dlpack(x.ptr(), copy_argument("from_dlpack", copy));
        if (!out)
          fail(Code::type, "from_dlpack", "an object of type ", Py_TYPE(x.ptr())->tp_name,
               " has no __dlpack__");
        return std::move(*out);
      },
      nb::arg("x"), nb::kw_only(), nb::arg("copy") = nb::none(),
      "An array on the memory of an object that has __dlpack__ (a copy where that is impossible, and of "
      "float64, which "
      "becomes float32); with copy=True always a copy, with copy=False never one.");
  m.def(
      "atleast_1d",
      [](nb::args arys, StreamOrDevice s) { return at_least<atleast_1d>("atleast_1d", arys, s); },
      nb::arg("arys"), nb::arg("stream") = nb::none(),
      "Arrays of at least one dimension; a list of several.");
  m.def(
      "atleast_2d",
      [](nb::args arys, StreamOrDevice s) { return at_least<atleast_2d>("atleast_2d", arys, s); },
      nb::arg("arys"), nb::arg("stream") = nb::none(),
      "Arrays of at least two dimensions; a list of several.");
  m.def(
      "atleast_3d",
      [](nb::args arys, StreamOrDevice s) { return at_least<atleast_3d>("atleast_3d", arys, s); },
      nb::arg("arys"), nb::arg("stream") = nb::none(),
      "Arrays of at least three dimensions; a list of several.");
  m.def(
      "__array_namespace_info__",
      [] { return nb::module_::import_("melix.array_api").attr("ArrayNamespaceInfo")(); },
      "What the Python array API asks about this module.");
  // A name that `from melix.core import *` must not put in the place of Python's own.
  m.def(
      "__getattr__",
      [](nb::str object) {
        const std::string name = object.c_str();
        if (name == "bool") return nb::borrow(dtype_object(bool_));
        raise(PyExc_AttributeError, "module 'melix.core' has no attribute '", name, "'");
      },
      nb::arg("name"), "The dtype `bool`, as the Python array API calls bool_.");
  nb::class_<ArrayLike>(m, "ArrayLike", "Stands for an object whose method __mlx_array__ returns an array.")
      .def("__init__", [](ArrayLike* self, nb::object object) { new (self) ArrayLike{std::move(object)}; })
      .def("__mlx_array__", [](const ArrayLike& self) { return self.object.attr("__mlx_array__")(); });
}

}  // namespace melix::python
