// Dtypes in Python: one object for each, their categories, and the rules between them.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_dtypes(nb::module_& m);

}  // namespace melix::python
