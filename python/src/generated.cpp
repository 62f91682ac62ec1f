// See generated.h.
#include "python/src/generated.h"

#include <string_view>

namespace melix::python {

#define MELIX_BINDING(stem) void bind_ops_##stem(nb::module_& core);
#include "generated/python/bindings.inc"
#undef MELIX_BINDING

namespace {

const char* doc_of(std::string_view module) {
  if (module == "random") return "Random numbers, made from keys.";
  if (module == "linalg") return "Linear algebra.";
  if (module == "fft") return "Fourier transforms.";
  if (module == "fast") return "Operations of neural networks in one kernel each.";
  if (module == "_optim") return "Rules of the optimizers.";
  if (module == "_nn") return "Functions of melix.nn.";
  return nullptr;
}

}  // namespace

nb::module_ submodule(nb::module_& core, const char* name) {
  if (!*name) return core;
  if (nb::hasattr(core, name)) return nb::cast<nb::module_>(core.attr(name));
  return core.def_submodule(name, doc_of(name));
}

void add_functions(nb::module_& core, const char* module, PyMethodDef* rows) {
  nb::module_ to = submodule(core, module);
  if (PyModule_AddFunctions(to.ptr(), rows) != 0) throw_python_error();
}

void add_alias(nb::module_& core, const char* module, const char* name, const char* alias) {
  nb::module_ to = submodule(core, module);
  to.attr(alias) = to.attr(name);
}

void bind_operations(nb::module_& core) {
#define MELIX_BINDING(stem) bind_ops_##stem(core);
#include "generated/python/bindings.inc"
#undef MELIX_BINDING
}

}  // namespace melix::python
