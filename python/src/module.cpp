// The extension module melix.core: opens the module and calls the function of each file that adds to it.
#include <limits>

#include "melix/core/threads.h"
#include "melix/core/version.h"
#include "melix/transforms/compile/plan.h"
#include "python/src/array_methods.h"
#include "python/src/array_object.h"
#include "python/src/creation.h"
#include "python/src/devices.h"
#include "python/src/dtypes.h"
#include "python/src/einsum.h"
#include "python/src/evaluation.h"
#include "python/src/files.h"
#include "python/src/generated.h"
#include "python/src/indexing.h"
#include "python/src/kernels.h"
#include "python/src/printing.h"
#include "python/src/random.h"
#include "python/src/scalars.h"
#include "python/src/transformed.h"

namespace melix::python {
namespace {

// Counters for tests and profiling.
void bind_debug(nb::module_& m) {
  nb::module_ debug = m.def_submodule("debug", "Counters for tests and profiling.");
  debug.def(
      "traffic",
      [] {
        const Traffic now = traffic();
        nb::dict out;
        out["read"] = now.read;
        out["written"] = now.written;
        out["kernels"] = now.kernels;
        return out;
      },
      "Bytes that kernels read and wrote, and kernels run, since the start of the process.");
  debug.def("num_threads", &num_threads, "Threads that parallel work uses, the caller among them.");
  debug.def("set_num_threads", &set_num_threads, nb::arg("n"),
            "Changes that number from now on; 0 gives the default back. No result depends on it.");
  debug.def(
      "instruction_set", [] { return backend_of(Device()).description(); },
      "The instruction set of the CPU's kernels, as MELIX_CPU names it.");
  bind_file_faults(debug);
}

void bind_constants(nb::module_& m) {
  m.attr("__version__") = version();
  m.attr("pi") = 3.141592653589793;
  m.attr("e") = 2.718281828459045;
  m.attr("euler_gamma") = 0.5772156649015329;
  m.attr("inf") = std::numeric_limits<double>::infinity();
  m.attr("nan") = std::numeric_limits<double>::quiet_NaN();
  m.attr("newaxis") = nb::none();
}

}  // namespace
}  // namespace melix::python

NB_MODULE(core, m) {
  using namespace melix::python;
  m.doc() = "Lazy arrays of numbers, operations on them, and transforms of functions of them.";
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const melix::Error&) {
      set_python_error();
    }
  });
  bind_constants(m);
  bind_dtypes(m);
  bind_array(m);
  bind_array_iterator(m);
  bind_devices(m);
  bind_memory(m);
  bind_backends(m);
  bind_distributed(m);
  bind_evaluation(m);
  bind_printing(m);
  bind_debug(m);
  bind_making(m);
  bind_einsum(m);
  bind_files(m);
  bind_operations(m);
  bind_kernels(m);
  bind_random_state(m);
  bind_indexing(m);
  bind_transforms(m);
  bind_compile(m);
  bind_export(m);
  // Constants hold arrays: they must be gone before the library's own memory is.
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { clear_constants(); }));
}
