// NumPy's .npy format: its header as a checked plan, and headers. Objects, which are pickles, are refused: reading a
// file never runs anything.
//
//   "\x93NUMPY", version (1.0, 2.0, 3.0), length of the header (2 bytes, 4 from version 2 on)
//   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      and spaces up to a line feed
//   the elements
#pragma once

#include <string>

#include "melix/io/layout.h"
#include "melix/io/source.h"

namespace melix::io {

struct NpyPlan {
  Layout layout;         // offset: of the elements, from the start of the source
  bool fortran = false;  // the first axis is the fastest; the shape is as in the header
  bool swap = false;     // big-endian
};

/// Reads and checks the header that begins at byte `begin`. That the source has the elements too is for the caller to
/// check. Throws FileError.
NpyPlan parse_npy(const Source& source, uint64_t begin = 0);

/// The bytes before the elements, in rows, of an array. bfloat16, which NumPy has not, is '<V2'.
std::string npy_header(Dtype dtype, const Shape& shape);

}  // namespace melix::io
