// See file_error.h.
#include "melix/io/file_error.h"

#include <cstring>

namespace melix::io {
namespace {

constexpr size_t kShown = 120;  // characters of foreign text in a message

std::string message(std::string_view file, uint64_t offset, std::string_view field, std::string_view rule) {
  std::string out(file);
  if (offset != FileError::kNowhere) out += concat(", byte ", offset);
  if (!field.empty()) out += concat(", ", field);
  return concat(out, ": ", rule);
}

// Bytes of the UTF-8 character that starts here, 0 where none does.
size_t character(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0u; };
  auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if ((first & 0xF0) == 0xE0) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

FileError::FileError(Code code, std::string_view op, std::string_view file, uint64_t offset,
                     std::string_view field, std::string_view rule, int system_error)
    : Error(code, op, message(quoted(file), offset, field, rule)),
      file_(file),
      field_(field),
      rule_(rule),
      offset_(offset),
      system_error_(system_error) {}

std::string quoted(std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  std::string out = "'";
  size_t at = 0;
  while (at < text.size() && out.size() < kShown) {
    const size_t n = character(text.substr(at));
    const uint8_t c = uint8_t(text[at]);
    // U+0080 to U+009F are control characters too, and the quote and the backslash would end or start an escape.
    const bool control = c < 0x20 || c == 0x7F || (n == 2 && c == 0xC2 && uint8_t(text[at + 1]) < 0xA0);
    if (n == 0 || control || c == '\'' || c == '\\') {
      out += "\\x";
      out += digits[c >> 4];
      out += digits[c & 15];
      at++;
    } else {
      out += text.substr(at, n);
      at += n;
    }
  }
  out += "'";
  if (at < text.size()) out += concat("... (", text.size(), " bytes)");
  return out;
}

bool valid_utf8(std::string_view text, size_t* wrong) {
  size_t at = 0;
  while (at < text.size()) {
    // Eight bytes of ASCII at a time: headers are nearly all ASCII.
    uint64_t word;
    while (at + 8 <= text.size()) {
      std::memcpy(&word, text.data() + at, 8);
      if (word & 0x8080808080808080u) break;
      at += 8;
    }
    if (at == text.size()) break;
    const size_t n = character(text.substr(at));
    if (n == 0) {
      if (wrong) *wrong = at;
      return false;
    }
    at += n;
  }
  return true;
}

}  // namespace melix::io
