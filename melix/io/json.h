// JsonReader: reads JSON text token by token. It allocates nothing but the text of a string with escapes, does not
// recurse, and takes what RFC 8259 says and nothing else. What must be unique or of a type is for the caller to ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "melix/io/source.h"

namespace melix::io {

class JsonReader {
 public:
  enum class Token : uint8_t {
    begin_object,
    end_object,
    begin_array,
    end_array,
    key,
    string,
    number,
    true_value,
    false_value,
    null,
    end,  // of the text, after its one value
  };
  /// Deeper nesting is an error.
  static constexpr int kMaxDepth = 64;

  /// `text` must be valid UTF-8; it starts at byte `base` of the source, which is for messages.
  JsonReader(const Source& source, std::string_view text, uint64_t base)
      : source_(source), text_(text), base_(base) {}

  /// Throws FileError where the text is not JSON.
  Token next();
  /// Of a key or string: its characters, without escapes. Of a number: its digits. Holds until the next token.
  std::string_view text() const { return value_; }
  /// Of the last token, from the start of the file.
  uint64_t offset() const { return base_ + start_; }
  /// The number as a natural one, if it is written as one (no sign, fraction or exponent) and below 2^64.
  std::optional<uint64_t> natural() const;
  /// Reads to the end of the value that the last token began.
  void skip(Token first);

  template <class... Parts>
  [[noreturn]] void reject(std::string_view field, const Parts&... parts) const {
    source_.reject(offset(), field, parts...);
  }

 private:
  enum class Expect : uint8_t { value, value_or_end, key, key_or_end, separator, nothing };

  Token value(char c);
  Token open(bool object);
  Token close(char c);
  Token word(std::string_view word, Token token);
  Token number();
  void string();
  void escape();
  uint32_t four_digits();
  void after_value() { expect_ = depth_ == 0 ? Expect::nothing : Expect::separator; }
  bool in_object() const { return (objects_ >> (depth_ - 1)) & 1; }
  void spaces();
  [[noreturn]] void malformed(std::string_view what);

  const Source& source_;
  std::string_view text_;
  uint64_t base_;
  size_t at_ = 0, start_ = 0;
  std::string_view value_;
  std::string unescaped_;
  uint64_t objects_ = 0;  // a bit for each level: whether it is an object
  int depth_ = 0;
  Expect expect_ = Expect::value;
};

}  // namespace melix::io
