// compile: traces of a Python function, one for each structure, shapes and dtypes of what it is called with. State (the
// trees given as `inputs` and `outputs`) travels as further arguments and results.
#include <memory>
#include <unordered_map>

#include "melix/transforms/compile/compile.h"
#include "python/src/transformed.h"
#include "python/src/trees.h"

namespace melix::python {
namespace {

// The array objects of a tree: state keeps its identity while its handles change.
void objects_of(nb::handle tree, std::vector<nb::object>& out) {
  if (is_array(tree.ptr())) {
    out.push_back(nb::borrow(tree));
  } else if (PyDict_Check(tree.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) objects_of(value, out);
  } else if (PyList_Check(tree.ptr()) || PyTuple_Check(tree.ptr())) {
    for (nb::handle child : tree) objects_of(child, out);
  }
}

// For its lifetime, array objects have other handles.
class Substituted {
 public:
  Substituted(nb::handle tree, const std::vector<array>& arrays, size_t first) {
    objects_of(tree, objects_);
    for (size_t i = 0; i < objects_.size(); i++) {
      array& handle = array_of(objects_[i].ptr());
      before_.push_back(handle);
      handle = arrays[first + i];
    }
  }
  ~Substituted() {
    for (size_t i = 0; i < objects_.size(); i++) array_of(objects_[i].ptr()) = before_[i];
  }
  Substituted(const Substituted&) = delete;
  Substituted& operator=(const Substituted&) = delete;

 private:
  std::vector<nb::object> objects_;
  std::vector<array> before_;
};

struct CompiledState {
  CompileCache cache;
  Kept keys = keep(nb::dict());  // signature -> number
  Kept inputs, outputs;
};

// Numbers the structures a function was called with.
uint64_t key_of(const CompiledState& state, nb::handle arguments) {
  nb::dict keys = nb::borrow<nb::dict>(nb::handle(state.keys.get()));
  nb::object structure = nb::make_tuple(signature(arguments), signature(nb::handle(state.inputs.get())));
  if (keys.contains(structure)) return nb::cast<uint64_t>(keys[structure]);
  uint64_t key = keys.size() + 1;
  keys[structure] = key;
  return key;
}

nb::object call_compiled(CompiledState& state, nb::handle fun, const nb::args& args,
                         const nb::kwargs& kwargs) {
  nb::tuple arguments = nb::make_tuple(args, kwargs);
  nb::handle inputs(state.inputs.get()), outputs(state.outputs.get());
  std::vector<array> in = flatten(arguments);
  size_t own = in.size();
  flatten(inputs, in);
  auto body = [&](const std::vector<array>& traced) {
    nb::tuple given = nb::borrow<nb::tuple>(rebuild(arguments, traced));
    Substituted substituted(inputs, traced, own);
    nb::object value = fun(*given[0], **nb::borrow<nb::dict>(given[1]));
    Traced out{flatten(value), keep(value)};
    flatten(outputs, out.results);
    return out;
  };
  Traced out = state.cache.call(body, in, key_of(state, arguments));
  nb::handle structure(static_cast<PyObject*>(out.note.get()));
  size_t index = 0;
  nb::object value = rebuild(structure, out.results, index);
  if (flatten(outputs).size() != out.results.size() - index) {
    fail(Code::value, "compile",
         "the state in `outputs` has another structure than when the function was traced");
  }
  refill(outputs, out.results, index);
  return value;
}

}  // namespace

void bind_compile(nb::module_& m) {
  m.def(
      "compile",
      [](nb::object fun, nb::object inputs, nb::object outputs, bool) {
        auto state = std::make_shared<CompiledState>();
        state->inputs = keep(inputs);
        state->outputs = keep(outputs);
        return transformed(fun, [state](nb::handle f, const nb::args& args, const nb::kwargs& kwargs) {
          return call_compiled(*state, f, args, kwargs);
        });
      },
      nb::arg("fun"), nb::arg("inputs") = nb::none(), nb::arg("outputs") = nb::none(),
      nb::arg("shapeless") = false,
      "The function `fun` compiled: traced once for each structure, shapes and dtypes of its arguments, then "
      "run as a plan of\n"
      "fused kernels.\n\n"
      "`inputs` and `outputs` are lists or dicts of arrays that the function reads and updates besides its "
      "arguments and\n"
      "results (a model's state, an optimizer's, mx.random.state). New shapes and dtypes trace again. "
      "`shapeless` is\n"
      "taken for compatibility and changes nothing: a trace may depend on the shapes it has seen (a mean "
      "divides by a\n"
      "length), so each shape gets its own.");
  m.def("disable_compile", &disable_compile,
        "Makes compiled functions run as they are written, from now on.");
  m.def("enable_compile", &enable_compile, "Undoes disable_compile.");
}

}  // namespace melix::python
