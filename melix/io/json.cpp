// See json.h.
#include "melix/io/json.h"

namespace melix::io {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void put_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 63));
    out += char(0x80 | (c & 63));
  } else {
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 63));
    out += char(0x80 | ((c >> 6) & 63));
    out += char(0x80 | (c & 63));
  }
}

}  // namespace

void JsonReader::malformed(std::string_view what) { source_.reject(base_ + at_, "JSON", what); }

void JsonReader::spaces() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    at_++;
  }
}

JsonReader::Token JsonReader::next() {
  spaces();
  if (expect_ == Expect::separator && at_ < text_.size() && text_[at_] == ',') {
    at_++;
    expect_ = in_object() ? Expect::key : Expect::value;
    spaces();
  }
  start_ = at_;
  if (at_ == text_.size()) {
    if (expect_ == Expect::nothing) return Token::end;
    malformed("the text ends inside of a value");
  }
  const char c = text_[at_];
  switch (expect_) {
    case Expect::nothing:
      malformed("there is something behind the value");
    case Expect::separator:
      return close(c);
    case Expect::key_or_end:
      if (c == '}') return close(c);
      [[fallthrough]];
    case Expect::key:
      if (c != '"') malformed("a key must be a string");
      string();
      spaces();
      if (at_ == text_.size() || text_[at_] != ':') malformed("a key needs a colon behind it");
      at_++;
      expect_ = Expect::value;
      return Token::key;
    case Expect::value_or_end:
      if (c == ']') return close(c);
      [[fallthrough]];
    case Expect::value:
      return value(c);
  }
  malformed("is not a value");
}

JsonReader::Token JsonReader::value(char c) {
  switch (c) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      string();
      after_value();
      return Token::string;
    case 't':
      return word("true", Token::true_value);
    case 'f':
      return word("false", Token::false_value);
    case 'n':
      return word("null", Token::null);
    default:
      return number();
  }
}

JsonReader::Token JsonReader::open(bool object) {
  if (depth_ == kMaxDepth) malformed(concat("is nested deeper than ", kMaxDepth, " levels"));
  objects_ = (objects_ & ~(uint64_t(1) << depth_)) | (uint64_t(object) << depth_);
  depth_++;
  at_++;
  expect_ = object ? Expect::key_or_end : Expect::value_or_end;
  return object ? Token::begin_object : Token::begin_array;
}

JsonReader::Token JsonReader::close(char c) {
  const bool object = in_object();
  if (c != (object ? '}' : ']')) malformed(object ? "expected , or }" : "expected , or ]");
  at_++;
  depth_--;
  after_value();
  return object ? Token::end_object : Token::end_array;
}

JsonReader::Token JsonReader::word(std::string_view word, Token token) {
  if (text_.substr(at_, word.size()) != word) malformed("is not a value");
  at_ += word.size();
  after_value();
  return token;
}

// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
JsonReader::Token JsonReader::number() {
  auto here = [&](char c) { return at_ < text_.size() && text_[at_] == c; };
  auto digits = [&] {
    if (at_ == text_.size() || !is_digit(text_[at_])) malformed("is not a value");
    while (at_ < text_.size() && is_digit(text_[at_])) at_++;
  };
  if (here('-')) at_++;
  if (here('0')) {
    at_++;
  } else {
    digits();
  }
  if (here('.')) {
    at_++;
    digits();
  }
  if (here('e') || here('E')) {
    at_++;
    if (here('+') || here('-')) at_++;
    digits();
  }
  value_ = text_.substr(start_, at_ - start_);
  after_value();
  return Token::number;
}

void JsonReader::string() {
  const size_t begin = ++at_;
  bool plain = true;
  for (;; at_++) {
    if (at_ == text_.size()) malformed("the text ends inside of a string");
    const uint8_t c = uint8_t(text_[at_]);
    if (c == '"') break;
    if (c < 0x20) malformed("a string has a control character in it");
    if (c != '\\') {
      if (!plain) unescaped_ += char(c);
      continue;
    }
    if (plain) unescaped_.assign(text_, begin, at_ - begin);
    plain = false;
    at_++;
    escape();
  }
  value_ = plain ? text_.substr(begin, at_ - begin) : std::string_view(unescaped_);
  at_++;
}

// Behind a backslash; leaves at_ on the last character of the escape.
void JsonReader::escape() {
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  static const std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  if (const size_t i = letters.find(c); c != '\0' && i != std::string_view::npos) {
    unescaped_ += meanings[i];
    return;
  }
  if (c != 'u') malformed("a string has an unknown escape in it");
  uint32_t unit = four_digits();
  if (unit >= 0xDC00 && unit <= 0xDFFF) malformed("a string has half of a surrogate pair in it");
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (text_.substr(at_ + 1, 2) != "\\u") malformed("a string has half of a surrogate pair in it");
    at_ += 2;
    const uint32_t low = four_digits();
    if (low < 0xDC00 || low > 0xDFFF) malformed("a string has half of a surrogate pair in it");
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  put_utf8(unescaped_, unit);
}

uint32_t JsonReader::four_digits() {
  uint32_t out = 0;
  for (int i = 0; i < 4; i++) {
    at_++;
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const char lower = char(c | 0x20);
    if (!is_digit(c) && !(lower >= 'a' && lower <= 'f')) malformed("\\u needs four hexadecimal digits");
    out = out * 16 + uint32_t(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  return out;
}

std::optional<uint64_t> JsonReader::natural() const {
  Size out;
  for (char c : value_) {
    if (!is_digit(c)) return std::nullopt;
    out = out * Size(10) + Size(uint64_t(c - '0'));
  }
  return out.beyond() ? std::nullopt : std::optional(out.get());
}

void JsonReader::skip(Token first) {
  auto begins = [](Token t) { return t == Token::begin_object || t == Token::begin_array; };
  auto ends = [](Token t) { return t == Token::end_object || t == Token::end_array; };
  for (int open = begins(first); open > 0;) {
    const Token token = next();
    open += int(begins(token)) - int(ends(token));
  }
}

}  // namespace melix::io
