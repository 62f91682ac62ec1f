# Where the build's Python environment has the package scipy_openblas32, for libmelix in the build tree. An
# installed one finds
# the package beside itself, or takes the system's OpenBLAS (melix/backend/cpu/blas.cpp).
if(SKBUILD)
  return()
endif()
find_package(Python 3.10 QUIET COMPONENTS Interpreter)
if(Python_Interpreter_FOUND)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import scipy_openblas32; print(scipy_openblas32.get_lib_dir())"
    OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE melix_openblas_dir ERROR_QUIET)
  if(melix_openblas_dir)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/melix/backend/cpu/blas.cpp PROPERTIES
      COMPILE_DEFINITIONS MELIX_OPENBLAS_DIR="${melix_openblas_dir}")
  endif()
endif()
