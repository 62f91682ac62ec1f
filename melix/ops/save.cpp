// See save.h.
#include "melix/ops/save.h"

#include <algorithm>
#include <unordered_set>

#include "melix/io/atomic_file.h"
#include "melix/io/file_error.h"
#include "melix/io/gguf.h"
#include "melix/io/npy.h"
#include "melix/io/safetensors.h"
#include "melix/io/zip.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

using Metadata = std::vector<std::pair<std::string, GGUFMetaData>>;

// The bytes of an array in rows; `keep` holds them.
std::span<const std::byte> bytes_of(const array& a, array& keep) {
  keep = a.view().row_major() ? a : contiguous(a);
  return {static_cast<const std::byte*>(keep.view().data()), keep.nbytes()};
}

void write_npy(io::Sink& sink, const array& a) {
  array keep = array::none();
  const auto bytes = bytes_of(a, keep);
  sink.write(io::npy_header(a.dtype(), a.shape()));
  sink.write(bytes);
}

void write_npz(io::Sink& sink, const NamedArrays& arrays, bool compressed) {
  std::unordered_set<std::string_view> seen;
  for (const auto& [name, a] : arrays) {
    if (!seen.insert(name).second) fail(Code::value, "savez", "the name ", io::quoted(name), " comes twice");
    if (!io::valid_utf8(name)) fail(Code::value, "savez", "the name ", io::quoted(name), " is not UTF-8");
  }
  io::ZipWriter zip(sink);
  for (const auto& [name, a] : arrays) {
    array keep = array::none();
    const auto bytes = bytes_of(a, keep);
    const std::string header = io::npy_header(a.dtype(), a.shape());
    zip.add(name + ".npy", std::as_bytes(std::span(header)), bytes, compressed);
  }
  zip.finish();
}

void write_safetensors(io::Sink& sink, NamedArrays arrays, const Metadata& metadata) {
  // Large elements first, as the reference implementation does: then every tensor is aligned to its elements.
  std::stable_sort(arrays.begin(), arrays.end(),
                   [](const auto& a, const auto& b) { return a.second.itemsize() > b.second.itemsize(); });
  io::SafetensorsPlan plan;
  for (const auto& [name, a] : arrays) plan.tensors.push_back({name, {a.dtype(), a.shape(), 0, 0}});
  for (const auto& [key, value] : metadata) {
    const auto* text = std::get_if<std::string>(&value);
    if (!text) fail(Code::value, "save_safetensors", "the metadata ", io::quoted(key), " must be text");
    plan.metadata.emplace_back(key, *text);
  }
  sink.write(io::safetensors_header(plan));
  for (const auto& [name, a] : arrays) {
    array keep = array::none();
    sink.write(bytes_of(a, keep));
  }
}

// ---- GGUF ----

io::GgufPlan::Key gguf_key(const std::string& name, const GGUFMetaData& value) {
  using io::GgufValue;
  if (name.empty() || name.size() > io::kLongestGgufName || !io::valid_utf8(name)) {
    fail(Code::value, "save_gguf", "the key ", io::quoted(name), " must be UTF-8 of 1 to ",
         io::kLongestGgufName, " bytes");
  }
  io::GgufPlan::Key key{name, GgufValue::string, false, 1, {}};
  if (const auto* text = std::get_if<std::string>(&value)) {
    io::append_gguf_text(key.bytes, *text);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    key.array = true;
    key.count = texts->size();
    for (const std::string& t : *texts) io::append_gguf_text(key.bytes, t);
  } else if (const auto* numbers = std::get_if<array>(&value)) {
    const std::optional<GgufValue> type = io::value_type_of(numbers->dtype());
    if (!type)
      fail(Code::value, "save_gguf", "the metadata ", io::quoted(name), " cannot be of ", numbers->dtype());
    if (numbers->ndim() > 1) {
      fail(Code::value, "save_gguf", "the metadata ", io::quoted(name), " has the shape ", numbers->shape(),
           ", but may have one axis at most");
    }
    key.type = *type;
    key.array = numbers->ndim() == 1;
    key.count = uint64_t(numbers->size());
    array keep = array::none();
    const auto bytes = bytes_of(*numbers, keep);
    key.bytes.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } else {
    fail(Code::value, "save_gguf", "the metadata ", io::quoted(name), " is empty");
  }
  return key;
}

