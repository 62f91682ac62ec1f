// Methods of the class array that are not operations: values out of it, copies, pickling, exchange, iteration.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

extern PyMethodDef array_methods[];

/// iter(a).
PyObject* iterate(PyObject* self) noexcept;

/// Adds the class ArrayIterator to the module.
void bind_array_iterator(nb::module_& m);

}  // namespace melix::python
