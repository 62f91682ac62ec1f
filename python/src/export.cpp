// Exported functions in Python: export_function, import_function, exporter, export_to_dot. Arguments are arrays, by
// position and by name, or one tuple and one dict of them.
#include "melix/transforms/export/export.h"

#include <nanobind/stl/string.h>

#include <sstream>

#include "melix/graph/attrs.h"
#include "python/src/foreign.h"
#include "python/src/to_python.h"
#include "python/src/transformed.h"
#include "python/src/trees.h"

namespace melix::python {
namespace {

struct Arguments {
  std::vector<array> args;
  KeywordArrays kwargs;
};

void add_positional(const char* op, nb::handle values, Arguments& out) {
  for (nb::handle value : values) {
    if (!is_array(value.ptr())) {
      fail(Code::value, op, "takes arrays by position and by name, or one tuple and one dict of arrays, not ",
           Py_TYPE(value.ptr())->tp_name);
    }
    out.args.push_back(array_of(value.ptr()));
  }
}

void add_named(const char* op, nb::handle values, Arguments& out) {
  for (auto [key, value] : nb::borrow<nb::dict>(values)) {
    if (!PyUnicode_Check(key.ptr()) || !is_array(value.ptr())) {
      fail(Code::value, op, "takes arrays by position and by name, or one tuple and one dict of arrays, not ",
           Py_TYPE(value.ptr())->tp_name, " by name");
    }
    out.kwargs.emplace(nb::cast<std::string>(key), array_of(value.ptr()));
  }
}

bool is_sequence(nb::handle h) { return PyTuple_Check(h.ptr()) || PyList_Check(h.ptr()); }

// f(a, b, c=c), or f((a, b), {"c": c}), of which one may be missing.
Arguments arguments_of(const char* op, const nb::args& args, const nb::kwargs& kwargs) {
  Arguments out;
  const size_t n = args.size();
  const bool grouped = kwargs.size() == 0 && (n == 1 || n == 2) && !is_array(args[0].ptr()) &&
                       (n == 1 || PyDict_Check(args[1].ptr()));
  if (grouped && is_sequence(args[0])) {
    add_positional(op, args[0], out);
    if (n == 2) add_named(op, args[1], out);
  } else if (grouped && n == 1 && PyDict_Check(args[0].ptr())) {
    add_named(op, args[0], out);
  } else {
    add_positional(op, args, out);
    add_named(op, kwargs, out);
  }
  return out;
}

std::vector<array> results_of(nb::handle value) {
  std::vector<array> out;
  if (is_array(value.ptr())) return {array_of(value.ptr())};
  bool fits = is_sequence(value);
  if (fits) {
    for (nb::handle one : value) {
      if ((fits &= is_array(one.ptr()))) out.push_back(array_of(one.ptr()));
    }
  }
  if (!fits) {
    fail(Code::value, "export_function",
         "the function must return an array, or a tuple or list of arrays, not ",
         Py_TYPE(value.ptr())->tp_name);
  }
  return out;
}

// The function as C++ calls it. An error that is no Exception (KeyboardInterrupt) is kept: a shapeless export, which
// tries shapes that a function may refuse, would take it for a refusal.
class Interrupt {
 public:
  KeywordFunction guard(nb::handle fun) const {
    if (!PyCallable_Check(fun.ptr()))
      raise(PyExc_TypeError, "[export_function] a function is needed, got ", Py_TYPE(fun.ptr())->tp_name);
    return [fun = keep(fun), kept = kept_](const std::vector<array>& args, const KeywordArrays& kwargs) {
      nb::list positional;
      nb::dict named;
      for (const array& a : args) positional.append(to_object(a));
      for (const auto& [name, a] : kwargs) named[name.c_str()] = to_object(a);
      try {
        return results_of(nb::handle(fun.get())(*positional, **named));
      } catch (nb::python_error& error) {
        if (!error.matches(PyExc_Exception)) *kept = std::current_exception();
        throw;
      }
    };
  }
  void rethrow() const {
    if (*kept_) std::rethrow_exception(std::exchange(*kept_, nullptr));
  }

