// Indexing of arrays from Python: a[...], a[...] = x and a.at[...].
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

/// a[index]. Throws IndexError where a Python number is out of range.
nb::object get_item(const array& a, nb::handle index);

/// a[index] = value: gives `a` a new handle.
void set_item(array& a, nb::handle index, nb::handle value);

/// a.at: an object that takes an index and then an update.
nb::object make_array_at(nb::handle a);

/// Adds the class ArrayAt to the module.
void bind_indexing(nb::module_& m);

}  // namespace melix::python
