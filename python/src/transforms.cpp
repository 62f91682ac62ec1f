// Function transforms: grad, value_and_grad, vjp, jvp, vmap, checkpoint, custom_function. Each takes a Python
// function of trees of arrays, flattens what it is called with, and applies the transform of melix/transforms.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "melix/ops/shape.h"
#include "melix/transforms/custom.h"
#include "melix/transforms/vmap.h"
#include "python/src/transformed.h"
#include "python/src/trees.h"

namespace melix::python {
namespace {

// Which arguments a gradient is taken of.
struct Wanted {
  std::vector<int> positions;
  std::vector<std::string> names;
  bool single = true;  // one position, given as a number: its gradient comes without a tuple
};

Wanted parse_wanted(const char* op, nb::handle argnums, nb::handle argnames) {
  Wanted wanted;
  if (nb::isinstance<nb::str>(argnames)) {
    wanted.names.push_back(nb::cast<std::string>(argnames));
  } else if (!argnames.is_none()) {
    wanted.names = nb::cast<std::vector<std::string>>(argnames);
  }
  if (nb::isinstance<nb::int_>(argnums)) {
    wanted.positions.push_back(nb::cast<int>(argnums));
  } else if (!argnums.is_none()) {
    wanted.positions = nb::cast<std::vector<int>>(argnums);
    wanted.single = wanted.positions.size() == 1;
  } else if (wanted.names.empty()) {
    wanted.positions.push_back(0);
  }
  for (size_t i = 0; i < wanted.positions.size(); i++) {
    if (wanted.positions[i] < 0)
      fail(Code::value, op, "argument numbers count from 0, got ", wanted.positions[i]);
    for (size_t k = 0; k < i; k++) {
      if (wanted.positions[k] == wanted.positions[i])
        fail(Code::value, op, "argument number ", wanted.positions[i], " is given twice");
    }
  }
  for (size_t i = 0; i < wanted.names.size(); i++) {
    for (size_t k = 0; k < i; k++) {
      if (wanted.names[k] == wanted.names[i])
        fail(Code::value, op, "argument name ", wanted.names[i], " is given twice");
    }
  }
  return wanted;
}

// The arguments of one call that gradients are wanted of, as one tree: ([positional...], {name: ...}).
nb::tuple wanted_arguments(const char* op, const Wanted& wanted, const nb::args& args,
                           const nb::kwargs& kwargs) {
  nb::list positional;
  for (int i : wanted.positions) {
    if (size_t(i) >= args.size()) {
      fail(Code::value, op, "cannot take the gradient of argument ", i, ": the function was called with ",
           args.size(), " positional arguments");
    }
    positional.append(args[size_t(i)]);
  }
  nb::dict named;
  for (const std::string& name : wanted.names) {
    if (!kwargs.contains(name.c_str())) {
      fail(Code::value, op, "cannot take the gradient of keyword argument '", name,
           "': the function was called without it");
    }
    named[name.c_str()] = kwargs[name.c_str()];
  }
  return nb::make_tuple(positional, named);
}

void require_arrays(const char* op, nb::handle tree) {
  if (is_array(tree.ptr()) || tree.is_none()) return;
  if (PyDict_Check(tree.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) require_arrays(op, value);
  } else if (PyList_Check(tree.ptr()) || PyTuple_Check(tree.ptr())) {
    for (nb::handle child : tree) require_arrays(op, child);
  } else {
    fail(Code::value, op, "gradients are taken of arrays and trees of arrays, got ",
         Py_TYPE(tree.ptr())->tp_name);
  }
}

// Value and gradients of one call.
nb::tuple call_with_grad(const char* op, const Wanted& wanted, nb::handle fun, const nb::args& args,
                         const nb::kwargs& kwargs) {
  nb::tuple tree = wanted_arguments(op, wanted, args, kwargs);
  require_arrays(op, tree);
  nb::object value;
  auto body = [&](const std::vector<array>& primals) {
    nb::tuple traced = nb::borrow<nb::tuple>(rebuild(tree, primals));
    nb::list positional(args);
    nb::dict named;
    for (auto [key, v] : kwargs) named[key] = v;
    for (size_t i = 0; i < wanted.positions.size(); i++)
      positional[size_t(wanted.positions[i])] = traced[0][i];
    for (const std::string& name : wanted.names) named[name.c_str()] = traced[1][name.c_str()];
    value = fun(*positional, **named);
    nb::handle loss = value;
    if (PyTuple_Check(value.ptr()) || PyList_Check(value.ptr())) {
      if (nb::len(value) == 0)
        fail(Code::value, op, "the function returned an empty ", Py_TYPE(value.ptr())->tp_name);
      loss = PySequence_Fast_GET_ITEM(value.ptr(), 0);
    }
    if (!is_array(loss.ptr())) {
      fail(Code::value, op, "the function must return a scalar array (or a tuple that starts with one), not ",
           Py_TYPE(loss.ptr())->tp_name);
    }
    if (array_of(loss.ptr()).ndim() != 0) {
      fail(Code::value, op, "the function must return a scalar array, got one of shape ",
           array_of(loss.ptr()).shape());
    }
    return std::vector<array>{array_of(loss.ptr())};
  };
  auto one = [](const std::vector<array>& out) {
    return std::vector<array>{array(int64_t(1), out[0].dtype())};
  };
  std::vector<array> grads = vjp(body, flatten(tree), Function(one)).second;
  nb::tuple grad_tree = nb::borrow<nb::tuple>(rebuild(tree, grads));
  nb::object positional = nb::none();
  if (!wanted.positions.empty()) {
    positional = wanted.single ? nb::object(grad_tree[0][0])
                               : nb::object(nb::tuple(nb::borrow<nb::list>(grad_tree[0])));
  }
  nb::object out = wanted.names.empty() ? positional : nb::make_tuple(positional, grad_tree[1]);
  return nb::make_tuple(value, out);
}

// A Python function over lists of arrays as C++ sees it. Keeps the function alive.
Function list_function(nb::handle fun) {
  return [fun = keep(fun)](const std::vector<array>& in) {
    nb::list arguments;
    for (const array& a : in) arguments.append(to_object(a));
    return flatten(nb::handle(fun.get())(*arguments));
  };
}

nb::list to_list(const std::vector<array>& arrays) {
  nb::list out;
  for (const array& a : arrays) out.append(to_object(a));
  return out;
}

// ---- vmap ----

// One axis (or nothing) for every array of a tree, from a prefix of the tree: a number or None holds for all below it.
void expand_axes(const char* what, nb::handle axes, nb::handle tree, MaybeAxesList& out) {
  if (axes.is_none() || nb::isinstance<nb::int_>(axes)) {
    std::optional<int> axis = axes.is_none() ? std::nullopt : std::optional<int>(nb::cast<int>(axes));
    out.resize(out.size() + flatten(tree).size(), axis);
  } else if (is_array(tree.ptr())) {
    if (!(PyTuple_Check(axes.ptr()) || PyList_Check(axes.ptr())) || nb::len(axes) != 1) {
      fail(Code::value, "vmap", what, " must be an int or None where the tree has an array");
    }
    expand_axes(what, nb::object(axes[0]), tree, out);
  } else if (PyDict_Check(tree.ptr()) && PyDict_Check(axes.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) {
      if (!nb::borrow<nb::dict>(axes).contains(key))
        fail(Code::value, "vmap", what, " lacks a key that the tree has");
      expand_axes(what, nb::object(axes[key]), value, out);
    }
  } else if ((PyTuple_Check(tree.ptr()) || PyList_Check(tree.ptr())) &&
             (PyTuple_Check(axes.ptr()) || PyList_Check(axes.ptr()))) {
    if (nb::len(axes) != nb::len(tree)) {
      fail(Code::value, "vmap", what, " has ", nb::len(axes), " entries for ", nb::len(tree), " values");
    }
    for (size_t i = 0; i < nb::len(tree); i++)
      expand_axes(what, nb::object(axes[i]), nb::object(tree[i]), out);
  } else {
    fail(Code::value, "vmap", what, " must be an int, None or a tree that matches the values");
  }
}

nb::object call_vmap_with(nb::handle fun, nb::handle in_axes, nb::handle out_axes, const nb::args& args,
                          const nb::kwargs& kwargs) {
  MaybeAxesList in, out;
  bool per_argument = PyTuple_Check(in_axes.ptr()) || PyList_Check(in_axes.ptr());
  if (per_argument && nb::len(in_axes) != args.size()) {
    fail(Code::value, "vmap", "in_axes has ", nb::len(in_axes), " entries for ", args.size(), " arguments");
  }
  for (size_t i = 0; i < args.size(); i++) {
    expand_axes("in_axes", per_argument ? nb::object(in_axes[i]) : nb::borrow(in_axes), args[i], in);
  }
  nb::object result;
  auto body = [&](const std::vector<array>& examples) {
    nb::object traced = rebuild(args, examples);
    result = fun(*traced, **kwargs);
    expand_axes("out_axes", out_axes, result, out);
    return flatten(result);
  };
  return rebuild(result, call_vmap(body, flatten(args), in, [&] { return out; }));
}

// ---- custom_function ----

// One argument stands for itself, several come as a tuple.
nb::object one_or_tuple(nb::handle args) {
  return nb::len(args) == 1 ? nb::object(args[0]) : nb::borrow(args);
}

nb::object call_custom(nb::handle self, const nb::args& args, const nb::kwargs& kwargs) {
  nb::object fun = self.attr("__wrapped__");
  auto result = std::make_shared<Kept>();  // the structure of the results, known after the call
  Kept tree = keep(args), options = keep(kwargs), function = keep(fun);
  auto body = [=](const std::vector<array>& in) {
    nb::object arguments = rebuild(nb::handle(tree.get()), in);
    nb::object value =
        nb::handle(function.get())(*arguments, **nb::borrow<nb::dict>(nb::handle(options.get())));
    *result = keep(value);
    return flatten(value);
  };
  auto rule = [&](const char* name) -> Kept {
    nb::object set = self.attr(name);
    return set.is_none() ? Kept() : keep(set);
  };
  auto with = [tree](const std::vector<array>& in) {
    return one_or_tuple(rebuild(nb::handle(tree.get()), in));
  };
  auto like_results = [result](const std::vector<array>& in) {
    return rebuild(nb::handle(result->get()), in);
  };
  CustomRules rules;
  if (Kept f = rule("_vjp")) {
    rules.vjp = [=](const std::vector<array>& primals, const std::vector<array>& cotangents,
                    const std::vector<array>& outputs) {
      return flatten(nb::handle(f.get())(with(primals), like_results(cotangents), like_results(outputs)));
    };
  }
  if (Kept f = rule("_jvp")) {
    rules.jvp = [=](const std::vector<array>& primals, const std::vector<array>& tangents) {
      return flatten(nb::handle(f.get())(with(primals), with(tangents)));
    };
  }
  if (Kept f = rule("_vmap")) {
    rules.vmap = [=](const std::vector<array>& inputs, const MaybeAxesList& axes) {
      nb::list given;
      for (const auto& axis : axes) given.append(axis ? nb::object(nb::int_(*axis)) : nb::none());
      nb::object out = nb::handle(f.get())(with(inputs), one_or_tuple(nb::tuple(given)));
      MaybeAxesList out_axes;
      std::vector<array> values = flatten(nb::object(out[0]));
      expand_axes("the axes from vmap", nb::object(out[1]), nb::object(out[0]), out_axes);
      return std::pair(values, out_axes);
    };
  }
  std::vector<array> values = custom_function(body, std::move(rules))(flatten(args));
  return rebuild(nb::handle(result->get()), values);
}

struct CustomFunction {};

void bind_custom(nb::module_& m) {
  auto set_rule = [](const char* name) {
    return [name](nb::handle self, nb::object fun) {
      self.attr(name) = fun;
      return fun;
    };
  };
  nb::class_<CustomFunction>(
      m, "custom_function", nb::dynamic_attr(),
      "A function with derivative and vectorisation rules of its own, for use as a decorator.\n\n"
      "`@f.vjp` sets a function of (primals, cotangents, outputs), `@f.jvp` one of (primals, tangents),\n"
      "`@f.vmap` one of (inputs, axes) that returns (outputs, axes). Rules that are missing follow from\n"
      "the function. With a vjp rule, gradients reach the arguments only, not captured arrays.")
      .def(
          "__init__",
          [](nb::pointer_and_handle<CustomFunction> self, nb::object fun) {
            new (self.p) CustomFunction;
            remember(self.h, fun);
            for (const char* rule : {"_vjp", "_jvp", "_vmap"}) self.h.attr(rule) = nb::none();
          },
          nb::arg("fun"))
      .def("vjp", set_rule("_vjp"), nb::arg("fun"), "Sets the gradient rule.")
      .def("jvp", set_rule("_jvp"), nb::arg("fun"), "Sets the tangent rule.")
      .def("vmap", set_rule("_vmap"), nb::arg("fun"), "Sets the vectorisation rule.")
      .def("__call__", [](nb::handle self, const nb::args& args, const nb::kwargs& kwargs) {
        return call_custom(self, args, kwargs);
      });
}

// checkpoint keeps arguments and nothing else: gradients call the function again.
nb::object call_checkpoint(nb::handle fun, const nb::args& args, const nb::kwargs& kwargs) {
  auto result = std::make_shared<Kept>();
  auto body = [=, fun = keep(fun), tree = keep(args), options = keep(kwargs)](const std::vector<array>& in) {
    nb::object arguments = rebuild(nb::handle(tree.get()), in);
    nb::object value = nb::handle(fun.get())(*arguments, **nb::borrow<nb::dict>(nb::handle(options.get())));
    *result = keep(value);
    return flatten(value);
  };
  std::vector<array> values = checkpoint(body)(flatten(args));
  return rebuild(nb::handle(result->get()), values);
}

void bind_gradients(nb::module_& m) {
  m.def(
      "value_and_grad",
      [](nb::object fun, nb::object argnums, nb::object argnames) {
        Wanted wanted = parse_wanted("value_and_grad", argnums, argnames);
        return transformed(
            fun, [wanted](nb::handle f, const nb::args& args, const nb::kwargs& kwargs) -> nb::object {
              return call_with_grad("value_and_grad", wanted, f, args, kwargs);
            });
      },
      nb::arg("fun"), nb::arg("argnums") = nb::none(), nb::arg("argnames") = nb::list(),
      "A function that returns the value of `fun` and its gradients.\n\n"
      "`fun` returns a scalar array, or a tuple that starts with one. `argnums` numbers the positional "
      "arguments, `argnames`\n"
      "names the keyword arguments to differentiate with respect to (the first positional one by default); "
      "each may be an\n"
      "array or a tree of arrays. With names, the gradients are a tuple of those of the positional arguments "
      "(or None) and a dict.");
  m.def(
      "grad",
      [](nb::object fun, nb::object argnums, nb::object argnames) {
        Wanted wanted = parse_wanted("grad", argnums, argnames);
        return transformed(
            fun, [wanted](nb::handle f, const nb::args& args, const nb::kwargs& kwargs) -> nb::object {
              return call_with_grad("grad", wanted, f, args, kwargs)[1];
            });
      },
      nb::arg("fun"), nb::arg("argnums") = nb::none(), nb::arg("argnames") = nb::list(),
      "A function that returns the gradients of `fun`; see value_and_grad.");
  m.def(
      "vjp",
      [](nb::object fun, nb::object primals, nb::object cotangents) {
        auto [outputs, grads] = vjp(list_function(fun), flatten(primals), flatten(cotangents));
        return nb::make_tuple(to_list(outputs), to_list(grads));
      },
      nb::arg("fun"), nb::arg("primals"), nb::arg("cotangents"),
      "The values of `fun` at a list of primals, and the gradients of the sum of its results times the "
      "cotangents.");
  m.def(
      "jvp",
      [](nb::object fun, nb::object primals, nb::object tangents) {
        auto [outputs, out] = jvp(list_function(fun), flatten(primals), flatten(tangents));
        return nb::make_tuple(to_list(outputs), to_list(out));
      },
      nb::arg("fun"), nb::arg("primals"), nb::arg("tangents"),
      "The values of `fun` at a list of primals, and their derivatives in the direction of the tangents.");
}

}  // namespace

void bind_transforms(nb::module_& m) {
  bind_transformed(m);
  bind_gradients(m);
  bind_custom(m);
  m.def(
      "vmap",
      [](nb::object fun, nb::object in_axes, nb::object out_axes) {
        Kept in = keep(in_axes), out = keep(out_axes);
        return transformed(fun, [=](nb::handle f, const nb::args& args, const nb::kwargs& kwargs) {
          return call_vmap_with(f, nb::handle(in.get()), nb::handle(out.get()), args, kwargs);
        });
      },
      nb::arg("fun"), nb::arg("in_axes").none() = 0, nb::arg("out_axes").none() = 0,
      "The function `fun` of single examples as a function of batches.\n\n"
      "`in_axes` and `out_axes` are an axis, None (not batched), or trees of them that match the arguments "
      "and results.");
  m.def(
      "checkpoint",
      [](nb::object fun) {
        return transformed(fun, [](nb::handle f, const nb::args& args, const nb::kwargs& kwargs) {
          return call_checkpoint(f, args, kwargs);
        });
      },
      nb::arg("fun"),
      "The function `fun`, whose intermediate values are computed again for gradients instead of being "
      "kept.");
}

}  // namespace melix::python
