// Indexing as NumPy does it: numbers, slices, new axes, an ellipsis, integer arrays and masks, together in one index.
//
//   a[2, 1:5, None, ..., rows]       index(a, {2, Slice{1, 5}, NewAxis{}, Ellipsis{}, rows})
//
// Numbers are checked when the operation is built. Values of integer arrays are not: a negative one counts from the
// end, then reading takes the nearest element, and writing leaves the element out.
#pragma once

#include <variant>

#include "melix/ops/windows.h"

namespace melix {

/// start:stop:step as in Python, each may be missing.
struct Slice {
  std::optional<int64_t> start{}, stop{}, step{};
};
struct NewAxis {};
struct Ellipsis {};

/// Integers whose values are known when the index is made, as in a[[0, 2]]: they are checked like numbers.
struct KnownIndices {
  array values;
  int64_t lowest = 0, highest = -1;  // lowest > highest: there are none
};

/// One entry of an index. An array of bool is a mask: it stands for the places where it is true, in as many axes as
/// it has dimensions.
using IndexEntry = std::variant<int64_t, Slice, NewAxis, Ellipsis, array, KnownIndices>;
using Index = std::vector<IndexEntry>;

/// The elements that the index names. A mask has to be evaluated for that (the shape of the result depends on it), so
/// it cannot be the argument of a compiled or vectorised function.
/// @python hidden
array index(const array& a, const Index& key, StreamOrDevice s = {});

/// The array with `values`, which broadcast to what the index names, put there, converted to the array's dtype. A mask
/// is not evaluated where the values broadcast without knowing how many elements it names.
/// @python hidden
array index_update(const array& a, const Index& key, const array& values, Scatter mode = Scatter::none,
                   StreamOrDevice s = {});

}  // namespace melix
