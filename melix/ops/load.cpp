// See load.h.
#include "melix/ops/load.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_set>

#include "melix/graph/unreadable.h"
#include "melix/io/gguf.h"
#include "melix/io/npy.h"
#include "melix/io/payload.h"
#include "melix/io/safetensors.h"
#include "melix/io/zip.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// ---- the operation ----

void infer_load(const Attrs* attrs, std::span<const array>, Avals& out) {
  out = attrs_as<LoadAttrs>(attrs).results();
}

std::vector<array> loads(Ref<io::Payload> payload, Avals results, StreamOrDevice s) {
  return make_all(op::load, Ref<const Attrs>(make_ref<LoadAttrs>(std::move(payload), std::move(results))), {},
                  s);
}
array load_one(Ref<io::Payload> payload, Shape shape, Dtype dtype, StreamOrDevice s) {
  Avals results;
  results.push_back({std::move(shape), dtype});
  return loads(std::move(payload), std::move(results), s)[0];
}

// ---- npy, npz ----

// Elements in the order of Fortran are an array of the reversed shape, transposed.
array ordered(Ref<io::Payload> payload, const io::NpyPlan& plan, StreamOrDevice s) {
  Shape shape = plan.layout.shape;
  if (plan.fortran) std::reverse(shape.begin(), shape.end());
  array out = load_one(std::move(payload), std::move(shape), plan.layout.dtype, s);
  return plan.fortran && out.ndim() > 1 ? transpose(out, std::nullopt, s) : out;
}

void read_npy(const Ref<io::Source>& source, LoadedFile& out, StreamOrDevice s) {
  const io::NpyPlan plan = io::parse_npy(*source);
  const io::Layout& at = plan.layout;
  // There may be more behind it: several arrays can be written to one file.
  if (io::Size(at.offset) + io::Size(at.nbytes) > io::Size(source->size())) {
    source->reject(at.offset, "elements", "take ", at.nbytes, " bytes, but ", source->size() - at.offset,
                   " are left");
  }
  out.arrays.emplace_back("", ordered(io::plain_payload(source, at.offset, at.dtype, plan.swap), plan, s));
}

void read_npz(const Ref<io::Source>& source, LoadedFile& out, StreamOrDevice s) {
  constexpr uint64_t kLongestHeader = 65536 + 12;
  for (const io::ZipMember& member : io::parse_zip(*source)) {
    std::string head(size_t(std::min(member.size, kLongestHeader)), '\0');
    io::ZipReader(*source, member).read(std::as_writable_bytes(std::span(head)));
    // The header as a file of its own: offsets in its errors count from the start of the member.
    auto inside = io::memory_source(concat(source->name(), ":", member.name), std::move(head));
    const io::NpyPlan plan = io::parse_npy(*inside);
    if (io::Size(plan.layout.offset) + io::Size(plan.layout.nbytes) != io::Size(member.size)) {
      inside->reject(plan.layout.offset, "elements", "take ", plan.layout.nbytes,
                     " bytes, but the member has ", member.size - plan.layout.offset);
    }
    auto payload = io::zip_payload(source, member, plan.layout.offset, plan.layout.dtype, plan.swap);
    std::string name =
        member.name.ends_with(".npy") ? member.name.substr(0, member.name.size() - 4) : member.name;
    out.arrays.emplace_back(std::move(name), ordered(std::move(payload), plan, s));
  }
}

// ---- safetensors ----

void read_safetensors(const Ref<io::Source>& source, LoadedFile& out, StreamOrDevice s) {
  io::SafetensorsPlan plan = io::parse_safetensors(*source);
  out.arrays.reserve(plan.tensors.size());
  for (auto& [name, at] : plan.tensors) {
    auto payload = io::plain_payload(source, at.offset, at.dtype, false);
    out.arrays.emplace_back(std::move(name), load_one(std::move(payload), at.shape, at.dtype, s));
  }
  for (auto& [key, text] : plan.metadata) out.metadata.emplace_back(std::move(key), std::move(text));
}

// ---- GGUF ----

GGUFMetaData metadata_value(const io::GgufPlan::Key& key) {
  if (key.type == io::GgufValue::string) {
    std::vector<std::string> texts;
    for (std::string_view text : key.texts()) texts.emplace_back(text);
    return key.array ? GGUFMetaData(std::move(texts)) : GGUFMetaData(std::move(texts[0]));
  }
  View view = allocate_view(key.array ? Shape{int64_t(key.count)} : Shape{}, *io::dtype_of(key.type));
  if (!key.bytes.empty()) std::memcpy(view.data(), key.bytes.data(), key.bytes.size());
  return array(std::move(view));
}

struct AffineBlocks {
  std::string_view type;
  int bits;
  bool minimum;
};
constexpr AffineBlocks kAffine[] = {{"Q4_0", 4, false}, {"Q4_1", 4, true}, {"Q8_0", 8, false}};

class GgufReader {
 public:
  GgufReader(const Ref<io::Source>& source, LoadedFile& out, StreamOrDevice s)
      : source_(source), out_(out), s_(s) {}

  void run(bool keep_blocks) {
    const io::GgufPlan plan = io::parse_gguf(*source_);
    for (const auto& key : plan.keys) out_.metadata.emplace_back(key.name, metadata_value(key));
    for (const auto& tensor : plan.tensors) {
      if (tensor.type->dtype) {
        put(tensor.name, load_one(plain(tensor), tensor.layout.shape, tensor.layout.dtype, s_));
      } else if (keep_blocks && tensor.type->blocks) {
        blocks(tensor);
      } else {
        affine(tensor);
      }
    }
  }

