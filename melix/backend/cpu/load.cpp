// Reading arrays from files: the bytes go straight to where the array is.
#include "melix/ops/load.h"

#include "melix/backend/backend.h"

namespace melix::cpu {

void load(const Call& call) { attrs_as<LoadAttrs>(call.attrs).read(call.outputs); }

}  // namespace melix::cpu
