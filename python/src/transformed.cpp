// See transformed.h. The original function is an attribute of the object, so that the garbage collector sees it.
#include "python/src/transformed.h"

namespace melix::python {
namespace {

struct TransformedFunction {
  TransformedCall call;
};

}  // namespace

void remember(nb::handle self, nb::handle fun) {
  self.attr("__wrapped__") = fun;
  for (const char* name : {"__name__", "__doc__"}) {
    if (nb::hasattr(fun, name)) self.attr(name) = fun.attr(name);
  }
}

nb::object transformed(nb::handle fun, TransformedCall call) {
  if (!PyCallable_Check(fun.ptr()))
    raise(PyExc_TypeError, "a function is needed, got ", Py_TYPE(fun.ptr())->tp_name);
  nb::object self = nb::cast(TransformedFunction{std::move(call)});
  remember(self, fun);
  return self;
}

void bind_transformed(nb::module_& m) {
  nb::class_<TransformedFunction>(m, "TransformedFunction", nb::dynamic_attr(),
                                  "What a function transform returns: call it.")
      .def("__call__",
           [](nb::handle self, const nb::args& args, const nb::kwargs& kwargs) {
             return nb::cast<TransformedFunction&>(self).call(self.attr("__wrapped__"), args, kwargs);
           })
      .def("__get__", [](nb::object self, nb::object instance, nb::object) -> nb::object {
        if (instance.is_none()) return self;
        return nb::module_::import_("types").attr("MethodType")(self, instance);
      });
}

}  // namespace melix::python
