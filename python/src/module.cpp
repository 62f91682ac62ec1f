// The extension module melix.core: opens the module and calls the function of each file that adds to it.
#include <nanobind/nanobind.h>

#include "melix/core/version.h"

NB_MODULE(core, m) { m.attr("__version__") = melix::version(); }
