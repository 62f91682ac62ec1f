# The extension melix.core (nanobind) and the staged package <build>/python/melix, which holds it, libmelix in lib/,
# and links to the Python files of the source tree: `PYTHONPATH=<build>/python python -c "import melix.core"`.

find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
  OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT COMMAND_ERROR_IS_FATAL ANY)
find_package(nanobind CONFIG REQUIRED)

file(GLOB melix_binding_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python/src/*.cpp)

# Bindings of the operations are made from their declarations by tools/bindgen.py, which names its outputs itself.
set(tools ${PROJECT_SOURCE_DIR}/tools)
set(bindgen ${tools}/bindgen.py ${tools}/bindgen_parse.py ${tools}/bindgen_emit.py)
set(run_bindgen ${Python_EXECUTABLE} ${tools}/bindgen.py --root ${PROJECT_SOURCE_DIR})
set(ops ${PROJECT_SOURCE_DIR}/melix/ops)
file(GLOB bindgen_inputs CONFIGURE_DEPENDS ${ops}/*.h ${PROJECT_SOURCE_DIR}/melix/nn/*.h
  ${PROJECT_SOURCE_DIR}/melix/optim/*.h ${ops}/*.inc ${PROJECT_SOURCE_DIR}/python/stubs/*.pyi)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${bindgen})
execute_process(COMMAND ${run_bindgen} --list OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE bindgen_outputs
  ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" bindgen_outputs "${bindgen_outputs}")
list(TRANSFORM bindgen_outputs PREPEND ${melix_generated}/python/)
add_custom_command(OUTPUT ${bindgen_outputs} DEPENDS ${bindgen} ${bindgen_inputs} VERBATIM
  COMMAND ${run_bindgen} --out-dir ${melix_generated}/python)
set(melix_generated_bindings ${bindgen_outputs})
list(FILTER melix_generated_bindings INCLUDE REGEX "\\.(cpp|h|inc)$")
# The stubs of melix.core, made by the same command: a folder beside the extension, which has no __init__.py, so that
# Python imports the extension and type checkers read the folder.
set(melix_stubs ${melix_generated}/python/core)

nanobind_add_module(melix_python NB_STATIC NOMINSIZE ${melix_binding_sources} ${melix_generated_bindings})
target_link_libraries(melix_python PRIVATE melix)
target_include_directories(melix_python PRIVATE ${PROJECT_BINARY_DIR})
set_target_properties(melix_python PROPERTIES OUTPUT_NAME core LIBRARY_OUTPUT_DIRECTORY ${melix_stage}
  BUILD_RPATH "$ORIGIN/lib" INSTALL_RPATH "$ORIGIN/lib" BUILD_WITH_INSTALL_RPATH ON)

# One link for each entry of python/melix; a link to a file that is gone would hide its removal, so all are made anew.
file(GLOB melix_python_entries CONFIGURE_DEPENDS LIST_DIRECTORIES true ${PROJECT_SOURCE_DIR}/python/melix/*)
list(FILTER melix_python_entries EXCLUDE REGEX "/__pycache__$")
file(MAKE_DIRECTORY ${melix_stage})
file(GLOB melix_stage_entries LIST_DIRECTORIES true ${melix_stage}/*)
foreach(entry IN LISTS melix_stage_entries)
  if(IS_SYMLINK ${entry})
    file(REMOVE ${entry})
  endif()
endforeach()
foreach(entry IN LISTS melix_python_entries melix_stubs)
  cmake_path(GET entry FILENAME name)
  file(CREATE_LINK ${entry} ${melix_stage}/${name} SYMBOLIC)
endforeach()
