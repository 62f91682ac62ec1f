// Exchange by DLPack, with and without copies. The layout of the structures is that of DLPack 1; exporters without a
// version (0.x) are taken and served too.
#pragma once

#include <optional>

#include "python/src/array_object.h"

namespace melix::python {

/// The array of an object with __dlpack__ (or of a capsule): with `copy` true its own elements, with false the
/// exporter's memory or an error, without a value the exporter's memory where that is possible. Nothing where the
/// object has no such method. Throws Code::type for dtypes that are none here and for devices that are not the CPU.
std::optional<array> array_from_dlpack(PyObject* object, std::optional<bool> copy);

/// array.__dlpack__: a capsule. Without `version_1` the old structure, which some consumers ask for.
PyObject* to_dlpack(const array& value, bool version_1);

}  // namespace melix::python
