// See gguf.h.
#include "melix/io/gguf.h"

#include <algorithm>
#include <unordered_set>

#include "melix/io/cursor.h"

namespace melix::io {
namespace {

using Key = GgufPlan::Key;
using Tensor = GgufPlan::Tensor;

constexpr uint64_t kAlignment = 32;              // where no key says another
constexpr uint64_t kLargestAlignment = 1 << 20;  // a page of any machine, with room
// The fewest bytes that a key (length, one character, type, value of one byte) and a tensor (length of the name,
// number of dimensions, type, offset) take: so many of them can be at most.
constexpr uint64_t kLeastKey = 8 + 1 + 4 + 1, kLeastTensor = 8 + 4 + 4 + 8;

struct ValueRow {
  uint32_t bytes;  // 0: text, or an array
  std::optional<Dtype> dtype;
};
constexpr ValueRow kValues[] = {
    {1, uint8}, {1, int8}, {2, uint16}, {2, int16},  {4, uint32}, {4, int32},   {4, float32},
    {1, bool_}, {0, {}},   {0, {}},     {8, uint64}, {8, int64},  {8, float64},
};
constexpr uint32_t kValueTypes = std::size(kValues);

struct Become {
  bool blocks = false;
  std::optional<Dtype> dtype{};
  constexpr Become(Dtype d) : dtype(d) {}
  constexpr explicit Become(bool b) : blocks(b) {}
};
constexpr Become blocks(true), other(false);

constexpr GgufType kTypes[] = {
#define MELIX_GGUF_TYPE(number, name, block, bytes, become) \
  {number, #name, block, bytes, Become(become).blocks, Become(become).dtype},
#include "melix/io/gguf_types.inc"
#undef MELIX_GGUF_TYPE
};

// A little-endian number.
uint64_t natural(std::string_view bytes) {
  uint64_t out = 0;
  for (size_t i = bytes.size(); i-- > 0;) out = out << 8 | uint8_t(bytes[i]);
  return out;
}

bool can_align(uint64_t n) { return n != 0 && (n & (n - 1)) == 0 && n <= kLargestAlignment; }

template <class T>
void put(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); i++) out += char(uint64_t(value) >> (8 * i));
}

class Parser {
 public:
  explicit Parser(const Source& source) : source_(source), in_(source, 0, source.size()) {}

  GgufPlan run() {
    if (in_.bytes(4, "magic") != "GGUF") in_.reject(0, "magic", "is not GGUF");
    const uint32_t version = in_.read<uint32_t>("version");
    if (version == 0x02000000 || version == 0x03000000) in_.reject(4, "version", "the file is big-endian");
    if (version != 2 && version != 3) in_.reject(4, "version", version, " is not known (2 and 3 are)");
    const uint64_t tensors = in_.read<uint64_t>("number of tensors");
    const uint64_t keys = in_.read<uint64_t>("number of keys");
    if (Size(keys) * Size(kLeastKey) > Size(in_.left())) {
      in_.reject(16, "number of keys", keys, " cannot be in ", in_.left(), " bytes");
    }
    for (uint64_t i = 0; i < keys; i++) key();
    in_.context("");
    check_unique("key ", plan_.keys);
    if (Size(tensors) * Size(kLeastTensor) > Size(in_.left())) {
      in_.reject(8, "number of tensors", tensors, " cannot be in ", in_.left(), " bytes");
    }
    for (uint64_t i = 0; i < tensors; i++) tensor();
    in_.context("");
    check_unique("tensor ", plan_.tensors);
    place();
    return std::move(plan_);
  }

 private:
  // A name: its length, and UTF-8.
  std::string name(std::string_view field, uint64_t least) {
    const uint64_t start = in_.offset(), n = in_.read<uint64_t>(field);
    if (n < least || n > kLongestGgufName) {
      in_.reject(start, field, "has ", n, " bytes, from ", least, " to ", kLongestGgufName, " can be");
    }
    std::string out(in_.bytes(n, field));
    if (!valid_utf8(out)) in_.reject(start + 8, field, quoted(out), " is not UTF-8");
    return out;
  }

  GgufValue value_type(std::string_view field) {
    const uint64_t start = in_.offset();
    const uint32_t type = in_.read<uint32_t>(field);
    if (type >= kValueTypes) in_.reject(start, field, type, " is no type of a value");
    return GgufValue(type);
  }

