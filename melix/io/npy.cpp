// See npy.h.
#include "melix/io/npy.h"

#include "melix/io/cursor.h"

namespace melix::io {
namespace {

constexpr uint64_t kLongestHeader = 65536;  // a header of 64 dimensions has less than 2000 bytes

// The literal of a Python dict that the header is.
class Parser {
 public:
  Parser(const Source& source, std::string_view text, uint64_t base)
      : source_(source), text_(text), base_(base) {}

  NpyPlan run() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string("key");
      expect(':');
      if (key == "descr") {
        once(has_descr_, "descr");
        descr();
      } else if (key == "fortran_order") {
        once(has_order_, "fortran_order");
        plan_.fortran = boolean();
      } else if (key == "shape") {
        once(has_shape_, "shape");
        shape();
      } else {
        reject("key", quoted(key), " is none of descr, fortran_order and shape");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    spaces();
    if (at_ != text_.size()) reject("header", "there is something behind the dict");
    if (!has_descr_ || !has_order_ || !has_shape_) reject("header", "needs descr, fortran_order and shape");
    // NumPy too counts the bytes as if no dimension was 0.
    const Size bytes = extent(dims_) * Size(size_of(plan_.layout.dtype));
    if (bytes > Size(kMostBytes)) reject("shape", "takes ", bytes, " bytes, at most 2^63 - 1 can be");
    for (uint64_t d : dims_) plan_.layout.shape.push_back(int64_t(d));
    plan_.layout.nbytes = has_zero(dims_) ? 0 : bytes.get();
    return plan_;
  }

 private:
  template <class... Parts>
  [[noreturn]] void reject(std::string_view field, const Parts&... parts) const {
    source_.reject(base_ + at_, field, parts...);
  }
  void spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) at_++;
  }
  bool accept(char c) {
    spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    at_++;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) reject("header", "expected ", std::string_view(&c, 1), " in the dict");
  }
  void once(bool& seen, std::string_view key) {
    if (seen) reject(key, "stands here a second time");
    seen = true;
  }

  std::string_view string(std::string_view field) {
    spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') reject(field, "must be a string");
    const size_t begin = ++at_, end = text_.find(quote, begin);
    if (end == std::string_view::npos) reject(field, "the string does not end");
    at_ = end + 1;
    const std::string_view out = text_.substr(begin, end - begin);
    if (out.find('\\') != std::string_view::npos) reject(field, "escapes are not read");
    return out;
  }

  bool boolean() {
    spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return word == "True";
    }
    reject("fortran_order", "must be True or False");
  }

  void descr() {
    spaces();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      reject("descr", "structured types are not read");
    }
    const std::string_view name = string("descr");
    if (name.find('O') != std::string_view::npos) {
      reject("descr", quoted(name), ": objects are pickles, which are never read");
    }
    const char order = name.empty() ? '\0' : name[0];
    const bool marked = order == '<' || order == '>' || order == '|' || order == '=';
    const std::string_view type = name.substr(marked ? 1 : 0);
    for (int i = 0; i < kDtypes; i++) {
      const Dtype dtype = Dtype(i);
      const bool is_bool_letter = dtype == bool_ && type == "?";
      if (type != letters(dtype) && !is_bool_letter) continue;
      plan_.layout.dtype = dtype;
      plan_.swap = order == '>' && size_of(dtype) > 1;
      return;
    }
    reject("descr", quoted(name), " is no type that arrays can have");
  }

 public:
  // The letter of NumPy and the bytes: "f4".
  static std::string letters(Dtype dtype) {
    static const char kinds[] = "buifc";  // in the order of Kind
    const char kind = dtype == bfloat16 ? 'V' : kinds[int(kind_of(dtype))];
    return concat(kind, size_of(dtype));
  }

 private:
  // (), (3,), (2, 3); whole numbers may end in L, as those of Python 2 did.
  void shape() {
    expect('(');
    while (!accept(')')) {
      spaces();
      const size_t begin = at_;
      Size n;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; at_++) {
        n = n * Size(10) + Size(uint64_t(text_[at_] - '0'));
      }
      if (at_ == begin || n.beyond()) reject("shape", "must be a tuple of whole numbers from 0 to 2^64 - 1");
      if (at_ < text_.size() && text_[at_] == 'L') at_++;
      if (dims_.size() == size_t(kMaxDims)) reject("shape", "has more than ", kMaxDims, " dimensions");
      dims_.push_back(n.get());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  const Source& source_;
  std::string_view text_;
  uint64_t base_;
  size_t at_ = 0;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
  std::vector<uint64_t> dims_;
  NpyPlan plan_;
};

}  // namespace

NpyPlan parse_npy(const Source& source, uint64_t begin) {
  if (begin > source.size()) source.reject(source.size(), "magic", "the file ends before byte ", begin);
  Cursor cursor(source, begin, source.size());
  if (cursor.bytes(6, "magic") != "\x93NUMPY") source.reject(begin, "magic", "is not that of an .npy file");
  const uint8_t major = cursor.read<uint8_t>("version");
  const uint8_t minor = cursor.read<uint8_t>("version");
  if (major < 1 || major > 3 || minor != 0) {
    source.reject(begin + 6, "version", major, ".", minor, " is not known (1.0, 2.0 and 3.0 are)");
  }
  const uint64_t n =
      major == 1 ? cursor.read<uint16_t>("header length") : cursor.read<uint32_t>("header length");
  if (n > kLongestHeader) {
    source.reject(begin + 8, "header length", n, " is more than the limit of ", kLongestHeader, " bytes");
  }
  const uint64_t base = cursor.offset();
  NpyPlan plan = Parser(source, cursor.bytes(n, "header"), base).run();
  plan.layout.offset = cursor.offset();
  return plan;
}

std::string npy_header(Dtype dtype, const Shape& shape) {
  std::string dict = concat("{'descr': '", size_of(dtype) == 1 ? '|' : '<', Parser::letters(dtype),
                            "', 'fortran_order': False, 'shape': ", shape, ", }");
  // The elements begin at a multiple of 64 bytes. 64 dimensions of 20 digits fit in version 1.
  const size_t n = (10 + dict.size() + 1 + 63) / 64 * 64 - 10;
  dict.resize(n - 1, ' ');
  std::string out("\x93NUMPY\x01\x00", 8);
  out += char(n & 255);
  out += char(n >> 8);
  return out + dict + '\n';
}

}  // namespace melix::io
