# The fuzzing targets: melix_fuzz_<format> of the parsers, core and nothing else, with libFuzzer and sanitizers (clang).

find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
file(GLOB melix_fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/melix/io/*.cpp)
list(FILTER melix_fuzz_sources EXCLUDE REGEX "_test\\.cpp$")
foreach(name dtype error half host_limits shape text threads)
  list(APPEND melix_fuzz_sources ${PROJECT_SOURCE_DIR}/melix/core/${name}.cpp)
endforeach()
set(fuzz ${PROJECT_SOURCE_DIR}/tests/fuzz)
# -fno-sanitize=vptr: its checks need run-time types of the whole program, and find nothing here. -w: warnings are
# those of the compiler that everything is built with.
add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -w
  -fno-sanitize-recover=all)
add_link_options(-fsanitize=address,undefined)
add_library(melix_fuzz OBJECT ${melix_fuzz_sources} ${fuzz}/parsers.cpp)
target_include_directories(melix_fuzz PUBLIC ${PROJECT_SOURCE_DIR})
set(number 0)
foreach(format safetensors gguf npy npz)  # the order of kFormats in tests/fuzz/parsers.h
  add_executable(melix_fuzz_${format} ${fuzz}/target.cpp)
  target_compile_definitions(melix_fuzz_${format} PRIVATE MELIX_FUZZ_FORMAT=${number})
  target_link_libraries(melix_fuzz_${format} PRIVATE melix_fuzz Threads::Threads ZLIB::ZLIB)
  target_link_options(melix_fuzz_${format} PRIVATE -fsanitize=fuzzer)
  math(EXPR number "${number} + 1")
endforeach()
