// Headers of GGUF files: what is written is read, and every rule has a file that breaks it.
#include "melix/io/gguf.h"

#include <doctest/doctest.h>

using namespace melix;

namespace {

// A file, field by field.
struct Bytes {
  std::string out;
  Bytes& u32(uint64_t v) { return number(v, 4); }
  Bytes& u64(uint64_t v) { return number(v, 8); }
  Bytes& u8(uint64_t v) { return number(v, 1); }
  Bytes& text(const std::string& s) {
    u64(s.size());
    out += s;
    return *this;
  }
  Bytes& tensor(const std::string& name, std::vector<uint64_t> dims, uint64_t type, uint64_t offset) {
    text(name).u32(dims.size());
    for (uint64_t d : dims) u64(d);
    return u32(type).u64(offset);
  }
  Bytes& data(size_t n) {
    out.resize((out.size() + 31) / 32 * 32 + n, '\1');
    return *this;
  }

 private:
  Bytes& number(uint64_t v, int n) {
    for (int i = 0; i < n; i++) out += char(v >> (8 * i));
    return *this;
  }
};

Bytes start(uint64_t tensors, uint64_t keys, uint64_t version = 3) {
  Bytes b;
  b.out = "GGUF";
  return b.u32(version).u64(tensors).u64(keys);
}

std::string rule_of(const Bytes& b) {
  try {
    io::parse_gguf(*io::memory_source("x", b.out));
  } catch (const io::FileError& error) {
    CHECK(error.code() == Code::value);
    return concat(error.field(), ": ", error.rule());
  }
  return "accepted";
}
bool says(const std::string& rule, std::string_view part) { return rule.find(part) != std::string::npos; }

std::string tensor_rule(std::vector<uint64_t> dims, uint64_t type, uint64_t offset, size_t data) {
  return rule_of(start(1, 0).tensor("t", dims, type, offset).data(data));
}
// The rule that one key with this type breaks.
std::string key_rule(uint64_t type, const Bytes& value) {
  Bytes b = start(0, 1).text("k").u32(type);
  b.out += value.out;
  return rule_of(b);
}

constexpr uint64_t kHuge = ~uint64_t(0);

}  // namespace

TEST_CASE("gguf: a header that is written is read again") {
  io::GgufPlan plan;
  plan.keys = {{"general.alignment", io::GgufValue::uint32, false, 1, std::string("\x40\0\0\0", 4)},
               {"list", io::GgufValue::string, true, 2, {}},
               {"flags", io::GgufValue::boolean, true, 3, std::string("\0\1\1", 3)}};
  io::append_gguf_text(plan.keys[1].bytes, "a");
  io::append_gguf_text(plan.keys[1].bytes, "");
  plan.tensors = {{"a", io::gguf_type(float32), {float32, {2, 3}, 0, 24}},
                  {"b", io::gguf_type(bfloat16), {bfloat16, {}, 0, 2}},
                  {"c", io::gguf_type(14), {uint8, {4, 512}, 0, 4 * 2 * 210}}};
  const std::string header = io::gguf_header(plan);
  CHECK(plan.tensors[1].layout.offset == header.size() + 64);
  const auto read = io::parse_gguf(*io::memory_source("x", header + std::string(2048, 'x')));
  REQUIRE(read.keys.size() == 3);
  CHECK(read.keys[1].texts() == std::vector<std::string_view>{"a", ""});
  CHECK(read.keys[2].bytes == plan.keys[2].bytes);
  REQUIRE(read.tensors.size() == 3);
  for (size_t i = 0; i < 3; i++) {
    CHECK(read.tensors[i].type == plan.tensors[i].type);
    CHECK(read.tensors[i].layout.shape == plan.tensors[i].layout.shape);
    CHECK(read.tensors[i].layout.offset == plan.tensors[i].layout.offset);
    CHECK(read.tensors[i].layout.nbytes == plan.tensors[i].layout.nbytes);
  }
  CHECK(read.tensors[2].type->mode() == "q6_k");
}

TEST_CASE("gguf: the first fields") {
  CHECK(says(rule_of(Bytes{"GGUF"}), "version: takes 4 bytes, but 0 are left"));
  CHECK(says(rule_of(Bytes{"GGUX"}), "magic"));
  for (uint64_t version : {0, 1, 4, 99}) CHECK(says(rule_of(start(0, 0, version)), "is not known"));
  CHECK(says(rule_of(start(0, 0, 0x03000000)), "big-endian"));
  CHECK(rule_of(start(0, 0, 2)) == "accepted");
  CHECK(rule_of(start(0, 0)) == "accepted");
  for (uint64_t n : {kHuge, uint64_t(1) << 40, uint64_t(6)}) {
    Bytes b = start(n, 0), c = start(0, n);
    b.out.resize(96), c.out.resize(96);
    CHECK(says(rule_of(b), "number of tensors"));
    CHECK(says(rule_of(c), "number of keys"));
  }
}

