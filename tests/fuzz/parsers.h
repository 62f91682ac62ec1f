// What fuzzing does with the bytes of a file: reads it as a format does, and checks what the parsers promise of a file
// that they take. Throws Broken where a promise does not hold; an io::FileError is the expected end of most files.
#pragma once

#include <span>
#include <string>

#include "melix/io/source.h"

namespace melix::fuzz {

struct Broken {
  std::string what;
};

void safetensors(const Ref<io::Source>& source);
void gguf(const Ref<io::Source>& source);
void npy(const Ref<io::Source>& source);
void npz(const Ref<io::Source>& source);

struct Format {
  const char* name;
  void (*read)(const Ref<io::Source>& source);
};
inline constexpr Format kFormats[] = {
    {"safetensors", safetensors}, {"gguf", gguf}, {"npy", npy}, {"npz", npz}};

/// One input: reads it, and swallows what a bad file is to give. True: the file was taken.
bool run(const Format& format, std::string bytes);

}  // namespace melix::fuzz
