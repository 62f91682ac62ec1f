// See operators.h. Each operator is one function of melix; other operands than arrays become arrays as scalars.h says.
#include "python/src/operators.h"

#include "melix/ops/elementwise.h"
#include "melix/ops/matmul.h"
#include "python/src/scalars.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

using Binary = array (*)(const array&, const array&, StreamOrDevice);
using Unary = array (*)(const array&, StreamOrDevice);

// What `a + x` and `x + a` share. Null without an error: x is nothing that meets an array.
template <Binary F>
std::optional<array> combined(PyObject* x, PyObject* y) {
  if (is_array(x)) {
    const array& a = array_of(x);
    if (const array* b = plain_operand(y, a.dtype())) return F(a, *b, {});
    std::optional<array> b = operand(y, a.dtype());
    if (!b) return std::nullopt;
    return F(a, *b, {});
  }
  const array& b = array_of(y);
  if (const array* a = plain_operand(x, b.dtype())) return F(*a, b, {});
  std::optional<array> a = operand(x, b.dtype());
  if (!a) return std::nullopt;
  return F(*a, b, {});
}

template <Binary F>
PyObject* binary(PyObject* x, PyObject* y) noexcept {
  return guarded([&]() -> PyObject* {
    std::optional<array> out = combined<F>(x, y);
    return out ? wrap(std::move(*out)) : Py_NewRef(Py_NotImplemented);
  });
}

// The object gets another handle: whoever holds it sees the result.
template <Binary F>
PyObject* in_place(PyObject* self, PyObject* other) noexcept {
  return guarded([&]() -> PyObject* {
    std::optional<array> out = combined<F>(self, other);
    if (!out) return Py_NewRef(Py_NotImplemented);
    array_of(self) = std::move(*out);
    return Py_NewRef(self);
  });
}

template <Unary F>
PyObject* unary(PyObject* self) noexcept {
  return guarded([&] { return wrap(F(array_of(self), {})); });
}

PyObject* power_of(PyObject* x, PyObject* y, PyObject* modulus) noexcept {
  if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
  return binary<power>(x, y);
}

PyObject* in_place_power(PyObject* x, PyObject* y, PyObject* modulus) noexcept {
  if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
  return in_place<power>(x, y);
}

PyObject* both_parts(PyObject* x, PyObject* y) noexcept {
  return guarded([&]() -> PyObject* {
    std::optional<array> quotient = combined<floor_divide>(x, y);
    std::optional<array> rest = quotient ? combined<remainder>(x, y) : std::nullopt;
    if (!rest) return Py_NewRef(Py_NotImplemented);
    return to_python(std::pair(std::move(*quotient), std::move(*rest)));
  });
}

PyObject* compare(PyObject* x, PyObject* y, int how) noexcept {
  switch (how) {
    case Py_EQ:
      return binary<equal>(x, y);
    case Py_NE:
      return binary<not_equal>(x, y);
    case Py_LT:
      return binary<less>(x, y);
    case Py_LE:
      return binary<less_equal>(x, y);
    case Py_GT:
      return binary<greater>(x, y);
    case Py_GE:
      return binary<greater_equal>(x, y);
  }
  return Py_NewRef(Py_NotImplemented);
}

// Arrays are compared by elements, so two of them cannot be equal keys: the identity is the hash.
Py_hash_t identity_hash(PyObject* self) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(self);
  return Py_hash_t(address >> 4 | address << (8 * sizeof address - 4));
}

// ---- conversion to Python numbers ----

int truth(PyObject* self) noexcept {
  return guarded([&] {
    nb::object number = nb::steal(item_object(array_of(self)));
    return PyObject_IsTrue(number.ptr());
  });
}

PyObject* as_int(PyObject* self) noexcept {
  return guarded([&] {
    nb::object number = nb::steal(item_object(array_of(self)));
    return PyNumber_Long(number.ptr());
  });
}

PyObject* as_float(PyObject* self) noexcept {
  return guarded([&] {
    nb::object number = nb::steal(item_object(array_of(self)));
    return PyNumber_Float(number.ptr());
  });
}

PyObject* as_complex(PyObject* self, PyObject*) noexcept {
  return guarded([&] {
    nb::object number = nb::steal(item_object(array_of(self)));
    return PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyComplex_Type), number.ptr());
  });
}

PyObject* as_index(PyObject* self) noexcept {
  return guarded([&] {
    const array& value = array_of(self);
    if (!is_integer(value.dtype()) || value.ndim() != 0) {
      raise(PyExc_TypeError, "only an integer array of no dimensions can be an index");
    }
    return item_object(value);
  });
}

PyObject* reflected_divide(PyObject* self, PyObject* other) noexcept { return binary<divide>(other, self); }

template <class Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

std::span<const PyType_Slot> operator_slots() {
  static const PyType_Slot slots[] = {
      {Py_nb_add, slot(binary<add>)},
      {Py_nb_subtract, slot(binary<subtract>)},
      {Py_nb_multiply, slot(binary<multiply>)},
      {Py_nb_true_divide, slot(binary<divide>)},
      {Py_nb_floor_divide, slot(binary<floor_divide>)},
      {Py_nb_remainder, slot(binary<remainder>)},
      {Py_nb_divmod, slot(both_parts)},
      {Py_nb_power, slot(power_of)},
      {Py_nb_matrix_multiply, slot(binary<matmul>)},
      {Py_nb_inplace_matrix_multiply, slot(in_place<matmul>)},
      {Py_nb_and, slot(binary<bitwise_and>)},
      {Py_nb_or, slot(binary<bitwise_or>)},
      {Py_nb_xor, slot(binary<bitwise_xor>)},
      {Py_nb_lshift, slot(binary<left_shift>)},
      {Py_nb_rshift, slot(binary<right_shift>)},
      {Py_nb_inplace_add, slot(in_place<add>)},
      {Py_nb_inplace_subtract, slot(in_place<subtract>)},
      {Py_nb_inplace_multiply, slot(in_place<multiply>)},
      {Py_nb_inplace_true_divide, slot(in_place<divide>)},
      {Py_nb_inplace_floor_divide, slot(in_place<floor_divide>)},
      {Py_nb_inplace_remainder, slot(in_place<remainder>)},
      {Py_nb_inplace_power, slot(in_place_power)},
      {Py_nb_inplace_and, slot(in_place<bitwise_and>)},
      {Py_nb_inplace_or, slot(in_place<bitwise_or>)},
      {Py_nb_inplace_xor, slot(in_place<bitwise_xor>)},
      {Py_nb_inplace_lshift, slot(in_place<left_shift>)},
      {Py_nb_inplace_rshift, slot(in_place<right_shift>)},
      {Py_nb_negative, slot(unary<negative>)},
      {Py_nb_positive, slot(unary<positive>)},
      {Py_nb_absolute, slot(unary<abs>)},
      {Py_nb_invert, slot(unary<bitwise_invert>)},
      {Py_nb_bool, slot(truth)},
      {Py_nb_int, slot(as_int)},
      {Py_nb_float, slot(as_float)},
      {Py_nb_index, slot(as_index)},
      {Py_tp_richcompare, slot(compare)},
      {Py_tp_hash, slot(identity_hash)},
  };
  return slots;
}

PyMethodDef operator_methods[] = {
    {"__div__", [](PyObject* self, PyObject* other) { return binary<divide>(self, other); }, METH_O,
     "The quotient."},
    {"__rdiv__", reflected_divide, METH_O, "The quotient, with this array as the divisor."},
    {"__complex__", as_complex, METH_NOARGS, "The one element as a complex number."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace melix::python
