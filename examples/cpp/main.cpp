// The smallest program on an installed melix: prints the version of the library it runs with.
#include "melix/core/version.h"

#include <cstdio>

int main() { std::printf("melix %s\n", melix::version()); }
