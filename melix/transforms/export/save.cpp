// Writing of exported functions. All that is not data is built in memory first: names are listed before their users.
#include <zlib.h>

#include <bit>
#include <cstring>
#include <unordered_map>

#include "melix/io/atomic_file.h"
#include "melix/ops/shape.h"
#include "melix/transforms/export/format.h"

namespace melix::exporting {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as numbers are in memory");

class Section {
 public:
  template <class T>
  void put(T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof value);
  }
  void count(size_t n) { put(uint32_t(n)); }
  void text(std::string_view value) {
    count(value.size());
    bytes_.append(value);
  }
  void shape(const Shape& shape) {
    count(shape.size());
    for (int64_t d : shape) put(uint64_t(d));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A constant as it is stored: without the axes along which it only repeats.
struct Stored {
  array values;
  uint64_t nbytes = 0;
  uint64_t repeats = 0;  // bit d: axis d repeats one element
  uint64_t offset = 0;   // in the data
};

Stored stored(const array& constant) {
  View view = constant.view();
  Stored out{.values = constant};
  for (uint32_t d = 0; d < view.shape.size(); d++) {
    if (view.strides[d] != 0 || view.shape[d] < 2) continue;
    view.shape[d] = 1;
    out.repeats |= uint64_t(1) << d;
  }
  out.nbytes = view.nbytes();
  out.values = contiguous(array(view));  // lazy: copied when it is written, if at all
  return out;
}

class Writer {
 public:
  explicit Writer(const Program& program) {
    uint64_t at = 0;
    for (const array& a : program.constants) {
      constants_.push_back(stored(a));
      constants_.back().offset = at;
      data_size_ = at + constants_.back().nbytes + sizeof(uint32_t);  // its checksum is behind it
      at = aligned(data_size_);
    }
    write_constants(program);
    body_.count(program.traces.size());
    for (const Trace& trace : program.traces) write_trace(trace);
  }

  // Everything in front of the data.
  std::string head(const std::string& metadata) const {
    Section names, head;
    names.text(metadata);
    names.count(names_.size());
    for (const std::string& name : names_) names.text(name);
    const std::string section = names.bytes() + body_.bytes();
    for (char c : kMagic) head.put(c);
    head.put(kVersion);
    head.put(checksum(std::as_bytes(std::span(section))));
    head.put(uint64_t(section.size()));
    head.put(data_size_);
    std::string out = head.bytes() + section;
    if (data_size_ > 0) out.resize(aligned(out.size()));
    return out;
  }
  std::span<Stored> constants() { return constants_; }

 private:
  uint32_t name(std::string_view text) {
    auto [at, is_new] = known_.try_emplace(std::string(text), uint32_t(names_.size()));
    if (is_new) names_.emplace_back(text);
    return at->second;
  }
  void dtype(Dtype value) { body_.put(name(name_of(value))); }

  void write_constants(const Program& program) {
    body_.count(constants_.size());
    for (size_t i = 0; i < constants_.size(); i++) {
      dtype(program.constants[i].dtype());
      body_.shape(program.constants[i].shape());
      body_.put(constants_[i].repeats);
      body_.put(constants_[i].offset);
    }
  }

  void write_trace(const Trace& trace) {
    body_.count(trace.inputs.size());
    for (const Input& input : trace.inputs) {
      body_.put(input.keyword.empty() ? uint32_t(0) : name(input.keyword) + 1);
      dtype(input.example.dtype);
      body_.shape(input.example.shape);
      body_.put(input.any);
    }
    body_.count(trace.calls.size());
    for (const Call& call : trace.calls) write_call(call);
    numbers(trace.outputs);
  }

  void write_call(const Call& call) {
    body_.put(name(call.op->name));
    body_.put(call.placement);
    body_.put(uint8_t(bool(call.attrs)));
    if (call.attrs) {
      const AttrList attributes = call.attrs->list();
      body_.count(attributes.size());
      for (const auto& [key, value] : attributes) {
        body_.put(name(key));
        body_.put(ValueKind(value.index()));
        std::visit([&](const auto& v) { write(v); }, value);
      }
    }
    numbers(call.inputs);
    body_.count(call.outputs.size());
    for (const Aval& output : call.outputs) {
      dtype(output.dtype);
      body_.shape(output.shape);
    }
  }

  void write(bool value) { body_.put(uint8_t(value)); }
  void write(int64_t value) { body_.put(value); }
  void write(double value) { body_.put(value); }
  void write(const std::string& value) { body_.text(value); }
  void write(Dtype value) { dtype(value); }
  template <class T>
  void write(const std::vector<T>& values) {
    body_.count(values.size());
    for (T value : values) body_.put(value);
  }
  template <class Numbers>
  void numbers(const Numbers& values) {
    body_.count(values.size());
    for (uint32_t value : values) body_.put(value);
  }

  Section body_;
  std::vector<Stored> constants_;
  uint64_t data_size_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint32_t> known_;
};

}  // namespace

uint32_t checksum(std::span<const std::byte> bytes) {
  return uint32_t(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void save(const std::string& path, const Program& program) {
  Writer writer(program);
  const std::string head = writer.head(program.metadata);
  io::AtomicFile file(path, "export_function");
  file.write(head);
  uint64_t at = 0;
  const std::string zeros(kAlignment, '\0');
  for (Stored& constant : writer.constants()) {
    file.write(std::string_view(zeros).substr(0, constant.offset - at));
    const std::span bytes(static_cast<const std::byte*>(constant.values.view().data()), constant.nbytes);
    const uint32_t sum = checksum(bytes);
    file.write(bytes);
    file.write(std::as_bytes(std::span(&sum, 1)));
    at = constant.offset + constant.nbytes + sizeof sum;
    constant.values = array::none();  // its copy is gone before the next is made
  }
  file.commit();
}

}  // namespace melix::exporting
