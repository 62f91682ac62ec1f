// See arguments.h.
#include "python/src/arguments.h"

#include "python/src/scalars.h"

namespace melix::python {

void intern_names(Signature& signature) {
  for (int i = 0; i < signature.count; i++)
    signature.interned[i] = checked(PyUnicode_InternFromString(signature.names[i]));
}

namespace {

template <class... Parts>
[[noreturn]] void mismatch(const char* name, const Parts&... parts) {
  throw Mismatch(Code::type, name, concat(parts...));
}

}  // namespace

Arguments::Arguments(const Signature& signature, PyObject* self, PyObject* const* positional,
                     Py_ssize_t count, PyObject* keywords)
    : signature_(signature) {
  const int total = signature.count;
  int given = self ? 1 : 0;
  if (self) values_[0] = self;
  if (signature.variadic) {
    rest_ = {positional, size_t(count)};
  } else {
    if (count > signature.positional - given) {
      mismatch(signature.name, "takes at most ", signature.positional - given, " positional arguments, ",
               int64_t(count), " were given");
    }
    for (Py_ssize_t i = 0; i < count; i++) values_[given + i] = positional[i];
    given += int(count);
  }
  for (int i = given; i < total; i++) values_[i] = nullptr;
  if (keywords) take_keywords(positional + count, keywords);
  for (int i = given; i < signature.required; i++) {
    if (!values_[i]) missing(i);
  }
}

void Arguments::take_keywords(PyObject* const* values, PyObject* keywords) {
  const Py_ssize_t n = PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < n; k++) {
    PyObject* name = PyTuple_GET_ITEM(keywords, k);
    int found = -1;
    for (int i = signature_.positional_only; i < signature_.count && found < 0; i++) {
      if (signature_.interned[i] == name) found = i;  // names in source code are interned
    }
    for (int i = signature_.positional_only; i < signature_.count && found < 0; i++) {
      if (PyUnicode_Compare(signature_.interned[i], name) == 0) found = i;
    }
    if (found < 0) {
      const char* text = PyUnicode_AsUTF8(name);
      mismatch(signature_.name, "has no keyword argument ", text ? text : "of that name");
    }
    if (values_[found]) mismatch(signature_.name, "got two values for ", signature_.names[found]);
    values_[found] = values[k];
  }
}

void Arguments::wrong_type(int index, const char* expected) const {
  if (index < 0) mismatch(signature_.name, "each argument must be ", expected);
  mismatch(signature_.name, signature_.names[index], " must be ", expected, ", not ",
           Py_TYPE(values_[index])->tp_name);
}

void Arguments::missing(int index) const {
  mismatch(signature_.name, "needs the argument ", signature_.names[index]);
}

// ---- the types ----

bool convert_int(PyObject* object, int64_t* out) {
  if (!PyLong_Check(object) && !PyIndex_Check(object)) return false;
  nb::object whole = nb::steal(PyNumber_Index(object));
  if (!whole.is_valid()) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw_python_error();
    PyErr_Clear();
    return false;
  }
  *out = PyLong_AsLongLong(whole.ptr());
  if (*out == -1 && PyErr_Occurred()) throw_python_error();
  return true;
}

bool convert_float(PyObject* object, double* out) {
  if (PyFloat_Check(object)) {
    *out = PyFloat_AS_DOUBLE(object);
    return true;
  }
  const PyNumberMethods* number = Py_TYPE(object)->tp_as_number;
  if (PyComplex_Check(object) || !number || !(number->nb_float || number->nb_index)) return false;
  *out = PyFloat_AsDouble(object);
  if (*out == -1 && PyErr_Occurred()) throw_python_error();
  return true;
}

bool convert_ints(PyObject* object, std::vector<int64_t>* out, bool allow_int) {
  out->clear();
  int64_t value;
  if (!PyList_Check(object) && !PyTuple_Check(object)) {
    if (allow_int && convert_int(object, &value)) {
      out->push_back(value);
      return true;
    }
    // Any other sequence (range, torch.Size is a tuple, an array of indices), but text.
    if (!PySequence_Check(object) || PyUnicode_Check(object) || PyBytes_Check(object) || PyDict_Check(object))
      return false;
  }
  nb::object items = steal(PySequence_Fast(object, "a sequence of ints"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); i++) {
    if (!convert_int(PySequence_Fast_GET_ITEM(items.ptr(), i), &value)) return false;
    out->push_back(value);
  }
  return true;
}

bool From<bool>::convert(PyObject* object, std::optional<bool>& out) {
  if (object != Py_True && object != Py_False) {
    // NumPy's bool, and 0 or 1.
    int64_t value;
    const bool is_bool = std::string_view(Py_TYPE(object)->tp_name).find("bool") != std::string_view::npos;
    if (!is_bool && !(convert_int(object, &value) && (value == 0 || value == 1))) return false;
    int truth = PyObject_IsTrue(object);
    if (truth < 0) throw_python_error();
    out = truth != 0;
    return true;
  }
  out = object == Py_True;
  return true;
}

bool From<Dtype>::convert(PyObject* object, std::optional<Dtype>& out) {
  return dtype_from_object(object, &out.emplace());
}

bool From<StreamOrDevice>::convert(PyObject* object, std::optional<StreamOrDevice>& out) {
  return stream_from_object(object, &out.emplace());
}

bool From<std::string>::convert(PyObject* object, std::optional<std::string>& out) {
  if (!PyUnicode_Check(object)) return false;
  Py_ssize_t length;
  const char* text = PyUnicode_AsUTF8AndSize(object, &length);
  if (!text) throw_python_error();
  out.emplace(text, size_t(length));
  return true;
}

bool From<array>::convert(PyObject* object, std::optional<array>& out) {
  out = operand(object, std::nullopt);
  return out.has_value();
}

bool From<Shape>::convert(PyObject* object, std::optional<Shape>& out) {
  std::vector<int64_t> values;
  if (!convert_ints(object, &values, true)) return false;
  out.emplace(values.begin(), values.end());
  return true;
}

bool From<std::vector<int64_t>>::convert(PyObject* object, std::optional<std::vector<int64_t>>& out) {
  return convert_ints(object, &out.emplace(), true);
}

bool From<std::vector<int>>::convert(PyObject* object, std::optional<std::vector<int>>& out) {
  std::vector<int64_t> values;
  if (!convert_ints(object, &values, true)) return false;
  out.emplace();
  for (int64_t value : values) out->push_back(narrowed<int>(value));
  return true;
}

// ---- arrays that meet ----

std::optional<Dtype> WeakArguments::common(const Arguments& arguments, std::initializer_list<int> indices) {
  std::optional<Dtype> out;
  for (int i : indices) {
    PyObject* object = arguments[i];
    if (!object || !is_array(object)) continue;
    Dtype dtype = array_of(object).dtype();
    out = out ? promote(*out, dtype) : dtype;
  }
  return out;
}

array WeakArguments::made(int index) const {
  PyObject* object = arguments_[index];
  if (!object) arguments_.missing(index);
  std::optional<array> out = operand(object, dtype_);
  if (!out) arguments_.wrong_type(index, From<array>::expected);
  return std::move(*out);
}

}  // namespace melix::python
