// Arrays as text, and the options of it.
#pragma once

#include <string>

#include "python/src/array_object.h"

namespace melix::python {

/// array([1, 2, 3], dtype=int32). Evaluates. Of more than six elements along an axis the first and last three are
/// shown.
std::string repr(const array& value);

/// Adds PrintOptions, set_printoptions, get_printoptions and printoptions to the module.
void bind_printing(nb::module_& m);

}  // namespace melix::python
