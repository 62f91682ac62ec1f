// Trees: nested lists, tuples and dicts whose leaves are arrays or anything else. Transforms see the arrays in order;
// the structure around them is copied with other arrays in their places.
#pragma once

#include <memory>
#include <vector>

#include "python/src/array_object.h"

namespace melix::python {

/// Appends the arrays of a tree in order. Dicts in their own order.
void flatten(nb::handle tree, std::vector<array>& arrays);
std::vector<array> flatten(nb::handle tree);

/// A copy of the tree with the arrays replaced, from `arrays[index]` on; `index` moves behind the last one used.
/// Leaves that are no arrays stay.
nb::object rebuild(nb::handle tree, const std::vector<array>& arrays, size_t& index);
nb::object rebuild(nb::handle tree, const std::vector<array>& arrays);

/// Gives the arrays inside a tree other values in place, in order: containers and objects stay, handles change.
void refill(nb::handle tree, const std::vector<array>& arrays, size_t& index);

/// A hashable description of a tree: its structure and its leaves that are no arrays, as one Python object.
/// Throws TypeError for a leaf that cannot be hashed.
nb::object signature(nb::handle tree);

/// An object that C++ keeps and may drop on any thread.
using Kept = std::shared_ptr<PyObject>;
Kept keep(nb::handle object);

}  // namespace melix::python
