// The loaded library is the one these headers belong to.
#include "melix/core/version.h"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("version: library and headers agree") { CHECK(std::string(melix::version()) == MELIX_VERSION); }
