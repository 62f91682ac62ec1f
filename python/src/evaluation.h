// Evaluation from Python: of arrays anywhere in lists, tuples and dicts.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_evaluation(nb::module_& m);

}  // namespace melix::python
