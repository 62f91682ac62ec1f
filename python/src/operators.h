// The operators of the class array, as slots of its type.
#pragma once

#include <span>

#include "python/src/array_object.h"

namespace melix::python {

/// Slots for arithmetic, in-place arithmetic, comparison, conversion to Python numbers.
std::span<const PyType_Slot> operator_slots();

/// Methods that belong to operators but have no slot: __div__, __rdiv__, __complex__.
extern PyMethodDef operator_methods[];

}  // namespace melix::python
