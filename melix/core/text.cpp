// See text.h.
#include "melix/core/text.h"

#include <charconv>

namespace melix {

void append(std::string& out, double part) {
  char digits[32];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, part);
  out.append(digits, error == std::errc() ? end : digits);
}

}  // namespace melix
