// mx.fast.cuda_kernel, precompiled_cuda_kernel and metal_kernel.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_kernels(nb::module_& core);

}  // namespace melix::python
