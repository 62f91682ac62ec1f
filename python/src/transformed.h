// Python objects that transforms return: callables that look like the function they were made from.
#pragma once

#include <functional>

#include "python/src/array_object.h"

namespace melix::python {

/// What a transformed function does when called: gets the original function and the arguments.
using TransformedCall =
    std::function<nb::object(nb::handle fun, const nb::args& args, const nb::kwargs& kwargs)>;

/// A callable with the name, docstring and `__wrapped__` of `fun`. As an attribute of a class it binds like a method.
nb::object transformed(nb::handle fun, TransformedCall call);

/// Gives an object `__wrapped__`, `__name__` and `__doc__` of a function.
void remember(nb::handle self, nb::handle fun);

void bind_transformed(nb::module_& m);
void bind_transforms(nb::module_& m);
void bind_compile(nb::module_& m);
void bind_export(nb::module_& m);

}  // namespace melix::python
