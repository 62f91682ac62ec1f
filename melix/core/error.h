// Errors of the library: one type with a code, the operation that failed and a text. Nothing here prints or aborts.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "melix/core/text.h"

namespace melix {

/// What kind of mistake an Error reports. Python maps it to the exception named behind each.
enum class Code {
  value,    // ValueError: a shape, a number out of range, a dtype that the operation does not take
  type,     // TypeError: a kind of argument that is not taken
  index,    // IndexError
  memory,   // MemoryError: an allocation failed or would pass the memory limit
  io,       // OSError
  runtime,  // RuntimeError: everything that is nobody's argument
};

class Error : public std::exception {
 public:
  /// `op` is the name the user called; the text reads "[op] text".
  Error(Code code, std::string_view op, std::string_view text);

  const char* what() const noexcept override { return text_.c_str(); }
  Code code() const noexcept { return code_; }
  const std::string& op() const noexcept { return op_; }

 private:
  Code code_;
  std::string op_;
  std::string text_;
};

/// Throws an Error whose text is the parts written one after the other: fail(Code::value, "softmax", "axis ", 3, "
/// ...").
template <class... Parts>
[[noreturn]] void fail(Code code, std::string_view op, const Parts&... parts) {
  throw Error(code, op, concat(parts...));
}

}  // namespace melix