 private:
  std::shared_ptr<std::exception_ptr> kept_ = std::make_shared<std::exception_ptr>();
};

std::string path_of(nb::handle file) {
  nb::object path = nb::steal(checked(PyOS_FSPath(file.ptr())));
  if (PyBytes_Check(path.ptr())) return std::string(PyBytes_AsString(path.ptr()));
  return nb::cast<std::string>(path);
}

class PythonExporter {
 public:
  PythonExporter(nb::handle file, nb::handle fun, bool shapeless, nb::handle metadata)
      : exporter_(path_of(file), interrupt_.guard(fun), shapeless,
                  metadata.is_none() ? std::string() : nb::cast<std::string>(metadata)) {}

  void call(const nb::args& args, const nb::kwargs& kwargs) {
    const Arguments given = arguments_of("export_function", args, kwargs);
    exporter_(given.args, given.kwargs);
    interrupt_.rethrow();
  }
  void close() {
    Unlocked unlocked;
    exporter_.close();
  }
  void discard() { exporter_.discard(); }

 private:
  Interrupt interrupt_;
  FunctionExporter exporter_;
};

// ---- to a callback ----

nb::object attribute(const AttrValue& value) {
  return std::visit(
      [](const auto& v) -> nb::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (requires { v.begin(); } && !std::is_same_v<T, std::string>) {
          nb::list out;
          for (auto element : v) out.append(nb::cast(element));
          return out;
        } else {
          return nb::cast(v);
        }
      },
      value);
}

nb::list described(const std::vector<ExportedArray>& arrays) {
  nb::list out;
  for (const ExportedArray& a : arrays) {
    nb::list shape;
    for (int64_t d : a.shape) shape.append(d);
    out.append(nb::make_tuple(a.name, nb::tuple(shape), a.dtype));
  }
  return out;
}

template <class Pairs>
nb::list pairs(const Pairs& from) {
  nb::list out;
  for (const auto& [name, value] : from) out.append(nb::make_tuple(name, value));
  return out;
}

// Tells a callback the graph, a dict for each of its parts.
void tell(nb::handle callback, const ExportedGraph& graph) {
  auto part = [&](const char* type, nb::dict dict) {
    dict["type"] = type;
    callback(dict);
  };
  auto one = [](const char* key, nb::object value) {
    nb::dict out;
    out[key] = value;
    return out;
  };
  part("inputs", one("inputs", described(graph.inputs)));
  part("keyword_inputs", one("keywords", pairs(graph.keywords)));
  part("outputs", one("outputs", described(graph.outputs)));
  part("constants", one("constants", pairs(graph.constants)));
  for (const ExportedCall& call : graph.calls) {
    nb::list values;
    nb::dict out, attributes;
    for (const auto& [name, value] : call.attributes) {
      values.append(attribute(value));
      attributes[name.c_str()] = attribute(value);
    }
    out["name"] = call.name;
    out["arguments"] = values;
    out["attributes"] = attributes;
    out["inputs"] = described(call.inputs);
    out["outputs"] = described(call.outputs);
    part("primitive", out);
  }
}

void export_one(nb::object file, nb::object fun, const nb::args& args, bool shapeless, nb::object metadata,
                const nb::kwargs& kwargs) {
  if (!PyCallable_Check(file.ptr())) {
    PythonExporter exporter(file, fun, shapeless, metadata);
    exporter.call(args, kwargs);
    exporter.close();
    return;
  }
  if (!metadata.is_none()) fail(Code::value, "export_function", "metadata are for files, not for a callback");
  const Arguments given = arguments_of("export_function", args, kwargs);
  tell(file, exported_graph(Interrupt().guard(fun), given.args, given.kwargs));
}

// ---- importing and drawing ----

nb::object call_imported(const ImportedFunction& function, const nb::args& args, const nb::kwargs& kwargs) {
  const Arguments given = arguments_of("import_function", args, kwargs);
  nb::list out;
  for (const array& a : function(given.args, given.kwargs)) out.append(to_object(a));
  return nb::tuple(out);
}

nb::object import_one(nb::object file, bool return_metadata) {
  const std::string path = path_of(file);
  auto read = [&] {
    Unlocked unlocked;
    return import_function(path);
  };
  ImportedFunction function = read();
  nb::object object = nb::cast(function);
  if (!return_metadata) return object;
  return nb::make_tuple(object, function.metadata());
}

void draw(nb::object file, const nb::args& args, const nb::kwargs& kwargs) {
  std::vector<std::pair<std::string, array>> names;
  for (auto [name, value] : kwargs) {
    if (!is_array(value.ptr()))
      fail(Code::value, "export_to_dot", nb::cast<std::string>(name), " is no array");
    names.emplace_back(nb::cast<std::string>(name), array_of(value.ptr()));
  }
  std::ostringstream text;
  export_to_dot(text, flatten(args), names);
  if (nb::hasattr(file, "write")) {
    file.attr("write")(text.str());
    return;
  }
  nb::object opened = nb::module_::import_("builtins").attr("open")(file, "w", nb::arg("encoding") = "utf-8");
  opened.attr("write")(text.str());
  opened.attr("close")();
}

}  // namespace

