// See dtypes.h.
#include "python/src/dtypes.h"

#include <limits>
#include <string>

#include "melix/core/element.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

struct DtypeObject {
  PyObject ob_base;
  Dtype dtype;
};

PyObject* dtype_objects[kDtypes];  // owned by the module, which has each under its name
PyTypeObject* dtype_type = nullptr;

Dtype dtype_of(PyObject* object) { return reinterpret_cast<DtypeObject*>(object)->dtype; }

// "bool_" and "float32": the names in the module.
std::string constant_name(Dtype dtype) { return dtype == bool_ ? "bool_" : std::string(name_of(dtype)); }

PyObject* represent(PyObject* self) noexcept {
  return guarded([&] { return to_python(concat("melix.core.", name_of(dtype_of(self)))); });
}

// The name of the constant: pickle and copy look it up, and get the same object.
PyObject* reduce(PyObject* self, PyObject*) noexcept {
  return guarded([&] { return to_python(constant_name(dtype_of(self))); });
}

PyObject* size(PyObject* self, void*) noexcept {
  return guarded([&] { return to_python(int64_t(size_of(dtype_of(self)))); });
}

PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, "For pickle and copy."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef properties[] = {
    {"size", size, nullptr, "Bytes of one element.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

void add_dtypes(nb::module_& m) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("The type of an array's elements.")},
      {Py_tp_repr, reinterpret_cast<void*>(represent)},
      {Py_tp_methods, methods},
      {Py_tp_getset, properties},
      {0, nullptr},
  };
  PyType_Spec spec{"melix.core.Dtype", int(sizeof(DtypeObject)), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  nb::object type = steal(PyType_FromModuleAndSpec(m.ptr(), &spec, nullptr));
  dtype_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.attr("Dtype") = type;
  for (int i = 0; i < kDtypes; i++) {
    nb::object object = steal(dtype_type->tp_alloc(dtype_type, 0));
    reinterpret_cast<DtypeObject*>(object.ptr())->dtype = Dtype(i);
    dtype_objects[i] = object.ptr();
    m.attr(constant_name(Dtype(i)).c_str()) = object;
  }
}

// ---- categories ----

struct Named {
  const char* name;
  Category category;
  const char* doc;
};
constexpr Named kCategories[] = {
    {"complexfloating", Category::complexfloating, "Complex numbers."},
    {"floating", Category::floating, "Floating point numbers."},
    {"inexact", Category::inexact, "Floating point and complex numbers."},
    {"signedinteger", Category::signedinteger, "Signed integers."},
    {"unsignedinteger", Category::unsignedinteger, "Unsigned integers."},
    {"integer", Category::integer, "Integers."},
    {"number", Category::number, "All but bool."},
    {"generic", Category::generic, "All."},
};

bool issubdtype_of(nb::handle a, nb::handle b) {
  Dtype first, second;
  Category category = Category::generic;
  const bool first_dtype = dtype_from_object(a.ptr(), &first),
             second_dtype = dtype_from_object(b.ptr(), &second);
  if (!first_dtype && !nb::isinstance<Category>(a))
    fail(Code::value, "issubdtype", "the first argument is no dtype or category");
  if (second_dtype) return first_dtype && first == second;
  if (!nb::try_cast(b, category, false))
    fail(Code::value, "issubdtype", "the second argument is no dtype or category");
  return first_dtype ? issubdtype(first, category) : issubdtype(nb::cast<Category>(a), category);
}

bool is_kind(Dtype dtype, const std::string& kind) {
  const Kind own = kind_of(dtype);
  if (kind == "bool") return own == Kind::boolean;
  if (kind == "signed integer") return own == Kind::signed_integer;
  if (kind == "unsigned integer") return own == Kind::unsigned_integer;
  if (kind == "integral") return is_integer(dtype);
  if (kind == "real floating") return is_floating(dtype);
  if (kind == "complex floating") return is_complex(dtype);
  if (kind == "numeric") return own != Kind::boolean;
  fail(Code::value, "isdtype", "there is no kind of dtypes named \"", kind, "\"");
}

bool isdtype_of(Dtype dtype, nb::handle kind) {
  Dtype other;
  if (dtype_from_object(kind.ptr(), &other)) return dtype == other;
  if (PyUnicode_Check(kind.ptr())) return is_kind(dtype, nb::str(kind).c_str());
  if (!PyTuple_Check(kind.ptr()))
    fail(Code::value, "isdtype", "the kind must be a dtype, a str or a tuple of these");
  bool any = false;
  for (nb::handle one : kind) any = isdtype_of(dtype, one) || any;
  return any;
}

Dtype dtype_of_any(nb::handle object, const char* op) {
  Dtype dtype;
  if (is_array(object.ptr())) return array_of(object.ptr()).dtype();
  if (!dtype_from_object(object.ptr(), &dtype))
    fail(Code::value, op, "takes arrays and dtypes, not ", Py_TYPE(object.ptr())->tp_name);
  return dtype;
}

