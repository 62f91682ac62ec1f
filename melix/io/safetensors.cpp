// See safetensors.h.
#include "melix/io/safetensors.h"

#include <algorithm>
#include <unordered_set>

#include "melix/io/cursor.h"
#include "melix/io/json.h"

namespace melix::io {
namespace {

using Token = JsonReader::Token;
using Tensor = SafetensorsPlan::Tensor;

struct DtypeRow {
  std::string_view name;
  Dtype dtype;
};
// The first row of a dtype is the one it is written as.
constexpr DtypeRow kDtypes[] = {
    {"BOOL", bool_},    {"U8", uint8},      {"I8", int8},     {"U16", uint16},    {"I16", int16},
    {"U32", uint32},    {"I32", int32},     {"U64", uint64},  {"I64", int64},     {"F16", float16},
    {"BF16", bfloat16}, {"F32", float32},   {"F64", float64}, {"C64", complex64}, {"F8_E4M3", uint8},
    {"F8_E5M2", uint8}, {"F8_E8M0", uint8},
};

class Parser {
 public:
  Parser(const Source& source, std::string_view text)
      : source_(source), json_(source, text, 8), data_(8 + uint64_t(text.size())) {}

  SafetensorsPlan run() {
    if (json_.next() != Token::begin_object) json_.reject("header", "must be a JSON object");
    bool metadata_seen = false;
    for (Token token = json_.next(); token == Token::key; token = json_.next()) {
      if (json_.text() != "__metadata__") {
        tensor();
        continue;
      }
      if (metadata_seen) json_.reject("__metadata__", "stands here a second time");
      metadata_seen = true;
      metadata();
    }
    json_.next();  // nothing but spaces may follow
    check_names();
    check_data();
    return std::move(plan_);
  }

 private:
  void metadata() {
    if (json_.next() != Token::begin_object) json_.reject("__metadata__", "must be an object of strings");
    std::unordered_set<std::string> seen;
    for (Token token = json_.next(); token == Token::key; token = json_.next()) {
      std::string key(json_.text());
      if (!seen.insert(key).second) json_.reject("__metadata__", "has the key ", quoted(key), " twice");
      if (json_.next() != Token::string)
        json_.reject("__metadata__", "the value of ", quoted(key), " must be a string");
      plan_.metadata.emplace_back(std::move(key), json_.text());
    }
  }

  void tensor() {
    Tensor out;
    out.name = json_.text();
    const uint64_t start = json_.offset();
    auto field = [&](std::string_view name) { return concat("tensor ", quoted(out.name), ", ", name); };
    if (json_.next() != Token::begin_object) json_.reject(field("entry"), "must be an object");
    bool has_dtype = false, has_shape = false, has_offsets = false;
    uint64_t begin = 0, end = 0;
    for (Token token = json_.next(); token == Token::key; token = json_.next()) {
      const std::string_view key = json_.text();
      auto once = [&](bool& seen) {
        if (seen) json_.reject(field(key), "stands here a second time");
        seen = true;
      };
      if (key == "dtype") {
        once(has_dtype);
        out.layout.dtype = dtype(field);
      } else if (key == "shape") {
        once(has_shape);
        numbers(field, "shape", size_t(kMaxDims), dims_);
      } else if (key == "data_offsets") {
        once(has_offsets);
        numbers(field, "data_offsets", 2, range_);
        if (range_.size() != 2) json_.reject(field("data_offsets"), "needs a begin and an end");
        begin = range_[0], end = range_[1];
      } else {
        json_.skip(json_.next());
      }
    }
    if (!has_dtype) source_.reject(start, field("dtype"), "is missing");
    if (!has_shape) source_.reject(start, field("shape"), "is missing");
    if (!has_offsets) source_.reject(start, field("data_offsets"), "is missing");
    place(out, start, begin, end, field);
    plan_.tensors.push_back(std::move(out));
  }

  template <class Field>
  Dtype dtype(const Field& field) {
    if (json_.next() != Token::string) json_.reject(field("dtype"), "must be a string");
    for (const DtypeRow& row : kDtypes) {
      if (row.name == json_.text()) return row.dtype;
    }
    json_.reject(field("dtype"), "is ", quoted(json_.text()), ", which is no type that arrays can have");
  }

  // An array of at most `most` natural numbers.
  template <class Field>
  void numbers(const Field& field, std::string_view name, size_t most, std::vector<uint64_t>& out) {
    if (json_.next() != Token::begin_array) json_.reject(field(name), "must be an array of numbers");
    out.clear();
    for (Token token = json_.next(); token != Token::end_array; token = json_.next()) {
      const std::optional<uint64_t> n = token == Token::number ? json_.natural() : std::nullopt;
      if (!n) json_.reject(field(name), "must be an array of whole numbers from 0 to 2^64 - 1");
      if (out.size() == most) json_.reject(field(name), "has more than ", most, " numbers");
      out.push_back(*n);
    }
  }

