// The safetensors format: its header as a checked plan, and headers from plans. Strict: what the format's description
// forbids is refused, duplicate names too, which its reference implementation takes.
//
//   8 bytes      N, the length of the header
//   N bytes      JSON: {"__metadata__": {"key": "text"},
//                       "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//   the rest     the tensors' bytes one after the other, without gaps; data_offsets count from here
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "melix/io/layout.h"
#include "melix/io/source.h"

namespace melix::io {

/// Longest header that is read, as in the reference implementation.
inline constexpr uint64_t kLongestSafetensorsHeader = 100'000'000;

struct SafetensorsPlan {
  struct Tensor {
    std::string name;
    Layout layout;  // the three 8-bit floating types are uint8
  };
  std::vector<Tensor> tensors;  // as in the header
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Reads and checks the header. Throws FileError.
SafetensorsPlan parse_safetensors(const Source& source);

/// The first 8 + N bytes of a file of these tensors, padded so that the data starts at a multiple of 8; their offsets
/// and lengths are filled in, in this order. Throws Code::value for a name that is not UTF-8 or comes twice.
std::string safetensors_header(SafetensorsPlan& plan);

}  // namespace melix::io
