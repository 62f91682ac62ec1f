// Headers of .npy files, and the checked sizes that all parsers count with.
#include "melix/io/npy.h"

#include <doctest/doctest.h>

using namespace melix;

namespace {

std::string file_of(const std::string& dict, char version = 1) {
  std::string out =
      std::string("\x93NUMPY") + version + '\0' + char(dict.size() & 255) + char(dict.size() >> 8);
  return (version > 1 ? out + std::string(2, '\0') : out) + dict;
}

std::string rule_of(const std::string& bytes) {
  try {
    const io::NpyPlan plan = io::parse_npy(*io::memory_source("x", bytes));
    return concat(plan.layout.dtype, " ", plan.layout.shape, plan.fortran ? " fortran" : "",
                  plan.swap ? " swap" : "");
  } catch (const io::FileError& error) {
    return concat(error.field(), ": ", error.rule());
  }
}
std::string dict_rule(const std::string& descr, const std::string& shape) {
  return rule_of(file_of("{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }"));
}
bool says(const std::string& rule, std::string_view part) { return rule.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("size: sums and products do not wrap") {
  using io::Size;
  const uint64_t most = ~uint64_t(0);
  CHECK((Size(most) + Size(1)).beyond());
  CHECK((Size(uint64_t(1) << 32) * Size(uint64_t(1) << 32)).beyond());
  CHECK((Size(most) * Size(2) * Size(0)).beyond());
  CHECK(Size(most) * Size(2) > Size(most));
  CHECK(!(Size(most) * Size(2) <= Size(most)));
  CHECK(Size(most) * Size(1) == Size(most));
  CHECK(Size(33).rounded_up(32) == Size(64));
  CHECK(Size(64).rounded_up(32) == Size(64));
  CHECK(Size(most).rounded_up(32).beyond());
  CHECK(concat(Size(most) + Size(most)) == "more than 2^64");
}

TEST_CASE("messages: foreign text is escaped and cut") {
  CHECK(io::quoted("a\n\x1b[0m'\\\xFF\xC3\xA9\xC2\x85") ==
        "'a\\x0a\\x1b[0m\\x27\\x5c\\xff\xC3\xA9\\xc2\\x85'");
  CHECK(io::quoted(std::string(1 << 20, 'x')).size() < 200);
  CHECK(io::valid_utf8("\xF4\x8F\xBF\xBF \xED\x9F\xBF \xEF\xBF\xBD"));
  for (const char* bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\x80", "\xC3", "\xE2\x82", "abcdefgh\xFF"}) {
    CHECK(!io::valid_utf8(bad));
  }
}

TEST_CASE("npy: headers that are written are read") {
  for (int i = 0; i < kDtypes; i++) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0, 5}}) {
      const std::string header = io::npy_header(Dtype(i), shape);
      CHECK(header.size() % 64 == 0);
      const io::NpyPlan plan = io::parse_npy(*io::memory_source("x", header));
      CHECK(plan.layout.dtype == Dtype(i));
      CHECK(plan.layout.shape == shape);
      CHECK(plan.layout.offset == header.size());
      CHECK(!plan.swap);
    }
  }
}

TEST_CASE("npy: what the dict may say") {
  CHECK(dict_rule("'<f4'", "(2, 3)") == "float32 (2, 3)");
  CHECK(dict_rule("'>f8'", "(2L,)") == "float64 (2,) swap");
  CHECK(dict_rule("'|b1'", "()") == "bool ()");
  CHECK(dict_rule("'?'", "()") == "bool ()");
  CHECK(dict_rule("'>i1'", "( 1 , )") == "int8 (1,)");
  CHECK(dict_rule("\"=c8\"", "(1,)") == "complex64 (1,)");
  CHECK(dict_rule("'<V2'", "(1,)") == "bfloat16 (1,)");
  CHECK(rule_of(file_of("{'shape':(1,),'fortran_order':True,'descr':'<i8'}  \n", 2)) == "int64 (1,) fortran");
  CHECK(rule_of(file_of("{'shape':(1,),'fortran_order':True,'descr':'<i8'}\n", 3)) == "int64 (1,) fortran");
}

TEST_CASE("npy: what is refused, and why") {
  CHECK(says(rule_of(""), "magic: takes 6 bytes"));
  CHECK(says(rule_of("\x93NUMPX\1\0\0\0"), "magic"));
  CHECK(says(rule_of(file_of("{}", 4)), "version: 4.0 is not known"));
  CHECK(says(rule_of(file_of("{}", 0)), "version: 0.0 is not known"));
  CHECK(says(rule_of(std::string("\x93NUMPY\1\0\xFF\xFF", 10)), "header: takes 65535 bytes, but 0 are left"));
  CHECK(says(rule_of(std::string("\x93NUMPY\2\0\xFF\xFF\xFF\xFF", 12)), "4294967295 is more than the limit"));
  CHECK(says(dict_rule("'|O'", "(1,)"), "objects are pickles"));
  CHECK(says(dict_rule("[('a', '<f4')]", "(1,)"), "structured"));
  for (const char* descr :
       {"'<c16'", "'<U3'", "'|S3'", "'<M8[s]'", "'<f16'", "''", "'<'", "'f'", "'<f3'", "'<b2'"}) {
    CAPTURE(descr);
    CHECK(says(dict_rule(descr, "(1,)"), "no type that arrays can have"));
  }
  CHECK(says(dict_rule("3", "(1,)"), "descr: must be a string"));
  for (const char* shape : {"(-1,)", "('1',)", "(18446744073709551616,)", "(,)"}) {
    CAPTURE(shape);
    CHECK(says(dict_rule("'<f4'", shape), "whole numbers"));
  }
  CHECK(says(dict_rule("'<f4'", "[1]"), "expected ("));
  CHECK(says(dict_rule("'<f4'", "(4194305,4194305,211106198978564)"), "at most 2^63 - 1"));
  CHECK(says(dict_rule("'<f8'", "(4611686018427387904,)"), "at most 2^63 - 1"));
  std::string many = "(";
  for (int i = 0; i < 65; i++) many += "1,";
  CHECK(says(dict_rule("'<f4'", many + ")"), "more than 64 dimensions"));
  CHECK(says(rule_of(file_of("{'descr': '<f4', 'fortran_order': False}")), "needs descr"));
  CHECK(says(rule_of(file_of("{'descr': '<f4', 'descr': '<f4'}")), "second time"));
  CHECK(says(rule_of(file_of("{'descr': '<f4', 'x': 1}")), "'x' is none of"));
  CHECK(says(rule_of(file_of("{'descr': '<f4")), "does not end"));
  CHECK(says(rule_of(file_of("{'descr': '<f4' 'x'}")), "expected }"));
  CHECK(says(rule_of(file_of("{'fortran_order': __import__('os')}")), "must be True or False"));
  CHECK(
      says(rule_of(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x")), "behind the dict"));
}
