# libmelix: every source under melix/ once, and the kernels in melix/backend/cpu/simd/ once per instruction set.

file(GLOB_RECURSE melix_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/melix/*.cpp)
set(melix_simd_sources ${melix_sources})
list(FILTER melix_simd_sources INCLUDE REGEX "/melix/backend/cpu/simd/[^/]*\\.cpp$")
list(FILTER melix_simd_sources EXCLUDE REGEX "_test\\.cpp$")
list(FILTER melix_sources EXCLUDE REGEX "_test\\.cpp$|/melix/backend/cpu/simd/")

# Best first: the dispatcher takes the first one the processor has.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(melix_isas avx512 avx2 sse4)
else()
  set(melix_isas baseline)
endif()
if(MELIX_ONE_ISA)
  list(GET melix_isas -1 melix_isas)
endif()
set(melix_flags_sse4 -march=x86-64-v2)
set(melix_flags_avx2 -march=x86-64-v3)
set(melix_flags_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
set(melix_flags_baseline)

# The list for C++: #define MELIX_ISA_ROW(name) ... and include melix/backend/cpu/isas.inc.
set(melix_generated ${PROJECT_BINARY_DIR}/generated)
list(TRANSFORM melix_isas REPLACE "(.+)" "MELIX_ISA_ROW(\\1)\n" OUTPUT_VARIABLE melix_isa_rows)
string(JOIN "" melix_isa_rows ${melix_isa_rows})
file(CONFIGURE OUTPUT ${melix_generated}/melix/backend/cpu/isas.inc CONTENT
"// Instruction sets the CPU kernels were compiled for, best first. Written by cmake/library.cmake.
${melix_isa_rows}")

# Staged inside the Python package, so that `PYTHONPATH=<build>/python` is all a program needs.
add_library(melix SHARED ${melix_sources})
add_library(melix::melix ALIAS melix)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)  # members of .npz files
set(melix_stage ${PROJECT_BINARY_DIR}/python/melix)
set_target_properties(melix PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${melix_stage}/lib)
if(NOT SKBUILD)  # a wheel holds no links: there the library is one file without a version in its name
  set_target_properties(melix PROPERTIES SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endif()
target_compile_features(melix PUBLIC cxx_std_20)
target_include_directories(melix PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
  $<BUILD_INTERFACE:${melix_generated}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(melix PUBLIC Threads::Threads PRIVATE ${CMAKE_DL_LIBS} ZLIB::ZLIB)
target_link_options(melix PRIVATE -Wl,-z,nodelete)  # its threads live until the process ends: dlclose must not unmap it

# Kernels see nothing of the library but headers. -fno-trapping-math lets the vectoriser turn a choice into a blend,
# -fno-math-errno lets sqrt be one instruction; neither changes the bits of a result.
if(melix_simd_sources)
  foreach(isa IN LISTS melix_isas)
    add_library(melix_simd_${isa} OBJECT ${melix_simd_sources})
    target_compile_definitions(melix_simd_${isa} PRIVATE MELIX_ISA=${isa})
    target_compile_options(melix_simd_${isa} PRIVATE ${melix_flags_${isa}} -fno-math-errno -fno-trapping-math
      $<$<CONFIG:Release>:-O3>)
    target_include_directories(melix_simd_${isa} PRIVATE ${PROJECT_SOURCE_DIR} ${melix_generated})
    target_sources(melix PRIVATE $<TARGET_OBJECTS:melix_simd_${isa}>)
  endforeach()
endif()
