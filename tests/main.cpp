// The main function of melix_tests; the cases stand beside what they test, in files named *_test.cpp.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
