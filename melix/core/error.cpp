// See error.h.
#include "melix/core/error.h"

namespace melix {

Error::Error(Code code, std::string_view op, std::string_view text)
    : code_(code), op_(op), text_(op.empty() ? std::string(text) : concat("[", op, "] ", text)) {}

}  // namespace melix