void bind_export(nb::module_& m) {
  nb::class_<PythonExporter>(
      m, "FunctionExporter",
      "Collects traces of a function for one file; `exporter` makes it. Calling it adds "
      "the trace for these arguments,\n"
      "leaving its context (or `close()`) writes the file.")
      .def("__call__", &PythonExporter::call,
           "Adds the trace for arguments of these shapes, dtypes and names.")
      .def("close", &PythonExporter::close, "Writes the file, at once or not at all.")
      .def("__enter__", [](nb::object self) { return self; })
      .def(
          "__exit__",
          [](PythonExporter& self, nb::handle type, nb::handle, nb::handle) {
            type.is_none() ? self.close() : self.discard();
          },
          nb::arg("type").none(), nb::arg("value").none(), nb::arg("traceback").none());
  nb::class_<ImportedFunction>(m, "ImportedFunction", "A function from a file: call it.")
      .def("__call__", call_imported, "The results for these arguments, as a tuple of arrays.");
  m.def(
      "export_function", export_one, nb::arg("file_or_callback"), nb::arg("fun"), nb::arg("args"),
      nb::arg("shapeless") = false, nb::arg("metadata") = nb::none(), nb::arg("kwargs"),
      "Writes a function, traced for arguments like these, into a file that import_function reads.\n\n"
      "`fun` takes arrays, by position and by name, and returns an array, or a tuple or list of them. Arrays "
      "that it captures\n"
      "are stored in the file. With `shapeless`, the axes whose length changes nothing in the trace may have "
      "any length; to find\n"
      "them, the function is called several times. `metadata` is a text to keep in the file. A callback in "
      "place of the path is called\n"
      "with a dict for each part of the trace: inputs, keyword_inputs, outputs, constants, and each "
      "operation.\n\n"
      ">>> mx.export_function(\"/tmp/add.mxfn\", mx.add, mx.array(1.0), mx.array([1.0, 2.0]))\n"
      ">>> mx.import_function(\"/tmp/add.mxfn\")(mx.array(2.0), mx.array([1.0, 2.0]))\n"
      "(array([3, 4], dtype=float32),)");
  m.def(
      "exporter",
      [](nb::object file, nb::object fun, bool shapeless, nb::object metadata) {
        return PythonExporter(file, fun, shapeless, metadata);
      },
      nb::arg("file"), nb::arg("fun"), nb::kw_only(), nb::arg("shapeless") = false,
      nb::arg("metadata") = nb::none(),
      "A context that writes several traces of one function into a file: call what it gives with the "
      "arguments of each.\n"
      "The file appears when the context ends without an exception.");
  m.def(
      "import_function", import_one, nb::arg("file"), nb::arg("return_metadata") = false,
      "The function in a file of export_function. It takes arrays by position and by name, or one tuple and "
      "one dict of them,\n"
      "and returns a tuple of arrays. With `return_metadata`, a tuple of it and the text that was stored "
      "with "
      "it.\n\n"
      "Raises OSError when the file cannot be read, and ValueError, with offset and reason, when it is not "
      "right.");
  m.def("export_to_dot", draw, nb::arg("file"), nb::arg("args"), nb::arg("kwargs"),
        "Writes the graph of what is not computed yet of some arrays in the language of Graphviz.\n\n"
        "`file` is a path or a file opened for text; keywords are names for arrays of the graph.");
}

}  // namespace melix::python