// ---- limits ----

struct FloatInfo {
  Dtype dtype;
  int bits;
  double min, max, eps, smallest_normal;
};

FloatInfo float_info(Dtype dtype) {
  switch (dtype) {
    case float16:
      return {dtype, 16, -65504.0, 65504.0, 0x1p-10, 0x1p-14};
    case bfloat16:
      return {dtype, 16, -0x1.FEp127, 0x1.FEp127, 0x1p-7, 0x1p-126};
    case float32:
    case complex64:
      return {float32, 32, -0x1.FFFFFEp127, 0x1.FFFFFEp127, 0x1p-23, 0x1p-126};
    case float64: {
      using Limits = std::numeric_limits<double>;
      return {dtype, 64, Limits::lowest(), Limits::max(), Limits::epsilon(), Limits::min()};
    }
    default:
      fail(Code::value, "finfo", "the dtype ", dtype, " is no floating type");
  }
}

struct IntInfo {
  Dtype dtype;
  int64_t min;
  uint64_t max;
};

IntInfo int_info(Dtype dtype) {
  if (!is_integer(dtype)) fail(Code::value, "iinfo", "the dtype ", dtype, " is no integer type");
  const int bits = int(size_of(dtype)) * 8;
  const uint64_t all = ~uint64_t(0) >> (64 - bits);
  if (kind_of(dtype) == Kind::unsigned_integer) return {dtype, 0, all};
  return {dtype, -int64_t(all / 2) - 1, all / 2};
}

std::string short_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

PyObject* dtype_object(Dtype dtype) { return dtype_objects[int(dtype)]; }

bool dtype_from_object(PyObject* object, Dtype* dtype) noexcept {
  if (Py_TYPE(object) != dtype_type) return false;
  *dtype = dtype_of(object);
  return true;
}

void bind_dtypes(nb::module_& m) {
  add_dtypes(m);
  nb::enum_<Category> categories(m, "DtypeCategory", "Kinds of dtypes, as a tree.");
  for (const Named& c : kCategories) categories.value(c.name, c.category, c.doc);
  categories.export_values();

  m.def("issubdtype", issubdtype_of, nb::arg("arg1"), nb::arg("arg2"),
        "Whether a dtype or category is one, or belongs to one.");
  m.def("isdtype", isdtype_of, nb::arg("dtype"), nb::arg("kind"),
        "Whether a dtype is of a kind: another dtype, the name of a kind of the array API, or a tuple of "
        "these.");
  m.def(
      "can_cast",
      [](nb::handle from, Dtype to) {
        const Dtype dtype = dtype_of_any(from, "can_cast");
        return promote(dtype, to) == to;
      },
      nb::arg("from_"), nb::arg("to"),
      "Whether values of a dtype (or array) become those of another by promotion alone.");
  m.def(
      "result_type",
      [](nb::args all) {
        if (all.size() == 0) fail(Code::value, "result_type", "needs at least one array or dtype");
        Dtype out = dtype_of_any(all[0], "result_type");
        for (size_t i = 1; i < all.size(); i++) out = promote(out, dtype_of_any(all[i], "result_type"));
        return out;
      },
      "The dtype that these arrays and dtypes are promoted to.");

  nb::class_<FloatInfo>(m, "finfo", "Limits of a floating type (of the parts of a complex one).")
      .def("__init__", [](FloatInfo* self, Dtype dtype) { new (self) FloatInfo(float_info(dtype)); })
      .def_ro("dtype", &FloatInfo::dtype, "The type.")
      .def_ro("bits", &FloatInfo::bits, "Bits of a number.")
      .def_ro("min", &FloatInfo::min, "Lowest finite number.")
      .def_ro("max", &FloatInfo::max, "Largest finite number.")
      .def_ro("eps", &FloatInfo::eps, "Distance from 1 to the next larger number.")
      .def_ro("smallest_normal", &FloatInfo::smallest_normal, "Smallest positive number of full precision.")
      .def("__repr__", [](const FloatInfo& self) {
        return nb::steal(to_python(concat("finfo(min=", short_text(self.min), ", max=", short_text(self.max),
                                          ", dtype=", self.dtype, ")")));
      });
  nb::class_<IntInfo>(m, "iinfo", "Limits of an integer type.")
      .def("__init__", [](IntInfo* self, Dtype dtype) { new (self) IntInfo(int_info(dtype)); })
      .def_ro("dtype", &IntInfo::dtype, "The type.")
      .def_prop_ro(
          "bits", [](const IntInfo& self) { return int(size_of(self.dtype)) * 8; }, "Bits of a number.")
      .def_ro("min", &IntInfo::min, "Smallest number.")
      .def_ro("max", &IntInfo::max, "Largest number.")
      .def("__repr__", [](const IntInfo& self) {
        return nb::steal(
            to_python(concat("iinfo(min=", self.min, ", max=", self.max, ", dtype=", self.dtype, ")")));
      });
}

}  // namespace melix::python
