// mx.random.state: the process's random key as Python sees it.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_random_state(nb::module_& core);

}  // namespace melix::python
