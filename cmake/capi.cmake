# libmelix_c: the C interface. Its own sources are in capi/; those of the operations are made by tools/bindgen_c.py,
# which names its outputs itself. A wheel has no C interface.
if(SKBUILD OR NOT MELIX_C)
  return()
endif()
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)

set(capi ${PROJECT_SOURCE_DIR}/capi)
set(bindgen_c_tools ${PROJECT_SOURCE_DIR}/tools/bindgen_c.py ${PROJECT_SOURCE_DIR}/tools/bindgen.py
  ${PROJECT_SOURCE_DIR}/tools/bindgen_parse.py ${PROJECT_SOURCE_DIR}/tools/bindgen_emit.py)
file(GLOB bindgen_c_inputs CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/melix/ops/*.h ${PROJECT_SOURCE_DIR}/melix/nn/*.h 
  ${PROJECT_SOURCE_DIR}/melix/optim/*.h ${PROJECT_SOURCE_DIR}/melix/ops/*.inc)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${bindgen_c_tools})
set(run_bindgen_c ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/bindgen_c.py --root ${PROJECT_SOURCE_DIR})
execute_process(COMMAND ${run_bindgen_c} --list OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE melix_c_generated
  ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" melix_c_generated "${melix_c_generated}")
list(TRANSFORM melix_c_generated PREPEND ${melix_generated}/capi/)
add_custom_command(OUTPUT ${melix_c_generated} DEPENDS ${bindgen_c_tools} ${bindgen_c_inputs} VERBATIM
  COMMAND ${run_bindgen_c} --out-dir ${melix_generated}/capi)

file(GLOB melix_c_sources CONFIGURE_DEPENDS ${capi}/*.cpp)
add_library(melix_c SHARED ${melix_c_sources} ${melix_c_generated})
add_library(melix::melix_c ALIAS melix_c)
# Beside libmelix, and only what the header declares is seen.
set_target_properties(melix_c PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${melix_stage}/lib
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} CXX_VISIBILITY_PRESET hidden
  INSTALL_RPATH "$ORIGIN" BUILD_RPATH "$ORIGIN")
target_link_libraries(melix_c PRIVATE melix)
target_include_directories(melix_c PUBLIC $<BUILD_INTERFACE:${capi}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS melix_c EXPORT melix LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${capi}/melix_c.h ${capi}/melix_c_ops.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
