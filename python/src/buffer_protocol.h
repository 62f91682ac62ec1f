// Exchange through Python's buffer protocol (NumPy, memoryview, bytes, array.array, ...), both ways.
#pragma once

#include <optional>

#include "python/src/array_object.h"

namespace melix::python {

/// The elements of an object that has the protocol, as an array of its own dtype (float64 and complex128 of an exporter
/// become float32 and complex64, unless `dtype` is float64). Copies; without `copy` the array looks at the object's
/// memory. Nothing where the object has no buffer; throws Code::type for elements that have no dtype.
std::optional<array> array_from_buffer(PyObject* object, std::optional<Dtype> dtype, bool copy);

/// The slots of the class array: a view of its memory, pinned while it lives.
int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept;
void release_buffer(PyObject* self, Py_buffer* view) noexcept;

/// Copies elements that lie at strides (in bytes) to row-major order, with the two conversions above.
/// `from` and `to` are dtypes as they lie in memory; complex128 is not a dtype and is told by `wide_complex`.
struct StridedSource {
  const void* data;
  Shape shape;
  Strides byte_strides;
  Dtype dtype;
  bool wide_complex = false;
};
View copied(const StridedSource& source, Dtype to);
/// The elements of an array in memory of their own; evaluates.
View copied_elements(const array& value);

}  // namespace melix::python
