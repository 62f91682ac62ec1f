// See generated.h.
#include "python/src/generated.h"

namespace melix::python {

#define MELIX_BINDING(stem) void bind_ops_##stem(nb::module_& core);
#include "generated/python/bindings.inc"
#undef MELIX_BINDING

nb::module_ submodule(nb::module_& core, const char* name) {
  if (!*name) return core;
  if (nb::hasattr(core, name)) return nb::cast<nb::module_>(core.attr(name));
  return core.def_submodule(name);
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
