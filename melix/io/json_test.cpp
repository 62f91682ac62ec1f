// The JSON reader: tokens of what is JSON, and errors with their places for what is not.
#include "melix/io/json.h"

#include <doctest/doctest.h>

#include <vector>

using namespace melix;
using io::JsonReader;

namespace {

// The tokens as a line of text: {k[1 "s"]}
std::string tokens(const std::string& text) {
  auto source = io::memory_source("x", text);
  JsonReader json(*source, text, 0);
  std::string out;
  for (;;) {
    switch (json.next()) {
      case JsonReader::Token::begin_object:
        out += '{';
        break;
      case JsonReader::Token::end_object:
        out += '}';
        break;
      case JsonReader::Token::begin_array:
        out += '[';
        break;
      case JsonReader::Token::end_array:
        out += ']';
        break;
      case JsonReader::Token::key:
        out += concat(json.text(), ":");
        break;
      case JsonReader::Token::string:
        out += concat("'", json.text(), "'");
        break;
      case JsonReader::Token::number:
        out += concat(json.text(), "#");
        break;
      case JsonReader::Token::true_value:
        out += 'T';
        break;
      case JsonReader::Token::false_value:
        out += 'F';
        break;
      case JsonReader::Token::null:
        out += 'N';
        break;
      case JsonReader::Token::end:
        return out;
    }
  }
}

uint64_t place_of_error(const std::string& text) {
  try {
    tokens(text);
  } catch (const io::FileError& error) {
    CHECK(error.code() == Code::value);
    return error.offset();
  }
  return io::FileError::kNowhere;
}

}  // namespace

TEST_CASE("json: what is JSON is read") {
  CHECK(tokens(" {\"a\" : [1, -2.5e+3,\t0.5], \"b\":{}, \"\":null }\r\n") == "{a:[1#-2.5e+3#0.5#]b:{}:N}");
  CHECK(tokens("[true,false,[]]") == "[TF[]]");
  CHECK(tokens("\"\\u0041\\n\\\"\\\\\\/ \\u00e9 \\u20AC \\ud83d\\ude00\"") ==
        "'A\n\"\\/ \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80'");
  CHECK(tokens("\"a\\u0000b\"") == std::string("'a\0b'", 5));
  CHECK(tokens(std::string(64, '[') + std::string(64, ']')).size() == 128);
}

TEST_CASE("json: what is not JSON is refused where it is wrong") {
  const std::vector<std::pair<std::string, uint64_t>> cases = {
      {"", 0},
      {"{", 1},
      {"[1,]", 3},
      {"{\"a\":1,}", 7},
      {"{\"a\" 1}", 5},
      {"{a:1}", 1},
      {"[1 2]", 3},
      {"[1}", 2},
      {"{\"a\":1]", 6},
      {"[1]]", 3},
      {"1 2", 2},
      {"01", 1},
      {"-", 1},
      {"1.", 2},
      {"1e", 2},
      {".5", 0},
      {"+1", 0},
      {"nul", 0},
      {"tru", 0},
      {"NaN", 0},
      {"\"a", 2},
      {"\"\n\"", 1},
      {"\"\\x\"", 2},
      {"\"\\u12g4\"", 5},
      {"\"\\ud800\"", 6},
      {"\"\\udc00\"", 6},
      {"\"\\ud800\\u0041\"", 12},
      {"[,1]", 1},
      {",", 0},
      {"'a'", 0},
      {"[1,,2]", 3},
      {std::string(65, '['), 64},
      {std::string(200000, '['), 64},
      {std::string("\"a\0\"", 4), 2},
      {"// x", 0},
  };
  for (const auto& [text, place] : cases) {
    CAPTURE(text.substr(0, 20));
    CHECK(place_of_error(text) == place);
  }
}

TEST_CASE("json: natural numbers are those that fit in 64 bits, written without sign, point or exponent") {
  auto natural = [](const std::string& text) {
    auto source = io::memory_source("x", text);
    JsonReader json(*source, text, 0);
    json.next();
    return json.natural();
  };
  CHECK(natural("0") == 0u);
  CHECK(natural("18446744073709551615") == 18446744073709551615u);
  for (const char* text : {"18446744073709551616", "-1", "-0", "1.0", "1e3", "99999999999999999999999"}) {
    CHECK(!natural(text));
  }
}
