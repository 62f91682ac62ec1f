// Devices, streams, processes and the memory of the library in Python.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_devices(nb::module_& m);
void bind_memory(nb::module_& m);
/// The modules metal, cuda and distributed.
void bind_backends(nb::module_& m);
void bind_distributed(nb::module_& m);

}  // namespace melix::python
