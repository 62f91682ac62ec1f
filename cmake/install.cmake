# Two layouts: a wheel (scikit-build-core sets SKBUILD) holds the package as it is staged; anything else gets the
# library, its headers, and a package for find_package(melix), which gives the target melix::melix.

if(SKBUILD)
  install(TARGETS melix LIBRARY DESTINATION melix/lib)
  install(TARGETS melix_python LIBRARY DESTINATION melix)
  install(DIRECTORY ${melix_stubs} DESTINATION melix)
  return()
endif()

include(CMakePackageConfigHelpers)
set(melix_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/melix)
install(TARGETS melix EXPORT melix LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/melix ${melix_generated}/melix DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
install(EXPORT melix NAMESPACE melix:: FILE melix-targets.cmake DESTINATION ${melix_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/melix-config-version.cmake COMPATIBILITY SameMinorVersion)
file(WRITE ${PROJECT_BINARY_DIR}/melix-config.cmake
"include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(\${CMAKE_CURRENT_LIST_DIR}/melix-targets.cmake)
")
install(FILES ${PROJECT_BINARY_DIR}/melix-config.cmake ${PROJECT_BINARY_DIR}/melix-config-version.cmake
  DESTINATION ${melix_package_dir})
