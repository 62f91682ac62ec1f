// Functions that make arrays of other objects, beside the class array itself.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_making(nb::module_& m);

}  // namespace melix::python
