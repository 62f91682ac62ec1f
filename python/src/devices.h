// Devices, streams and the memory of the library in Python.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_devices(nb::module_& m);
void bind_memory(nb::module_& m);

}  // namespace melix::python