void write_gguf(io::Sink& sink, const NamedArrays& arrays, const Metadata& metadata) {
  io::GgufPlan plan;
  std::unordered_set<std::string_view> keys, names;
  for (const auto& [key, value] : metadata) {
    if (!keys.insert(key).second) fail(Code::value, "save_gguf", "the key ", io::quoted(key), " comes twice");
    plan.keys.push_back(gguf_key(key, value));
  }
  for (const auto& [name, a] : arrays) {
    const io::GgufType* type = io::gguf_type(a.dtype());
    if (!type)
      fail(Code::value, "save_gguf", "the array ", io::quoted(name), " has the dtype ", a.dtype(),
           ", which GGUF has not");
    if (a.ndim() > io::kMostGgufDims) {
      fail(Code::value, "save_gguf", "the array ", io::quoted(name), " has ", a.ndim(), " axes, at most ",
           io::kMostGgufDims, " can be");
    }
    if (name.size() > io::kLongestGgufName || !io::valid_utf8(name)) {
      fail(Code::value, "save_gguf", "the name ", io::quoted(name), " must be UTF-8 of at most ",
           io::kLongestGgufName, " bytes");
    }
    if (!names.insert(name).second)
      fail(Code::value, "save_gguf", "the name ", io::quoted(name), " comes twice");
    plan.tensors.push_back({name, type, {a.dtype(), a.shape(), 0, a.nbytes()}});
  }
  const std::string header = io::gguf_header(plan);
  sink.write(header);
  uint64_t at = header.size();
  for (size_t i = 0; i < arrays.size(); i++) {
    array keep = array::none();
    const auto bytes = bytes_of(arrays[i].second, keep);
    sink.write(std::string(size_t(plan.tensors[i].layout.offset - at), '\0'));
    sink.write(bytes);
    at = plan.tensors[i].layout.offset + bytes.size();
  }
  // ggml wants the last tensor padded too.
  const uint64_t end = io::Size(at).rounded_up(io::gguf_alignment(plan)).get();
  sink.write(std::string(size_t(end - at), '\0'));
}

template <class Value>
std::vector<std::pair<std::string, Value>> sorted(const std::unordered_map<std::string, Value>& map) {
  std::vector<std::pair<std::string, Value>> out(map.begin(), map.end());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

}  // namespace

void write_arrays(io::Sink& sink, FileFormat format, const NamedArrays& arrays, const Metadata& metadata,
                  bool compressed) {
  std::vector<array> values;
  for (const auto& [name, a] : arrays) values.push_back(a);
  for (const auto& [key, value] : metadata) {
    if (const auto* a = std::get_if<array>(&value)) values.push_back(*a);
  }
  upward.evaluate(values);
  switch (format) {
    case FileFormat::npy:
      return write_npy(sink, arrays.at(0).second);
    case FileFormat::npz:
      return write_npz(sink, arrays, compressed);
    case FileFormat::safetensors:
      return write_safetensors(sink, arrays, metadata);
    case FileFormat::gguf:
      return write_gguf(sink, arrays, metadata);
  }
}

void save_arrays(const std::string& file, FileFormat format, const NamedArrays& arrays,
                 const Metadata& metadata, bool compressed) {
  const std::string ending = concat(".", name_of(format));
  io::AtomicFile out(file.ends_with(ending) ? file : file + ending);
  write_arrays(out, format, arrays, metadata, compressed);
  out.commit();
}

void save(const std::string& file, const array& a) { save_arrays(file, FileFormat::npy, {{"", a}}); }

void save_npz(const std::string& file, const std::unordered_map<std::string, array>& arrays,
              bool compressed) {
  save_arrays(file, FileFormat::npz, sorted(arrays), {}, compressed);
}

void save_safetensors(const std::string& file, const std::unordered_map<std::string, array>& arrays,
                      const std::unordered_map<std::string, std::string>& metadata) {
  Metadata texts;
  for (auto& [key, text] : sorted(metadata)) texts.emplace_back(key, text);
  save_arrays(file, FileFormat::safetensors, sorted(arrays), texts);
}

void save_gguf(const std::string& file, const std::unordered_map<std::string, array>& arrays,
               const std::unordered_map<std::string, GGUFMetaData>& metadata) {
  save_arrays(file, FileFormat::gguf, sorted(arrays), sorted(metadata));
}

}  // namespace melix
