// FileError: what is wrong with a file, where in it, in which field, and which rule it breaks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "melix/core/error.h"

namespace melix::io {

/// Code::value for a file that breaks a rule of its format; Code::io where the system refused or the file changed while
/// it was read. The text reads "[load] model.safetensors, byte 8, header: rule".
class FileError : public Error {
 public:
  static constexpr uint64_t kNowhere = ~uint64_t(0);

  FileError(Code code, std::string_view op, std::string_view file, uint64_t offset, std::string_view field,
            std::string_view rule, int system_error = 0);

  const std::string& file() const noexcept { return file_; }
  /// Bytes from the start of the file to what is wrong; kNowhere if that is at no place.
  uint64_t offset() const noexcept { return offset_; }
  const std::string& field() const noexcept { return field_; }
  const std::string& rule() const noexcept { return rule_; }
  /// errno of the call that failed, or 0.
  int system_error() const noexcept { return system_error_; }

 private:
  std::string file_, field_, rule_;
  uint64_t offset_;
  int system_error_;
};

/// Text from a file or a path as it may stand in a message: between quotes, with what is not printable ASCII (or valid
/// UTF-8) escaped, and cut after about 120 characters.
std::string quoted(std::string_view text);

/// Whether the bytes are UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. `wrong` gets the place of the
/// first byte that is not.
bool valid_utf8(std::string_view text, size_t* wrong = nullptr);

}  // namespace melix::io
