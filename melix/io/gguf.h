// The GGUF format (versions 2 and 3, little-endian): its header as a checked plan, and headers from plans.
//
//   "GGUF", version, number of tensors, number of keys
//   keys      name, type, value (numbers, bool, text, arrays of these)
//   tensors   name, dimensions (fastest first), type, offset from the start of the data
//   data      begins at a multiple of the alignment, and so does every tensor
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "melix/io/layout.h"
#include "melix/io/source.h"

namespace melix::io {

enum class GgufValue : uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  string,
  array,
  uint64,
  int64,
  float64,
};
/// The type of arrays of such numbers; nothing for text and arrays.
std::optional<Dtype> dtype_of(GgufValue type);
/// The type that numbers of a dtype are written as; nothing for dtypes that metadata cannot have.
std::optional<GgufValue> value_type_of(Dtype dtype);

/// A row of gguf_types.inc.
struct GgufType {
  uint32_t number;
  std::string_view name;  // "Q4_K"
  uint32_t block, bytes;  // elements and bytes of a block
  bool blocks;            // quantized in blocks that can be kept as they are
  std::optional<Dtype> dtype;

  /// The name of the quantization mode: "q4_k".
  std::string mode() const;
};
/// Null for numbers that are no types.
const GgufType* gguf_type(uint32_t number);
/// The type of arrays of a dtype; null where there is none.
const GgufType* gguf_type(Dtype dtype);

struct GgufPlan {
  struct Key {
    std::string name;
    GgufValue type;  // of the value, or of the elements of an array
    bool array;
    uint64_t count;     // elements of an array, else 1
    std::string bytes;  // the elements as in the file, checked

    /// The texts, where the type is string.
    std::vector<std::string_view> texts() const;
  };
  struct Tensor {
    std::string name;
    const GgufType* type;
    Layout
        layout;  // shape with the fastest dimension last; of quantized types in elements, and the dtype is uint8
  };
  std::vector<Key> keys;
  std::vector<Tensor> tensors;
};

/// Reads and checks the header. Throws FileError. A tensor that cannot be loaded is an error, never left out.
GgufPlan parse_gguf(const Source& source);

inline constexpr uint64_t kLongestGgufName = 65535;  // of keys, by the format's description; of tensors too
inline constexpr uint64_t kMostGgufDims = 8;         // ggml has 4

/// Of the data: what the key general.alignment says, else 32. Throws Code::value where it says what cannot be.
uint64_t gguf_alignment(const GgufPlan& plan);

/// The bytes before the data of a version 3 file; fills in where the tensors go, each aligned (in this order).
std::string gguf_header(GgufPlan& plan);

/// Adds a text to the value of a key: its length, and its bytes.
void append_gguf_text(std::string& out, std::string_view text);

}  // namespace melix::io
