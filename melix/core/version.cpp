// The version compiled into the library.
#include "melix/core/version.h"

namespace melix {

const char* version() { return MELIX_VERSION; }

}  // namespace melix
