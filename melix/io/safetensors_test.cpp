// Headers of safetensors files: what is written is read, and every rule has a file that breaks it.
#include "melix/io/safetensors.h"

#include <doctest/doctest.h>

using namespace melix;

namespace {

std::string file_of(const std::string& json, size_t data) {
  std::string out;
  for (int i = 0; i < 8; i++) out += char(uint64_t(json.size()) >> (8 * i));
  return out + json + std::string(data, '\1');
}

std::string rule_of(const std::string& bytes) {
  try {
    io::parse_safetensors(*io::memory_source("x", bytes));
  } catch (const io::FileError& error) {
    return concat(error.field(), ": ", error.rule());
  }
  return "accepted";
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return concat("{\"dtype\":", dtype, ",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
}
// The rule that one tensor breaks.
std::string rule_of(const std::string& dtype, const std::string& shape, const std::string& offsets,
                    size_t data) {
  return rule_of(file_of("{\"t\":" + entry(dtype, shape, offsets) + "}", data));
}
bool says(const std::string& rule, std::string_view part) { return rule.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("safetensors: a header that is written is read again") {
  io::SafetensorsPlan plan;
  plan.tensors = {
      {"a\"\\\n\x01", {float32, {2, 3}, 0, 0}}, {"b", {bool_, {}, 0, 0}}, {"c", {bfloat16, {0, 5}, 0, 0}}};
  plan.metadata = {{"format", "pt"}, {"\xC3\xA9", ""}};
  const std::string header = io::safetensors_header(plan);
  CHECK(header.size() % 8 == 0);
  CHECK(plan.tensors[0].layout.offset == header.size());
  const auto read = io::parse_safetensors(*io::memory_source("x", header + std::string(25, 'x')));
  REQUIRE(read.tensors.size() == 3);
  for (size_t i = 0; i < 3; i++) {
    CHECK(read.tensors[i].name == plan.tensors[i].name);
    CHECK(read.tensors[i].layout.shape == plan.tensors[i].layout.shape);
    CHECK(read.tensors[i].layout.dtype == plan.tensors[i].layout.dtype);
    CHECK(read.tensors[i].layout.offset == plan.tensors[i].layout.offset);
  }
  CHECK(read.metadata == plan.metadata);
}

TEST_CASE("safetensors: lengths of the header") {
  CHECK(says(rule_of(""), "header length: takes 8 bytes, but 0 are left"));
  CHECK(says(rule_of("1234567"), "header length"));
  CHECK(says(rule_of(std::string(8, '\0')), "header: must begin with {"));
  CHECK(says(rule_of(std::string(8, '\xFF')), "header length: 18446744073709551615 is more than the limit"));
  CHECK(says(rule_of(std::string("\x01\xE1\xF5\x05\0\0\0\0", 8)), "100000001 is more"));
  CHECK(says(rule_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)), "header length: is 3, but the file has 2"));
  CHECK(rule_of(file_of("{}", 0)) == "accepted");
  CHECK(rule_of(file_of("{} \n ", 0)) == "accepted");
}

TEST_CASE("safetensors: the header is an object of tensors") {
  CHECK(says(rule_of(file_of(" {}", 0)), "must begin with {"));
  CHECK(says(rule_of(file_of("\xEF\xBB\xBF{}", 0)), "must begin with {"));
  CHECK(says(rule_of(file_of("[]", 0)), "must begin with {"));
  CHECK(says(rule_of(file_of("{\"a\xFF\":1}", 0)), "is not UTF-8"));
  CHECK(says(rule_of(file_of("{\"a\":1}", 0)), "must be an object"));
  CHECK(says(rule_of(file_of("{} {}", 0)), "something behind"));
  CHECK(says(rule_of(file_of("{\"a\":" + std::string(200000, '['), 0)), "must be an object"));
  CHECK(says(rule_of(file_of("{\"a\":{\"x\":" + std::string(200000, '['), 0)), "deeper than 64"));
  CHECK(says(rule_of(file_of("{\"__metadata__\":{\"a\":1}}", 0)), "must be a string"));
  CHECK(says(rule_of(file_of("{\"__metadata__\":[]}", 0)), "must be an object of strings"));
  CHECK(says(rule_of(file_of("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0)), "twice"));
  CHECK(says(rule_of(file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0)), "second time"));
  const std::string one = entry("\"U8\"", "[1]", "[0,1]");
  CHECK(says(rule_of(file_of("{\"a\":" + one + ",\"a\":" + one + "}", 1)), "twice"));
  CHECK(says(rule_of(file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 0)), "data_offsets: is missing"));
  CHECK(says(rule_of(file_of("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0)), "shape: is missing"));
  CHECK(says(rule_of(file_of("{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0)), "dtype: is missing"));
  CHECK(
      says(rule_of(file_of("{\"a\":{\"shape\":[0],\"shape\":[0]}}", 0)), "shape: stands here a second time"));
  CHECK(rule_of(file_of(
            "{\"a\":{\"more\":[{\"x\":[null]}],\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
            0)) == "accepted");
}

TEST_CASE("safetensors: types and shapes") {
  CHECK(says(rule_of("\"X9\"", "[1]", "[0,1]", 1), "'X9', which is no type"));
  CHECK(says(rule_of("\"F4\"", "[2]", "[0,1]", 1), "'F4', which is no type"));
  CHECK(says(rule_of("7", "[1]", "[0,1]", 1), "dtype: must be a string"));
  for (const char* shape : {"[-1,-1]", "[1.9]", "[1e3]", "[\"2\"]", "[null]", "[18446744073709551616]"}) {
    CAPTURE(shape);
    CHECK(says(rule_of("\"U8\"", shape, "[0,1]", 1), "shape: must be an array of whole numbers"));
  }
  CHECK(says(rule_of("\"U8\"", "{}", "[0,1]", 1), "shape: must be an array"));
  for (const char* shape :
       {"[4194305,4194305,211106198978564]", "[65536,65536,65536,65536]", "[0,9223372036854775807,2]",
        "[9223372036854775808]", "[0,18446744073709551615]"}) {
    CAPTURE(shape);
    CHECK(says(rule_of("\"U8\"", shape, "[0,0]", 0), "at most 2^63 - 1 can be"));
  }
  CHECK(says(rule_of("\"F64\"", "[4611686018427387904]", "[0,0]", 0), "at most 2^63 - 1 can be"));
  CHECK(says(rule_of("\"U8\"", "[4294967297]", "[0,1]", 1), "need 4294967297"));
  std::string many = "[1";
  for (int i = 0; i < 63; i++) many += ",1";
  CHECK(rule_of("\"U8\"", many + "]", "[0,1]", 1) == "accepted");
  CHECK(says(rule_of("\"U8\"", many + ",1]", "[0,1]", 1), "more than 64 numbers"));
  CHECK(rule_of("\"F64\"", "[]", "[0,8]", 8) == "accepted");
  CHECK(rule_of("\"F64\"", "[0,7]", "[0,0]", 0) == "accepted");
}

TEST_CASE("safetensors: the tensors fill the data") {
  for (const char* offsets : {"[-1,1]", "[0.0,1]", "[0,\"1\"]"}) {
    CAPTURE(offsets);
    CHECK(says(rule_of("\"U8\"", "[1]", offsets, 1), "data_offsets: must be an array of whole numbers"));
  }
  CHECK(says(rule_of("\"U8\"", "[1]", "[0]", 1), "needs a begin and an end"));
  CHECK(says(rule_of("\"U8\"", "[1]", "[0,1,1]", 1), "more than 2 numbers"));
  CHECK(says(rule_of("\"U8\"", "[1]", "[1,0]", 1), "ends before"));
  CHECK(says(rule_of("\"U8\"", "[2]", "[0,2]", 1), "ends at 2, but there are 1 bytes"));
  CHECK(says(rule_of("\"U8\"", "[16]", "[18446744073709551600,18446744073709551615]", 16), "ends at 184467"));
  CHECK(says(rule_of("\"F32\"", "[2]", "[0,6]", 6), "has 6 bytes, but the shape and type need 8"));
  CHECK(says(rule_of("\"U8\"", "[1]", "[0,1]", 2), "1 bytes behind the last tensor belong to none"));
  auto two = [](const std::string& a, const std::string& b, size_t data) {
    return rule_of(file_of("{\"a\":" + a + ",\"b\":" + b + "}", data));
  };
  CHECK(says(two(entry("\"U8\"", "[2]", "[0,2]"), entry("\"U8\"", "[2]", "[1,3]"), 3), "overlaps"));
  CHECK(says(two(entry("\"U8\"", "[1]", "[0,1]"), entry("\"U8\"", "[1]", "[2,3]"), 3), "leaves a hole"));
  CHECK(two(entry("\"U8\"", "[0]", "[1,1]"), entry("\"U8\"", "[1]", "[0,1]"), 1) == "accepted");
  CHECK(two(entry("\"U8\"", "[0]", "[0,0]"), entry("\"F32\"", "[0]", "[0,0]"), 0) == "accepted");
}