  void key() {
    in_.context(concat("key ", plan_.keys.size()));
    Key out{name("name", 1), GgufValue::uint8, false, 1, {}};
    in_.context(concat("key ", quoted(out.name)));
    out.type = value_type("type");
    out.array = out.type == GgufValue::array;
    if (out.array) {
      const uint64_t start = in_.offset();
      out.type = value_type("type of the elements");
      if (out.type == GgufValue::array)
        in_.reject(start, "type of the elements", "arrays of arrays are not read");
      out.count = in_.read<uint64_t>("number of elements");
    }
    const uint64_t start = in_.offset();
    if (out.type == GgufValue::string) {
      out.bytes = texts(out.count);
    } else {
      out.bytes = in_.bytes(Size(out.count) * Size(kValues[uint32_t(out.type)].bytes), "value");
    }
    if (out.type == GgufValue::boolean) {
      const size_t wrong = out.bytes.find_first_not_of(std::string_view("\0\1", 2));
      if (wrong != std::string::npos) in_.reject(start + wrong, "value", "a bool must be 0 or 1");
    }
    if (out.name == "general.alignment") alignment(out, start);
    plan_.keys.push_back(std::move(out));
  }

  std::string texts(uint64_t count) {
    if (Size(count) * Size(8) > Size(in_.left())) {
      in_.reject(in_.offset(), "number of elements", count, " texts cannot be in ", in_.left(), " bytes");
    }
    std::string out;
    for (uint64_t i = 0; i < count; i++) {
      const uint64_t n = in_.read<uint64_t>("length of a text");
      put(out, n);
      out += in_.bytes(n, "text");
    }
    return out;
  }

  void alignment(const Key& key, uint64_t start) {
    if (key.array || key.type != GgufValue::uint32) in_.reject(start, "type", "must be uint32");
    alignment_ = natural(key.bytes);
    if (!can_align(alignment_)) {
      in_.reject(start, "value", alignment_, " is not a power of two from 1 to ", kLargestAlignment);
    }
  }

  void tensor() {
    in_.context(concat("tensor ", plan_.tensors.size()));
    const uint64_t start = in_.offset();
    Tensor out{name("name", 0), nullptr, {}};
    in_.context(concat("tensor ", quoted(out.name)));
    const uint32_t dims = in_.read<uint32_t>("number of dimensions");
    if (dims > kMostGgufDims)
      in_.reject(in_.offset() - 4, "number of dimensions", dims, ", at most ", kMostGgufDims, " can be");
    dims_.clear();
    for (uint32_t i = 0; i < dims; i++) dims_.push_back(in_.read<uint64_t>("dimension"));
    const uint32_t type = in_.read<uint32_t>("type");
    out.type = gguf_type(type);
    if (!out.type)
      in_.reject(in_.offset() - 4, "type", type, " is no type of a tensor, or was removed from the format");
    const uint64_t row = dims_.empty() ? 1 : dims_[0];
    if (row % out.type->block != 0) {
      in_.reject(start, "dimensions", "the first is ", row, ", which is not a multiple of the ",
                 out.type->block, " elements of a block of ", out.type->name);
    }
    const Size n = extent(dims_);
    const Size whole = n.beyond() ? n : Size(n.get() / out.type->block) * Size(out.type->bytes);
    if (whole > Size(kMostBytes) || n > Size(kMostBytes)) {
      in_.reject(start, "dimensions", "have ", n, " elements in ", whole, " bytes, at most 2^63 - 1 can be");
    }
    const Size bytes = has_zero(dims_) ? Size(0) : whole;
    const uint64_t offset_at = in_.offset();
    out.layout.offset = in_.read<uint64_t>("offset");  // from the start of the data, until that is known
    if (out.layout.offset % alignment_ != 0) {
      in_.reject(offset_at, "offset", out.layout.offset, " is not a multiple of the alignment, ", alignment_);
    }
    if (Size(out.layout.offset) + bytes > Size(in_.left())) {
      in_.reject(offset_at, "offset", bytes, " bytes from ", out.layout.offset, " on are not in the file");
    }
    out.layout.nbytes = bytes.get();
    out.layout.dtype = out.type->dtype.value_or(uint8);
    for (size_t i = dims_.size(); i-- > 0;) out.layout.shape.push_back(int64_t(dims_[i]));
    plan_.tensors.push_back(std::move(out));
  }

  template <class Named>
  void check_unique(std::string_view what, const std::vector<Named>& named) const {
    std::unordered_set<std::string_view> seen;
    seen.reserve(named.size());
    for (const Named& n : named) {
      if (!seen.insert(n.name).second)
        source_.reject(FileError::kNowhere, concat(what, quoted(n.name)), "comes twice");
    }
  }

