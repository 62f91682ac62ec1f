// See scalars.h.
#include "python/src/scalars.h"

#include <bit>
#include <limits>

#include "melix/ops/elementwise.h"
#include "python/src/from_python.h"

namespace melix::python {
namespace {

// The last constant of each slot, by its bits and dtype. Only touched with the interpreter lock held.
struct Constant {
  uint64_t bits = 0;
  Dtype dtype = bool_;
  std::optional<array> value;
};
Constant constants[64];

template <class T>
const array& kept_constant(T value, Dtype dtype) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint64_t mixed = (bits ^ uint64_t(dtype) << 3) * 0x9E3779B97F4A7C15u;
  Constant& slot = constants[mixed >> 58];
  if (!slot.value || slot.bits != bits || slot.dtype != dtype) slot = {bits, dtype, array(value, dtype)};
  return *slot.value;
}
// Without an array to meet, the number may become a result whose memory somebody writes to: such a one is new.
template <class T>
array constant(T value, Dtype dtype, bool keep) {
  return keep ? kept_constant(value, dtype) : array(value, dtype);
}

bool in_range(int64_t value, Dtype dtype) {
  const int bits = int(size_of(dtype)) * 8;
  if (kind_of(dtype) == Kind::unsigned_integer) return value >= 0 && (bits == 64 || value >> bits == 0);
  return bits == 64 || (value >= -(int64_t(1) << (bits - 1)) && value < int64_t(1) << (bits - 1));
}

[[noreturn]] void out_of_range(PyObject* number, std::string_view dtype) {
  nb::object text = steal(PyObject_Str(number));
  const char* digits = PyUnicode_AsUTF8(text.ptr());
  if (!digits) throw_python_error();
  fail(Code::value, "array", digits, " is out of range for ", dtype);
}

array integer(PyObject* number, std::optional<Dtype> other) {
  if (other && is_inexact(*other)) {
    double value = PyLong_AsDouble(number);
    if (value == -1 && PyErr_Occurred()) throw_python_error();
    return constant(value, *other, true);
  }
  int overflow;
  const int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (value == -1 && PyErr_Occurred()) throw_python_error();
  const bool free = !other || *other == bool_;  // no integer type to fit in: the smallest from int32 on
  if (overflow) {
    if (overflow < 0 || !(free || *other == uint64)) out_of_range(number, name_of(free ? uint64 : *other));
    const uint64_t large = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred()) {
      PyErr_Clear();
      out_of_range(number, name_of(uint64));
    }
    return array(int64_t(large), uint64);
  }
  if (free) return constant(value, in_range(value, int32) ? int32 : int64, other.has_value());
  if (!in_range(value, *other)) out_of_range(number, name_of(*other));
  return constant(value, *other, true);
}

// The dtype that a value of this dtype takes beside arrays of another.
Dtype weak_dtype(Dtype own, std::optional<Dtype> other) {
  if (!other || own == bool_) return own;
  if (is_integer(own)) return *other == bool_ ? own : *other;
  if (is_floating(own)) return is_inexact(*other) ? *other : own;
  return own;
}

}  // namespace

void clear_constants() noexcept {
  for (Constant& constant : constants) constant.value.reset();
}

std::optional<array> number_operand(PyObject* object, std::optional<Dtype> other) {
  if (PyFloat_Check(object))
    return constant(PyFloat_AS_DOUBLE(object), other && is_inexact(*other) ? *other : float32,
                    other.has_value());
  if (PyBool_Check(object)) return constant(int64_t(object == Py_True), bool_, other.has_value());
  if (PyLong_Check(object)) return integer(object, other);
  if (PyComplex_Check(object)) {
    Py_complex value = PyComplex_AsCComplex(object);
    return array(complex64_t(float(value.real), float(value.imag)));
  }
  return std::nullopt;
}

const array* plain_operand(PyObject* object, Dtype other) {
  if (Py_TYPE(object) == array_type) return &array_of(object);
  if (PyFloat_CheckExact(object))
    return &kept_constant(PyFloat_AS_DOUBLE(object), is_inexact(other) ? other : float32);
  if (!PyLong_CheckExact(object)) return nullptr;
  int overflow;
  const int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow) return nullptr;
  if (is_inexact(other)) return &kept_constant(double(value), other);
  if (other == bool_ || !in_range(value, other)) return nullptr;
  return &kept_constant(value, other);
}

std::optional<array> operand(PyObject* object, std::optional<Dtype> other) {
  if (is_array(object)) return array_of(object);
  if (std::optional<array> number = number_operand(object, other)) return number;
  std::optional<array> out = array_from_exporter(object, std::nullopt);
  if (out) {
    if (other && is_integer(out->dtype()) && out->ndim() == 0) {
      nb::object whole = nb::steal(PyNumber_Index(object));  // checks the range as for a Python int
      if (whole.is_valid()) return integer(whole.ptr(), other);
      PyErr_Clear();
    }
    Dtype dtype = weak_dtype(out->dtype(), other);
    if (dtype != out->dtype()) out = astype(*out, dtype);
  }
  return out;
}

}  // namespace melix::python
