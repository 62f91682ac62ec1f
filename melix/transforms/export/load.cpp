// Reading of exported functions. The file is a stranger's: every number is compared with what is left of the file
// before anything is made of it, and the only code it leads to are the operations of the list, which check what they
// get.
#include <cstring>

#include "melix/backend/backend.h"
#include "melix/io/source.h"
#include "melix/transforms/export/format.h"

namespace melix::exporting {
namespace {

class Reader {
 public:
  Reader(const io::Source& file, std::string_view bytes, uint64_t begin)
      : file_(file), bytes_(bytes), begin_(begin) {}

  uint64_t offset() const { return begin_ + at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <class... Parts>
  [[noreturn]] void wrong(uint64_t offset, std::string_view field, const Parts&... parts) const {
    throw io::FileError(Code::value, "import_function", file_.name(), offset, field, concat(parts...));
  }

  template <class T>
  T get(const char* field) {
    if (left() < sizeof(T)) wrong(offset(), field, sizeof(T), " bytes are needed, ", left(), " are left");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  // A number of things that take at least `each` bytes.
  uint32_t count(const char* field, size_t each) {
    const uint64_t at = offset();
    const auto n = get<uint32_t>(field);
    if (n > left() / each) wrong(at, field, n, " do not fit into the ", left(), " bytes that are left");
    return n;
  }
  // A number below a bound.
  uint64_t below(uint64_t bound, uint64_t value, uint64_t at, const char* field) const {
    if (value >= bound) wrong(at, field, value, " is out of range, there are ", bound);
    return value;
  }
  std::string text(const char* field) {
    const uint64_t at = offset();
    const uint32_t size = count(field, 1);
    std::string out(bytes_.substr(at_, size));
    at_ += size;
    if (!io::valid_utf8(out)) wrong(at, field, "is not UTF-8");
    return out;
  }
  bool flag(const char* field) { return below(2, get<uint8_t>(field), offset() - 1, field) == 1; }

 private:
  const io::Source& file_;
  std::string_view bytes_;
  uint64_t begin_;
  size_t at_ = 0;
};

class Loader {
 public:
  explicit Loader(const std::string& path) : file_(io::open_file(path)) {}

  Program load() {
    read_head();
    Reader in(*file_, section_, kHead);
    Program program;
    program.metadata = in.text("metadata");
    const uint32_t names = in.count("names", 4);
    for (uint32_t i = 0; i < names; i++) names_.push_back(in.text("name"));
    const uint32_t constants = in.count("constants", 24);
    for (uint32_t i = 0; i < constants; i++) program.constants.push_back(read_constant(in));
    const uint32_t traces = in.count("traces", 12);
    for (uint32_t i = 0; i < traces; i++) program.traces.push_back(read_trace(in, constants));
    if (in.left() > 0) in.wrong(in.offset(), "end", in.left(), " bytes follow the last trace");
    if (data_end_ != data_size_)
      in.wrong(24, "size of the data", data_size_, ", the constants end at ", data_end_);
    return program;
  }

 private:
  void read_head() {
    char head[kHead];
    if (file_->size() < kHead) {
      throw io::FileError(Code::value, "import_function", file_->name(), 0, "head",
                          concat("the file has ", file_->size(), " bytes, ", kHead, " are needed"));
    }
    file_->read(0, std::as_writable_bytes(std::span(head)));
    Reader in(*file_, std::string_view(head, kHead), 0);
    char magic[8];
    for (char& c : magic) c = in.get<char>("magic");
    if (std::memcmp(magic, kMagic, 8) != 0) in.wrong(0, "magic", "this is not an exported function");
    const auto version = in.get<uint32_t>("version");
    if (version != kVersion) in.wrong(8, "version", version, " is not known, this library reads ", kVersion);
    const auto wanted = in.get<uint32_t>("checksum");
    const auto size = in.get<uint64_t>("size of the section");
    if (size > file_->size() - kHead)
      in.wrong(16, "size of the section", size, " of ", file_->size() - kHead, " bytes that are left");
    data_size_ = in.get<uint64_t>("size of the data");
    data_ = data_size_ > 0 ? aligned(kHead + size) : kHead + size;
    if (data_ > file_->size() || data_size_ != file_->size() - data_) {
      in.wrong(24, "size of the data", data_size_, " bytes from byte ", data_, " on, the file has ",
               file_->size());
    }
    section_.resize(size);
    file_->read(kHead, std::as_writable_bytes(std::span(section_)));
    const uint32_t sum = checksum(std::as_bytes(std::span(section_)));
    if (sum != wanted) in.wrong(12, "checksum", "the file says ", wanted, ", its section has ", sum);
  }

  const std::string& name(Reader& in, const char* field) {
    const uint64_t at = in.offset();
    return names_[in.below(names_.size(), in.get<uint32_t>(field), at, field)];
  }
  Dtype dtype(Reader& in, const char* field) {
    const uint64_t at = in.offset();
    const std::string& known = name(in, field);
    Dtype out;
    if (!dtype_from_name(known, &out)) in.wrong(at, field, "there is no dtype ", known);
    return out;
  }
  Shape shape(Reader& in, const char* field) {
    const uint64_t at = in.offset();
    const uint32_t ndim = in.count(field, 8);
    if (ndim > kMaxDims) in.wrong(at, field, ndim, " axes, at most ", kMaxDims, " are possible");
    Shape out;
    uint64_t n = 1;
    bool fits = true;
    for (uint32_t d = 0; d < ndim; d++) {
      const auto length = in.get<uint64_t>(field);
      fits &= !__builtin_mul_overflow(n, std::max<uint64_t>(length, 1), &n) && n <= kMost;
      out.push_back(int64_t(length));
    }
    if (!fits) in.wrong(at, field, "more than 2^56 elements");
    return out;
  }

  array read_constant(Reader& in) {
    View view;
    view.dtype = dtype(in, "dtype of a constant");
    view.shape = shape(in, "shape of a constant");
    const uint64_t mask_at = in.offset();
    const auto repeats = in.get<uint64_t>("axes of a constant that repeat");
    Shape kept = view.shape;
    for (uint32_t d = 0; d < 64; d++) {
      if (!(repeats >> d & 1)) continue;
      if (d >= kept.size() || kept[d] < 2)
        in.wrong(mask_at, "axes of a constant that repeat", "there is no such axis ", d);
      kept[d] = 1;
    }
    const uint64_t at = in.offset();
    const auto offset = in.get<uint64_t>("offset of a constant");
    // One behind the other: a file cannot ask for more memory than it has bytes.
    if (offset != aligned(data_end_))
      in.wrong(at, "offset of a constant", offset, ", the one before ends at ", data_end_);
    const uint64_t nbytes = uint64_t(elements(kept)) * size_of(view.dtype);
    if (offset > data_size_ || nbytes + 4 > data_size_ - offset) {
      in.wrong(at, "offset of a constant", nbytes, " bytes from ", offset, " on leave the ", data_size_,
               " bytes of data");
    }
    data_end_ = offset + nbytes + 4;
    view.buffer = Buffer::allocate(nbytes);
    const std::span bytes(static_cast<std::byte*>(view.buffer->data()), nbytes);
    uint32_t wanted;
    file_->read(data_ + offset, bytes);
    file_->read(data_ + offset + nbytes, std::as_writable_bytes(std::span(&wanted, 1)));
    if (const uint32_t sum = checksum(bytes); sum != wanted) {
      in.wrong(data_ + offset + nbytes, "checksum of a constant", "the file says ", wanted,
               ", its bytes have ", sum);
    }
    view.strides = row_major(kept);
    for (uint32_t d = 0; d < kept.size(); d++) {
      if (repeats >> d & 1) view.strides[d] = 0;
    }
    if (view.dtype == bool_) require_booleans(in, view, data_ + offset);
    return array(std::move(view));
  }

  // Any other byte in a boolean array would be undefined in every kernel.
  void require_booleans(const Reader& in, const View& view, uint64_t offset) const {
    const auto* bytes = static_cast<const uint8_t*>(view.data());
    for (size_t i = 0; i < view.buffer->size(); i++) {
      if (bytes[i] > 1) in.wrong(offset + i, "values of a constant", int(bytes[i]), " is no boolean");
    }
  }

  Trace read_trace(Reader& in, uint32_t constants) {
    Trace trace;
    const uint32_t inputs = in.count("inputs", 20);
    for (uint32_t i = 0; i < inputs; i++) {
      trace.inputs.push_back(read_input(in));
      if (i == 0) continue;
      const std::string &before = trace.inputs[i - 1].keyword, &now = trace.inputs[i].keyword;
      if (!before.empty() && now <= before)
        in.wrong(in.offset(), "inputs", "keyword ", now, " behind ", before);
    }
    uint64_t values = inputs;
    const uint32_t calls = in.count("calls", 14);
    for (uint32_t i = 0; i < calls; i++) {
      trace.calls.push_back(read_call(in, values, constants));
      values += trace.calls.back().outputs.size();
    }
    const uint32_t outputs = in.count("outputs", 4);
    for (uint32_t i = 0; i < outputs; i++) trace.outputs.push_back(number(in, "output", values, constants));
    return trace;
  }

  Input read_input(Reader& in) {
    Input input;
    const uint64_t at = in.offset();
    const auto keyword = in.get<uint32_t>("keyword");
    if (keyword > 0) {
      input.keyword = names_[in.below(names_.size(), keyword - 1, at, "keyword")];
      if (input.keyword.empty()) in.wrong(at, "keyword", "it is empty");
    }
    input.example.dtype = dtype(in, "dtype of an input");
    input.example.shape = shape(in, "shape of an input");
    input.any = in.get<uint64_t>("axes of any length");
    const size_t ndim = input.example.shape.size();
    if (ndim < 64 && input.any >> ndim != 0)
      in.wrong(in.offset() - 8, "axes of any length", "the input has ", ndim, " axes");
    return input;
  }

  uint32_t number(Reader& in, const char* field, uint64_t values, uint64_t constants) {
    const uint64_t at = in.offset();
    const auto out = in.get<uint32_t>(field);
    if (out & kConstant) {
      in.below(constants, out & ~kConstant, at, field);
    } else {
      in.below(values, out, at, field);
    }
    return out;
  }

  Call read_call(Reader& in, uint64_t values, uint64_t constants) {
    Call call;
    call.offset = in.offset();
    const std::string& known = name(in, "operation");
    call.op = find_op(known);
    if (!call.op) in.wrong(call.offset, "operation", "this library has no ", known);
    const uint8_t placement = in.get<uint8_t>("device");
    call.placement = Placement(in.below(3, placement, in.offset() - 1, "device"));
    const bool has_attributes = in.flag("attributes");
    if (has_attributes != bool(call.op->read_attrs)) {
      in.wrong(call.offset, "operation", known, has_attributes ? " has no attributes" : " needs attributes");
    }
    if (has_attributes) read_attributes(in, call);
    const uint32_t inputs = in.count("inputs of a call", 4);
    for (uint32_t i = 0; i < inputs; i++)
      call.inputs.push_back(number(in, "input of a call", values, constants));
    const uint32_t outputs = in.count("outputs of a call", 8);
    for (uint32_t i = 0; i < outputs; i++) {
      const Dtype type = dtype(in, "dtype of an output");
      call.outputs.push_back({shape(in, "shape of an output"), type});
    }
    return call;
  }

  void read_attributes(Reader& in, Call& call) {
    AttrList list;
    const uint64_t at = in.offset();
    const uint32_t n = in.count("attributes", 6);
    for (uint32_t i = 0; i < n; i++) {
      const std::string& key = name(in, "name of an attribute");
      list.emplace_back(key, read_value(in));
    }
    try {
      call.attrs = call.op->read_attrs(list);
    } catch (const Error& error) {
      if (error.code() == Code::memory) throw;
      in.wrong(at, concat("attributes of ", call.op->name), error.what());
    }
  }

  AttrValue read_value(Reader& in) {
    const uint64_t at = in.offset();
    switch (ValueKind(in.get<uint8_t>("kind of an attribute"))) {
      case ValueKind::boolean:
        return in.flag("attribute");
      case ValueKind::integer:
        return in.get<int64_t>("attribute");
      case ValueKind::number:
        return in.get<double>("attribute");
      case ValueKind::text:
        return in.text("attribute");
      case ValueKind::dtype:
        return dtype(in, "attribute");
      case ValueKind::integers:
        return several<int64_t>(in);
      case ValueKind::numbers:
        return several<double>(in);
    }
    in.wrong(at, "kind of an attribute", "is not known");
  }
  template <class T>
  std::vector<T> several(Reader& in) {
    std::vector<T> out(in.count("attribute", sizeof(T)));
    for (T& value : out) value = in.get<T>("attribute");
    return out;
  }

  static constexpr uint64_t kMost = uint64_t(1) << 56;  // elements of an array

  Ref<io::Source> file_;
  uint64_t data_ = 0, data_size_ = 0;  // where the data begin in the file, and their bytes
  uint64_t data_end_ = 0;              // of the constants read so far
  std::string section_;
  std::vector<std::string> names_;
};

}  // namespace

Program load(const std::string& path) { return Loader(path).load(); }

}  // namespace melix::exporting
