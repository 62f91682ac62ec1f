// The version of the library. This header is the one place it is written: CMake and pyproject.toml read it from here.
// It is not the version of the export format, which counts by itself.
#pragma once

#define MELIX_VERSION "0.1.0"

namespace melix {

// The version of the library that was loaded, which may differ from MELIX_VERSION, that of the headers a program was
// compiled with. The text lives as long as the process.
const char* version();

}  // namespace melix
