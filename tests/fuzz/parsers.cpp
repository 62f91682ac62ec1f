// See parsers.h.
#include "tests/fuzz/parsers.h"

#include <vector>

#include "melix/io/gguf.h"
#include "melix/io/npy.h"
#include "melix/io/payload.h"
#include "melix/io/safetensors.h"
#include "melix/io/zip.h"

namespace melix::fuzz {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Broken{what};
}

// The bytes are in the file, and as many as the shape has. `unit`: bytes of a block of `block` elements.
void check(const io::Source& source, const io::Layout& at, uint64_t block = 1, uint64_t unit = 0) {
  if (unit == 0) unit = size_of(at.dtype);
  io::Size n(1);
  bool zero = false;
  require(at.shape.size() <= size_t(kMaxDims), "too many dimensions");
  for (int64_t d : at.shape) {
    require(d >= 0, "a negative dimension");
    zero |= d == 0;
    if (d != 0) n = n * io::Size(uint64_t(d));
  }
  require(n <= io::Size(io::kMostBytes), "too many elements");
  const io::Size bytes = zero ? io::Size(0) : io::Size(n.get() / block) * io::Size(unit);
  require(bytes == io::Size(at.nbytes), "bytes that do not fit the shape");
  require(at.nbytes == 0 || io::Size(at.offset) + bytes <= io::Size(source.size()),
          "bytes that are not in the file");
}

void read(const io::Payload& payload, std::initializer_list<uint64_t> sizes) {
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::span<std::byte>> outputs;
  for (uint64_t n : sizes) memory.emplace_back(size_t(n));
  for (auto& m : memory) outputs.push_back(m);
  payload.read(outputs);
}

bool same(const io::Layout& a, const io::Layout& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.nbytes == b.nbytes;
}

}  // namespace

void safetensors(const Ref<io::Source>& source) {
  io::SafetensorsPlan plan = io::parse_safetensors(*source);
  uint64_t total = 0;
  for (const auto& t : plan.tensors) {
    check(*source, t.layout);
    total += t.layout.nbytes;
    read(*io::plain_payload(source, t.layout.offset, t.layout.dtype, false), {t.layout.nbytes});
  }
  require(total <= source->size(), "tensors that are larger than the file");
  io::SafetensorsPlan written = plan;
  const std::string header = io::safetensors_header(written);
  const auto again =
      io::parse_safetensors(*io::memory_source("again", header + std::string(size_t(total), '\0')));
  require(again.tensors.size() == plan.tensors.size() && again.metadata == plan.metadata,
          "another header when written");
  for (size_t i = 0; i < plan.tensors.size(); i++) {
    require(again.tensors[i].name == plan.tensors[i].name, "another name when written");
    require(same(again.tensors[i].layout, plan.tensors[i].layout), "another tensor when written");
  }
}

void gguf(const Ref<io::Source>& source) {
  io::GgufPlan plan = io::parse_gguf(*source);
  uint64_t total = 0;
  for (const auto& t : plan.tensors) {
    check(*source, t.layout, t.type->block, t.type->bytes);
    total += t.layout.nbytes;
    read(*io::plain_payload(source, t.layout.offset, t.layout.dtype, false), {t.layout.nbytes});
    for (const auto& [name, bits, minimum] :
         {std::tuple{"Q4_0", 4, false}, {"Q4_1", 4, true}, {"Q8_0", 8, false}}) {
      if (t.type->name != name) continue;
      const uint64_t blocks = t.layout.nbytes / t.type->bytes;
      read(*io::affine_payload(source, t.layout.offset, bits, minimum),
           {blocks * uint64_t(bits) * 4, blocks * 2, blocks * 2});
    }
  }
  require(total <= source->size(), "tensors that are larger than the file");
  for (const auto& key : plan.keys) {
    if (key.type == io::GgufValue::string)
      require(key.texts().size() == key.count, "another number of texts");
  }
  io::GgufPlan written = plan;
  std::string file = io::gguf_header(written);
  for (const auto& t : written.tensors)
    file.resize(std::max(file.size(), size_t(t.layout.offset + t.layout.nbytes)));
  const auto again = io::parse_gguf(*io::memory_source("again", file));
  require(again.keys.size() == plan.keys.size(), "other keys when written");
  for (size_t i = 0; i < plan.keys.size(); i++) {
    require(again.keys[i].name == plan.keys[i].name && again.keys[i].bytes == plan.keys[i].bytes,
            "another key when written");
  }
  for (size_t i = 0; i < plan.tensors.size(); i++) {
    require(same(again.tensors[i].layout, plan.tensors[i].layout), "another tensor when written");
  }
}

void npy(const Ref<io::Source>& source) {
  const io::NpyPlan plan = io::parse_npy(*source);
  if (io::Size(plan.layout.offset) + io::Size(plan.layout.nbytes) > io::Size(source->size())) return;
  check(*source, plan.layout);
  read(*io::plain_payload(source, plan.layout.offset, plan.layout.dtype, plan.swap), {plan.layout.nbytes});
  const auto again =
      io::parse_npy(*io::memory_source("again", io::npy_header(plan.layout.dtype, plan.layout.shape)));
  require(same(again.layout, plan.layout), "another array when written");
}

void npz(const Ref<io::Source>& source) {
  uint64_t packed = 0;
  for (const io::ZipMember& m : io::parse_zip(*source)) {
    require(io::Size(m.data) + io::Size(m.packed) <= io::Size(source->size()),
            "a member that is not in the file");
    require(m.size <= m.packed * 1032, "a member that is too large");
    packed += m.packed;
    std::vector<std::byte> out(size_t(m.size));
    io::ZipReader reader(*source, m);
    reader.read(out);
    reader.finish();
    npy(io::memory_source("member", std::string(reinterpret_cast<const char*>(out.data()), out.size())));
  }
  require(packed <= source->size(), "members that are larger than the file");
}

bool run(const Format& format, std::string bytes) {
  try {
    format.read(io::memory_source("input", std::move(bytes)));
    return true;
  } catch (const io::FileError& error) {
    require(error.code() == Code::value, "an error of the system");
    require(!error.rule().empty(), "an error without a rule");
    return false;
  }
}

}  // namespace melix::fuzz
