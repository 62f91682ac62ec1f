// Python numbers beside arrays. A number has no dtype of its own: it takes that of the array it meets, unless the
// array's kind cannot hold it.
//
//     meets          bool      integers            floating      complex64    nothing
//     bool           bool      bool                bool          bool         bool
//     int            int32     that (if in range)  that          that         int32, int64, uint64
//     float          float32   float32             that          that         float32
//     complex        complex64 everywhere
#pragma once

#include <optional>

#include "python/src/array_object.h"

namespace melix::python {

/// What takes part in an operation with arrays of dtype `other`: an array, a number, a NumPy scalar or array, an object
/// with __mlx_array__, DLPack or the buffer protocol. Nothing where the object is none of these. NumPy's values follow
/// the table above too, by kind. Throws Code::value for a number outside of the range of `other`.
std::optional<array> operand(PyObject* object, std::optional<Dtype> other);

/// The same for the objects met most, without counting a reference: arrays, floats and ints that fit. Null for all
/// others. Holds until the next number is met.
const array* plain_operand(PyObject* object, Dtype other);

/// The array of a bool, int, float or complex (or what derives from them); nothing for other objects.
std::optional<array> number_operand(PyObject* object, std::optional<Dtype> other);

/// Arrays of numbers met before are kept, as `x + 1` is written in loops. This forgets them.
void clear_constants() noexcept;

}  // namespace melix::python
