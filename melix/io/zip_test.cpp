// Zip archives: what is written is read, and archives that lie are refused.
#include "melix/io/zip.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace melix;

namespace {

struct Text final : io::Sink {
  std::string out;
  using Sink::write;
  void write(std::span<const std::byte> bytes) override {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
};

std::span<const std::byte> bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

std::string archive(bool deflated, const std::string& a = "first",
                    const std::string& b = std::string(300000, 'x')) {
  Text text;
  io::ZipWriter zip(text);
  zip.add("a", bytes(a), {}, deflated);
  zip.add("b", {}, bytes(b), deflated);
  zip.finish();
  return text.out;
}

std::string member(const io::Source& source, const io::ZipMember& m, size_t piece) {
  io::ZipReader reader(source, m);
  std::string out(size_t(m.size), '\0');
  for (size_t at = 0; at < out.size(); at += piece) {
    reader.read(std::as_writable_bytes(std::span(out)).subspan(at, std::min(piece, out.size() - at)));
  }
  reader.finish();
  return out;
}

// Everything that reading an archive does.
std::string rule_of(const std::string& bytes) {
  try {
    auto source = io::memory_source("x", bytes);
    for (const auto& m : io::parse_zip(*source)) member(*source, m, 1 << 16);
  } catch (const io::FileError& error) {
    return concat(error.field(), ": ", error.rule());
  }
  return "accepted";
}
bool says(const std::string& rule, std::string_view part) { return rule.find(part) != std::string::npos; }

std::string with(std::string s, size_t at, std::string_view part) { return s.replace(at, part.size(), part); }
std::string u32(uint32_t v) { return std::string(reinterpret_cast<const char*>(&v), 4); }

}  // namespace

TEST_CASE("zip: members come back, stored and deflated, in pieces of any size") {
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 200000; i++) noise += char((x = x * 1664525 + 1013904223) >> 24);
  for (bool deflated : {false, true}) {
    auto source = io::memory_source("x", archive(deflated, "first", noise + std::string(700000, 'y')));
    const auto members = io::parse_zip(*source);
    REQUIRE(members.size() == 2);
    CHECK(members[0].name == "a");
    CHECK(member(*source, members[0], 2) == "first");
    for (size_t piece : {7777, 65536, 1 << 20}) {
      CHECK(member(*source, members[1], piece) == noise + std::string(700000, 'y'));
    }
  }
  CHECK(io::parse_zip(*io::memory_source("x", archive(true, "", ""))).size() == 2);
}

TEST_CASE("zip: archives that lie are refused") {
  const std::string stored = archive(false), deflated = archive(true);
  const size_t end = stored.size() - 22, directory = end - 2 * 47;
  CHECK(rule_of(stored) == "accepted");
  CHECK(rule_of(stored.substr(0, end) + with(stored.substr(end), 20, std::string("\2\0", 2)) + "hi") ==
        "accepted");
  CHECK(says(rule_of(""), "end record: is missing"));
  CHECK(says(rule_of(stored.substr(0, stored.size() - 1)), "end record: is missing"));
  CHECK(says(rule_of("x" + stored), "do not end at the end record"));
  CHECK(says(rule_of(with(stored, end + 16, u32(0xFFFFFFF0))), "do not end at"));
  CHECK(says(rule_of(with(stored, end + 10, "\xF0\xF0")), "part of several"));
  CHECK(says(rule_of(with(stored, end + 8, "\xF0\xF0\xF0\xF0")), "cannot be in a directory"));
  CHECK(says(rule_of(with(stored, directory + 8, "\1")), "encrypted"));
  CHECK(says(rule_of(with(stored, directory + 10, "\x0E")), "method: 14"));
  CHECK(says(rule_of(with(stored, directory + 10, "\x08")), "method: differs"));
  CHECK(says(rule_of(with(stored, directory + 24, u32(6))), "two sizes"));
  CHECK(says(rule_of(with(stored, directory + 42, u32(1 << 30))), "is not in the file"));
  CHECK(says(rule_of(with(stored, directory + 46, "b")), "name: differs"));
  CHECK(says(rule_of(with(with(stored, directory + 47 + 42, u32(0)), directory + 47 + 46, "a")),
             "comes twice"));
  CHECK(says(rule_of(with(with(stored, directory + 20, u32(40)), directory + 24, u32(40))), "shares bytes"));
  CHECK(says(rule_of(with(stored, 31, "F")), "checksum"));
  // One packed byte becomes at most 1032: a size beyond that is refused before anything is allocated.
  const size_t row = deflated.size() - 22 - 2 * 47;
  CHECK(says(rule_of(with(deflated, row + 24, u32(0xFFFFFFF0))), "cannot become"));
  CHECK(says(rule_of(with(deflated, row + 24, u32(100))), "damaged"));
  CHECK(says(rule_of(with(deflated, 31, "\xFF\xFF")), "damaged"));
  CHECK(says(rule_of(with(deflated, row + 16, u32(7))), "checksum"));
}