 private:
  using Tensor = io::GgufPlan::Tensor;

  Ref<io::Payload> plain(const Tensor& t) const {
    return io::plain_payload(source_, t.layout.offset, t.layout.dtype, false);
  }

  void put(std::string name, array value) {
    if (!names_.insert(name).second) {
      source_->reject(io::FileError::kNowhere, concat("tensor ", io::quoted(name)),
                      "has the name of the scales or biases of another");
    }
    out_.arrays.emplace_back(std::move(name), std::move(value));
  }

  void blocks(const Tensor& t) {
    Shape shape = t.layout.shape;
    shape.back() = shape.back() / t.type->block * t.type->bytes;
    put(t.name, load_one(plain(t), std::move(shape), uint8, s_));
    out_.modes.emplace_back(t.name, t.type->mode());
  }

  void affine(const Tensor& t) {
    for (const AffineBlocks& row : kAffine) {
      if (row.type != t.type->name) continue;
      Shape codes = t.layout.shape, groups = t.layout.shape;
      codes.back() = codes.back() / 32 * row.bits;
      groups.back() /= 32;
      Avals results;
      results.push_back({codes, uint32});
      results.push_back({groups, float16});
      results.push_back({groups, float16});
      auto parts =
          loads(io::affine_payload(source_, t.layout.offset, row.bits, row.minimum), std::move(results), s_);
      const std::string_view suffix = ".weight";
      const std::string stem =
          t.name.ends_with(suffix) ? t.name.substr(0, t.name.size() - suffix.size()) : t.name;
      put(t.name, parts[0]);
      put(stem + ".scales", parts[1]);
      put(stem + ".biases", parts[2]);
      return;
    }
    source_->reject(t.layout.offset, concat("tensor ", io::quoted(t.name)), "has the type ", t.type->name,
                    t.type->blocks
                        ? ", which only gguf_blocks=True loads, as blocks of the mode " + t.type->mode()
                        : std::string(", which is not supported"));
  }

  const Ref<io::Source>& source_;
  LoadedFile& out_;
  StreamOrDevice s_;
  std::unordered_set<std::string> names_;
};

constexpr std::string_view kFormats[] = {"npy", "npz", "safetensors", "gguf"};

std::unordered_map<std::string, array> by_name(LoadedFile& file) {
  return {std::make_move_iterator(file.arrays.begin()), std::make_move_iterator(file.arrays.end())};
}

}  // namespace

namespace op {
const Op load{.name = "load", .infer = infer_load, .read_attrs = unreadable_attrs, .least_inputs = 0};
}

LoadAttrs::LoadAttrs(Ref<io::Payload> payload, Avals results)
    : payload_(std::move(payload)), results_(std::move(results)) {
  static std::atomic<int64_t> count{0};
  number_ = count.fetch_add(1, std::memory_order_relaxed);
}
LoadAttrs::~LoadAttrs() = default;

AttrList LoadAttrs::list() const { return {{"file", payload_->source().name()}, {"number", number_}}; }

void LoadAttrs::read(std::span<View> outputs) const {
  SmallVector<std::span<std::byte>, 3> bytes;
  for (View& view : outputs) bytes.push_back({static_cast<std::byte*>(view.data()), view.nbytes()});
  payload_->read(bytes);
}

std::optional<FileFormat> file_format(std::string_view name) {
  for (size_t i = 0; i < std::size(kFormats); i++) {
    if (kFormats[i] == name) return FileFormat(i);
  }
  return std::nullopt;
}
std::string_view name_of(FileFormat format) { return kFormats[size_t(format)]; }

LoadedFile load_arrays(Ref<io::Source> source, FileFormat format, bool gguf_blocks, StreamOrDevice s) {
  LoadedFile out;
  switch (format) {
    case FileFormat::npy:
      read_npy(source, out, s);
      break;
    case FileFormat::npz:
      read_npz(source, out, s);
      break;
    case FileFormat::safetensors:
      read_safetensors(source, out, s);
      break;
    case FileFormat::gguf:
      GgufReader(source, out, s).run(gguf_blocks);
      break;
  }
  return out;
}

array load(const std::string& file, StreamOrDevice s) {
  return load_arrays(io::open_file(file), FileFormat::npy, false, s).arrays[0].second;
}

std::unordered_map<std::string, array> load_npz(const std::string& file, StreamOrDevice s) {
  LoadedFile loaded = load_arrays(io::open_file(file), FileFormat::npz, false, s);
  return by_name(loaded);
}

SafetensorsLoad load_safetensors(const std::string& file, StreamOrDevice s) {
  LoadedFile loaded = load_arrays(io::open_file(file), FileFormat::safetensors, false, s);
  SafetensorsLoad out{by_name(loaded), {}};
  for (auto& [key, value] : loaded.metadata) out.second.emplace(key, std::get<std::string>(value));
  return out;
}

GGUFLoad load_gguf(const std::string& file, StreamOrDevice s) {
  LoadedFile loaded = load_arrays(io::open_file(file), FileFormat::gguf, false, s);
  GGUFLoad out{by_name(loaded), {}};
  for (auto& [key, value] : loaded.metadata) out.second.emplace(std::move(key), std::move(value));
  return out;
}

}  // namespace melix
