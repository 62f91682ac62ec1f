// Arrays to files: .npy, .npz, .safetensors and GGUF. A file appears under its path when it is whole
// (io/atomic_file.h): a save that fails, for want of space or because the process was killed, leaves the old file.
// Saving over a file that arrays are still to be read from is fine: they keep the old one open.
#pragma once

#include "melix/ops/load.h"

namespace melix {

namespace io {
class Sink;
}

using NamedArrays = std::vector<std::pair<std::string, array>>;

/// Evaluates the arrays and writes a file of them: all that the functions below do but for opening it. An .npy file
/// takes one array, without a name; metadata is for safetensors (text) and GGUF. Throws Code::value for what the format
/// cannot hold, before anything is written, and io::FileError.
void write_arrays(io::Sink& sink, FileFormat format, const NamedArrays& arrays,
                  const std::vector<std::pair<std::string, GGUFMetaData>>& metadata = {},
                  bool compressed = false);

/// The same to a path.
void save_arrays(const std::string& file, FileFormat format, const NamedArrays& arrays,
                 const std::vector<std::pair<std::string, GGUFMetaData>>& metadata = {},
                 bool compressed = false);

/// Writes an array to an .npy file. The functions here add the ending of their format to a path without it.
void save(const std::string& file, const array& a);

/// Writes arrays to an .npz file.
void save_npz(const std::string& file, const std::unordered_map<std::string, array>& arrays,
              bool compressed = false);

/// Writes arrays and text to a .safetensors file.
void save_safetensors(const std::string& file, const std::unordered_map<std::string, array>& arrays,
                      const std::unordered_map<std::string, std::string>& metadata = {});

/// Writes arrays (float32, float16, bfloat16, float64, int8 to int64) and metadata to a GGUF file. Metadata may be
/// arrays of at most one axis, text, and lists of text.
void save_gguf(const std::string& file, const std::unordered_map<std::string, array>& arrays,
               const std::unordered_map<std::string, GGUFMetaData>& metadata = {});

}  // namespace melix