TEST_CASE("gguf: keys and values") {
  for (uint64_t n : {kHuge - 7, uint64_t(1) << 63, uint64_t(1) << 40}) {
    CHECK(says(rule_of(start(0, 1).u64(n).u64(0)), "name: has "));
    CHECK(says(key_rule(8, Bytes().u64(n)), "text: takes "));
    CHECK(says(key_rule(9, Bytes().u32(8).u64(n)), "texts cannot be in"));
  }
  CHECK(says(rule_of(start(0, 1).text("").u32(0).u8(0).u64(0)), "name: has 0 bytes"));
  CHECK(says(rule_of(start(0, 1).text("\xFF").u32(0).u8(0)), "is not UTF-8"));
  CHECK(says(rule_of(start(0, 2).text("k").u32(0).u8(1).text("k").u32(0).u8(1)), "comes twice"));
  CHECK(says(key_rule(9, Bytes().u32(0).u64(uint64_t(1) << 62)), "value: takes"));
  CHECK(says(key_rule(9, Bytes().u32(4).u64((uint64_t(1) << 62) + 1)), "value: takes more than 2^64"));
  Bytes nested;
  for (int i = 0; i < 100000; i++) nested.u32(9).u64(1);
  CHECK(says(key_rule(9, nested), "arrays of arrays"));
  CHECK(says(key_rule(255, Bytes().u8(0)), "255 is no type"));
  CHECK(says(key_rule(9, Bytes().u32(13).u64(0)), "13 is no type"));
  CHECK(says(key_rule(7, Bytes().u8(7)), "a bool must be 0 or 1"));
  CHECK(says(key_rule(9, Bytes().u32(7).u64(2).u8(1).u8(2)), "a bool must be 0 or 1"));
  auto alignment = [](const Bytes& typed) {
    Bytes b = start(0, 1).text("general.alignment");
    b.out += typed.out;
    return rule_of(b);
  };
  for (uint64_t n : {uint64_t(0), uint64_t(3), uint64_t(1) << 31})
    CHECK(says(alignment(Bytes().u32(4).u32(n)), "power of two"));
  CHECK(says(alignment(Bytes().u32(5).u32(32)), "must be uint32"));
  CHECK(says(alignment(Bytes().u32(9).u32(4).u64(1).u32(32)), "must be uint32"));
  CHECK(alignment(Bytes().u32(4).u32(1)) == "accepted");
}

TEST_CASE("gguf: shapes and types of tensors") {
  CHECK(says(rule_of(start(1, 0).text("t").u32(0xFFFFFFFF).data(96)), "number of dimensions"));
  CHECK(says(tensor_rule({1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, 0, 4), "number of dimensions: 9"));
  CHECK(tensor_rule({}, 0, 0, 4) == "accepted");
  CHECK(tensor_rule({0, 4}, 0, 0, 0) == "accepted");
  CHECK(tensor_rule({0, 4}, 2, 0, 0) == "accepted");
  CHECK(says(tensor_rule({INT64_MAX, 2}, 0, 0, 4), "at most 2^63 - 1 can be"));
  CHECK(says(tensor_rule({uint64_t(1) << 32, uint64_t(1) << 32, 16}, 0, 0, 4), "at most 2^63 - 1 can be"));
  CHECK(says(tensor_rule({32, (uint64_t(1) << 42) + 1, uint64_t(1) << 20}, 0, 0, 4),
             "at most 2^63 - 1 can be"));
  CHECK(says(tensor_rule({uint64_t(1) << 33}, 8, 0, 4), "are not in the file"));
  CHECK(says(tensor_rule({uint64_t(1) << 62}, 28, 0, 4), "at most 2^63 - 1 can be"));
  for (uint64_t type : {uint64_t(4), uint64_t(5), uint64_t(9999), uint64_t(0xFFFFFFFF), uint64_t(31)}) {
    CHECK(says(tensor_rule({32}, type, 0, 64), "tensor 't', type"));
  }
  CHECK(says(tensor_rule({33}, 2, 0, 64), "not a multiple of the 32"));
  CHECK(says(tensor_rule({}, 2, 0, 64), "not a multiple of the 32"));
  CHECK(tensor_rule({64}, 2, 0, 36) == "accepted");
}

TEST_CASE("gguf: the places of tensors") {
  CHECK(says(tensor_rule({1}, 0, uint64_t(1) << 40, 4), "are not in the file"));
  CHECK(says(tensor_rule({1}, 0, kHuge - 31, 4), "are not in the file"));
  CHECK(says(tensor_rule({1}, 0, 4, 64), "not a multiple of the alignment, 32"));
  CHECK(says(tensor_rule({64}, 2, 0, 35), "are not in the file"));
  auto two = [](uint64_t a, uint64_t b) {
    return rule_of(start(2, 0).tensor("a", {16}, 0, a).tensor("b", {16}, 0, b).data(128));
  };
  CHECK(two(0, 64) == "accepted");
  CHECK(two(64, 0) == "accepted");
  CHECK(says(two(0, 32), "shares bytes"));
  CHECK(says(two(0, 0), "shares bytes"));
  CHECK(says(rule_of(start(2, 0).tensor("a", {1}, 0, 0).tensor("a", {1}, 0, 32).data(64)), "comes twice"));
}
