// mx.load, mx.save and its kin: files by path, or by an object with read or write.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

void bind_files(nb::module_& m);
/// Functions of mx.debug that make calls of the file layer fail.
void bind_file_faults(nb::module_& debug);

}  // namespace melix::python