  // The tensors' offsets from the start of the file; no two of them share a byte.
  void place() {
    const Size data = Size(in_.offset()).rounded_up(alignment_);
    std::vector<Tensor*> order;
    order.reserve(plan_.tensors.size());
    for (Tensor& t : plan_.tensors) {
      const Size begin = data + Size(t.layout.offset);
      // What has no bytes may stand behind the end of a file that is not padded.
      if (t.layout.nbytes > 0 && begin + Size(t.layout.nbytes) > Size(source_.size())) {
        source_.reject(in_.offset(), concat("tensor ", quoted(t.name)), t.layout.nbytes, " bytes from byte ",
                       begin, " on are not in the file, which has ", source_.size());
      }
      t.layout.offset = begin.get();
      if (t.layout.nbytes > 0) order.push_back(&t);
    }
    std::sort(order.begin(), order.end(),
              [](const Tensor* a, const Tensor* b) { return a->layout.offset < b->layout.offset; });
    for (size_t i = 1; i < order.size(); i++) {
      const Layout& before = order[i - 1]->layout;
      if (before.offset + before.nbytes > order[i]->layout.offset) {
        source_.reject(order[i]->layout.offset, concat("tensor ", quoted(order[i]->name)),
                       "shares bytes with tensor ", quoted(order[i - 1]->name));
      }
    }
  }

  const Source& source_;
  Cursor in_;
  uint64_t alignment_ = kAlignment;
  std::vector<uint64_t> dims_;  // of the tensor at hand
  GgufPlan plan_;
};

}  // namespace

std::optional<Dtype> dtype_of(GgufValue type) { return kValues[uint32_t(type)].dtype; }

std::optional<GgufValue> value_type_of(Dtype dtype) {
  for (uint32_t i = 0; i < kValueTypes; i++) {
    if (kValues[i].dtype == dtype) return GgufValue(i);
  }
  return std::nullopt;
}

std::string GgufType::mode() const {
  std::string out;
  for (char c : name) out += c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c;
  return out;
}

const GgufType* gguf_type(uint32_t number) {
  for (const GgufType& type : kTypes) {
    if (type.number == number) return &type;
  }
  return nullptr;
}

const GgufType* gguf_type(Dtype dtype) {
  for (const GgufType& type : kTypes) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

std::vector<std::string_view> GgufPlan::Key::texts() const {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = size_t(natural(std::string_view(bytes).substr(at, 8)));
    out.push_back(std::string_view(bytes).substr(at + 8, n));
    at += 8 + n;
  }
  return out;
}

GgufPlan parse_gguf(const Source& source) { return Parser(source).run(); }

void append_gguf_text(std::string& out, std::string_view text) {
  put(out, uint64_t(text.size()));
  out += text;
}

uint64_t gguf_alignment(const GgufPlan& plan) {
  for (const Key& key : plan.keys) {
    if (key.name != "general.alignment") continue;
    const bool number = key.type == GgufValue::uint32 && !key.array;
    if (!number || !can_align(natural(key.bytes))) {
      fail(Code::value, "save_gguf", "general.alignment must be a uint32, a power of two from 1 to ",
           kLargestAlignment);
    }
    return natural(key.bytes);
  }
  return kAlignment;
}

std::string gguf_header(GgufPlan& plan) {
  const uint64_t alignment = gguf_alignment(plan);
  std::string out = "GGUF";
  put(out, uint32_t(3));
  put(out, uint64_t(plan.tensors.size()));
  put(out, uint64_t(plan.keys.size()));
  for (const Key& key : plan.keys) {
    append_gguf_text(out, key.name);
    if (key.array) put(out, uint32_t(GgufValue::array));
    put(out, uint32_t(key.type));
    if (key.array) put(out, key.count);
    out += key.bytes;
  }
  Size at;
  for (Tensor& t : plan.tensors) {
    append_gguf_text(out, t.name);
    put(out, uint32_t(t.layout.shape.size()));
    for (size_t i = t.layout.shape.size(); i-- > 0;) put(out, uint64_t(t.layout.shape[uint32_t(i)]));
    put(out, t.type->number);
    put(out, at.get());
    t.layout.offset = at.get();
    at = (at + Size(t.layout.nbytes)).rounded_up(alignment);
  }
  out.resize(size_t(Size(out.size()).rounded_up(alignment).get()), '\0');
  for (Tensor& t : plan.tensors) t.layout.offset += out.size();
  return out;
}

}  // namespace melix::io
