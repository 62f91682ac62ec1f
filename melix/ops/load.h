// Arrays from files: .npy, .npz, .safetensors and GGUF. A file's header is read and checked at once; its arrays are
// nodes of the graph that read their bytes when they are evaluated, and keep the file open until then. The formats
// themselves are in melix/io.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "melix/core/ref.h"
#include "melix/graph/op.h"

namespace melix {

namespace io {
class Payload;
class Source;
}  // namespace io

namespace op {
extern const Op load;
}

/// Where the values of a load come from: the one operation whose attributes are no numbers. It is never exported: its
/// values are.
class LoadAttrs final : public Attrs {
 public:
  LoadAttrs(Ref<io::Payload> payload, Avals results);
  ~LoadAttrs() override;
  /// The file's name and a number of this load, which makes it unequal to all others: files change.
  AttrList list() const override;
  const Avals& results() const { return results_; }
  /// Fills row-major windows of these shapes. Throws io::FileError.
  void read(std::span<View> outputs) const;

 private:
  Ref<io::Payload> payload_;
  Avals results_;
  int64_t number_;
};

enum class FileFormat : uint8_t { npy, npz, safetensors, gguf };
/// "npy", "npz", "safetensors", "gguf".
std::optional<FileFormat> file_format(std::string_view name);
std::string_view name_of(FileFormat format);

/// A value of a file's metadata: that of safetensors is text.
using GGUFMetaData = std::variant<std::monostate, array, std::string, std::vector<std::string>>;

/// What is in a file, in its order. An .npy file has one array, without a name.
struct LoadedFile {
  std::vector<std::pair<std::string, array>> arrays;
  std::vector<std::pair<std::string, GGUFMetaData>> metadata;
  std::vector<std::pair<std::string, std::string>> modes;  // of arrays that are blocks of GGUF, byte for byte
};

/// Reads the header of a file that is open. `gguf_blocks` keeps all quantized tensors of GGUF as they are in the file,
/// as uint8 of shape (..., bytes of a row), and names their modes; otherwise Q4_0, Q4_1 and Q8_0 become a weight with
/// scales and biases, and other blocks are an error.
/// @python hidden
LoadedFile load_arrays(Ref<io::Source> source, FileFormat format, bool gguf_blocks = false,
                       StreamOrDevice s = {});

/// The array of an .npy file. Its elements are read when they are needed.
/// @python manual
array load(const std::string& file, StreamOrDevice s = {});

/// The arrays of an .npz file. Throws io::FileError, as all of these do.
/// @python hidden
std::unordered_map<std::string, array> load_npz(const std::string& file, StreamOrDevice s = {});

using SafetensorsLoad =
    std::pair<std::unordered_map<std::string, array>, std::unordered_map<std::string, std::string>>;
/// The arrays and the metadata of a .safetensors file. 8-bit floating types are uint8.
/// @python hidden
SafetensorsLoad load_safetensors(const std::string& file, StreamOrDevice s = {});

using GGUFLoad =
    std::pair<std::unordered_map<std::string, array>, std::unordered_map<std::string, GGUFMetaData>>;
/// The arrays and the metadata of a GGUF file; Q4_0, Q4_1 and Q8_0 tensors as weight, scales and biases.
/// @python hidden
GGUFLoad load_gguf(const std::string& file, StreamOrDevice s = {});

}  // namespace melix
