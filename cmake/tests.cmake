# melix_tests: every *_test.cpp, wherever it stands beside what it tests, in one doctest binary.

find_package(doctest REQUIRED)
file(GLOB_RECURSE melix_test_sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/melix/*_test.cpp ${PROJECT_SOURCE_DIR}/tests/*_test.cpp)
add_executable(melix_tests ${PROJECT_SOURCE_DIR}/tests/main.cpp ${PROJECT_SOURCE_DIR}/tests/failing_new.cpp
  ${PROJECT_SOURCE_DIR}/tests/fuzz/parsers.cpp ${melix_test_sources})
target_link_libraries(melix_tests PRIVATE melix doctest::doctest)