  template <class Field>
  void place(Tensor& out, uint64_t start, uint64_t begin, uint64_t end, const Field& field) {
    const Size whole = extent(dims_) * Size(size_of(out.layout.dtype));
    if (whole > Size(kMostBytes)) {
      source_.reject(start, field("shape"), "takes ", whole, " bytes, at most 2^63 - 1 can be");
    }
    if (begin > end)
      source_.reject(start, field("data_offsets"), "begins at ", begin, " and ends before, at ", end);
    const uint64_t data = source_.size() - data_;
    if (end > data) {
      source_.reject(start, field("data_offsets"), "ends at ", end, ", but there are ", data,
                     " bytes of data");
    }
    const Size needed = has_zero(dims_) ? Size(0) : whole;
    if (needed != Size(end - begin)) {
      source_.reject(start, field("data_offsets"), "has ", end - begin,
                     " bytes, but the shape and type need ", needed);
    }
    for (uint64_t d : dims_) out.layout.shape.push_back(int64_t(d));
    out.layout.offset = data_ + begin;
    out.layout.nbytes = end - begin;
  }

  void check_names() const {
    std::unordered_set<std::string_view> seen;
    seen.reserve(plan_.tensors.size());
    for (const Tensor& t : plan_.tensors) {
      if (!seen.insert(t.name).second)
        source_.reject(8, concat("tensor ", quoted(t.name)), "stands in the header twice");
    }
  }

  // The tensors fill the data: no byte belongs to two of them, or to none.
  void check_data() const {
    std::vector<const Tensor*> order;
    order.reserve(plan_.tensors.size());
    for (const Tensor& t : plan_.tensors) order.push_back(&t);
    auto before = [](const Tensor* a, const Tensor* b) {
      const Layout &x = a->layout, &y = b->layout;
      return x.offset != y.offset ? x.offset < y.offset : x.nbytes < y.nbytes;
    };
    std::sort(order.begin(), order.end(), before);
    uint64_t at = data_;
    for (const Tensor* t : order) {
      const uint64_t begin = t->layout.offset;
      if (begin != at) {
        source_.reject(
            std::min(begin, at), concat("tensor ", quoted(t->name), ", data_offsets"),
            begin < at ? "overlaps the tensor before it" : "leaves a hole behind the tensor before it");
      }
      at += t->layout.nbytes;
    }
    if (at != source_.size()) {
      source_.reject(at, "data", source_.size() - at, " bytes behind the last tensor belong to none");
    }
  }

  const Source& source_;
  JsonReader json_;
  uint64_t data_;                       // where the data begins
  std::vector<uint64_t> dims_, range_;  // of the tensor at hand
  SafetensorsPlan plan_;
};

void put_text(std::string& out, std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (uint8_t(c) < 0x20) {
      out += "\\u00";
      out += digits[uint8_t(c) >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void check_text(std::string_view what, std::string_view text) {
  if (!valid_utf8(text)) fail(Code::value, "save_safetensors", what, " ", quoted(text), " is not UTF-8");
}

std::string_view safetensors_name(Dtype dtype) {
  for (const DtypeRow& row : kDtypes) {
    if (row.dtype == dtype) return row.name;
  }
  fail(Code::value, "save_safetensors", "there is no type for ", dtype);
}

}  // namespace

SafetensorsPlan parse_safetensors(const Source& source) {
  Cursor cursor(source, 0, source.size());
  const uint64_t n = cursor.read<uint64_t>("header length");
  if (n > kLongestSafetensorsHeader) {
    source.reject(0, "header length", n, " is more than the limit of ", kLongestSafetensorsHeader, " bytes");
  }
  if (n > cursor.left()) {
    source.reject(0, "header length", "is ", n, ", but the file has ", cursor.left(), " bytes behind it");
  }
  std::string text(size_t(n), '\0');
  source.read(8, std::as_writable_bytes(std::span(text)));
  if (text.empty() || text[0] != '{') source.reject(8, "header", "must begin with {");
  size_t wrong = 0;
  if (!valid_utf8(text, &wrong)) source.reject(8 + wrong, "header", "is not UTF-8");
  return Parser(source, text).run();
}

std::string safetensors_header(SafetensorsPlan& plan) {
  std::string json = "{";
  std::unordered_set<std::string_view> seen;
  auto comma = [&] {
    if (json.size() > 1) json += ',';
  };
  if (!plan.metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : plan.metadata) {
      check_text("the metadata's key", key);
      check_text("the metadata's value", value);
      if (json.back() != '{') json += ',';
      put_text(json, key);
      json += ':';
      put_text(json, value);
    }
    json += '}';
  }
  Size at;
  for (Tensor& t : plan.tensors) {
    check_text("the name", t.name);
    if (t.name == "__metadata__")
      fail(Code::value, "save_safetensors", "no array can have the name __metadata__");
    if (!seen.insert(t.name).second)
      fail(Code::value, "save_safetensors", "the name ", quoted(t.name), " comes twice");
    comma();
    put_text(json, t.name);
    json += concat(":{\"dtype\":\"", safetensors_name(t.layout.dtype), "\",\"shape\":[");
    for (int64_t d : t.layout.shape) {
      if (json.back() != '[') json += ',';
      json += std::to_string(d);
    }
    t.layout.offset = at.get();
    t.layout.nbytes = size_of(t.layout.dtype) * uint64_t(elements(t.layout.shape));
    at = at + Size(t.layout.nbytes);
    json += concat("],\"data_offsets\":[", t.layout.offset, ",", at, "]}");
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > kLongestSafetensorsHeader) {
    fail(Code::value, "save_safetensors", "the names and shapes take more than ", kLongestSafetensorsHeader,
         " bytes");
  }
  std::string out;
  for (int i = 0; i < 8; i++) out += char(uint64_t(json.size()) >> (8 * i));
  for (Tensor& t : plan.tensors) t.layout.offset += 8 + json.size();
  return out + json;
}

}  // namespace melix::io
