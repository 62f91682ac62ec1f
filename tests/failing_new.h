// operator new of the test program, which can be told to fail: for the library too, since a program's operator new
// replaces the one of every library it loads.
#pragma once

#include <cstdint>

namespace melix {

/// The n-th operator new from now on this thread throws std::bad_alloc, once; 0 turns that off.
void fail_new(int64_t n);

}  // namespace melix
