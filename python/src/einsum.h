// einsum and einsum_path, whose operands follow the subscripts.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_einsum(nb::module_& m);

}  // namespace melix::python
