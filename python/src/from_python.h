// Making arrays of Python values: the constructor of the class array, and what takes the place of an array argument.
#pragma once

#include <optional>

#include "python/src/array_object.h"

namespace melix::python {

/// array(value, dtype): numbers, (nested) lists and tuples of numbers, arrays and NumPy values, and what
/// array_from_exporter takes. Throws Code::value for other objects and for lists of unequal lengths.
array array_from_python(PyObject* value, std::optional<Dtype> dtype);

/// An object that has __mlx_array__, the buffer protocol, DLPack or __array__: an array of its elements (a copy).
/// Nothing where it has none of these.
std::optional<array> array_from_exporter(PyObject* object, std::optional<Dtype> dtype);

}  // namespace melix::python
