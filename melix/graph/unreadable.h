// The mark of operations whose attributes are code or open files: no list describes them, and none is read back.
#pragma once

#include "melix/graph/attrs.h"

namespace melix {

/// As Op::read_attrs: such an operation never comes from a file, and goes into one as its decomposition.
inline Ref<const Attrs> unreadable_attrs(const AttrList&) {
  fail(Code::value, "import_function", "an operation of this kind cannot come from a file");
}

}  // namespace melix
