// Modules in C++: ordinary structs that name their parameters and parts in one place.
//
//   struct MLP {
//     nn::Linear first{2, 64}, last{64, 3};
//     array operator()(const array& x) const { return last(nn::relu(first(x))); }
//     template <class Visitor>
//     void fields(Visitor&& visit) {
//       visit("first", first);
//       visit("last", last);
//     }
//   };
//
// A field is an array, an optional array, a module, or a vector of one of these. The path of a parameter is the names
// from the root joined by dots, as in Python: files of weights go from one language to the other.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "melix/graph/node.h"

namespace melix::nn {

/// Paths and arrays, in the order of the fields: parameters, gradients, states of optimizers.
using Parameters = std::vector<std::pair<std::string, array>>;

namespace detail {

struct AnyVisitor {
  template <class T>
  void operator()(const char*, T&) const {}
};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

}  // namespace detail

template <class M>
concept Module = requires(M& module) {
  module.fields(detail::AnyVisitor());
};

/// Calls f(path, array&) for every parameter of a field.
template <class Field, class F>
void visit(Field& field, const std::string& path, F& f) {
  if constexpr (std::is_same_v<Field, array>) {
    f(path, field);
  } else if constexpr (std::is_same_v<Field, std::optional<array>>) {
    if (field) f(path, *field);
  } else if constexpr (detail::IsVector<Field>::value) {
    for (size_t i = 0; i < field.size(); i++)
      visit(field[i], (path.empty() ? "" : path + ".") + std::to_string(i), f);
  } else {
    static_assert(Module<Field>, "a field is an array, an optional array, a module, or a vector of them");
    field.fields(
        [&](const char* name, auto& part) { visit(part, (path.empty() ? "" : path + ".") + name, f); });
  }
}

/// All parameters. Nothing is changed: fields() is not const because update() goes through it too.
template <Module M>
Parameters parameters(M& module) {
  Parameters out;
  auto take = [&](const std::string& path, array& value) { out.emplace_back(path, value); };
  visit(module, "", take);
  return out;
}

/// Where the parameters are: path and place.
template <Module M>
std::vector<std::pair<std::string, array*>> places(M& module) {
  std::vector<std::pair<std::string, array*>> out;
  auto take = [&](const std::string& path, array& value) { out.emplace_back(path, &value); };
  visit(module, "", take);
  return out;
}

/// Puts arrays to the places of their paths. With `strict`, every place gets one and every array has a place; shapes
/// must always fit. Throws Code::value with all that does not fit, before anything is changed.
void put(const std::vector<std::pair<std::string, array*>>& places, const Parameters& values, bool strict);

/// Replaces parameters by those given, which may be some of them.
template <Module M>
void update(M& module, const Parameters& values) {
  put(places(module), values, false);
}

/// Replaces all parameters by those of a file (safetensors or npz), whose names must be theirs.
Parameters read_weights(const std::string& path);
void write_weights(const std::string& path, const Parameters& weights);
template <Module M>
void load_weights(M& module, const std::string& path, bool strict = true) {
  put(places(module), read_weights(path), strict);
}
template <Module M>
void save_weights(M& module, const std::string& path) {
  write_weights(path, parameters(module));
}

/// The value of a function without arguments that calls the module, and its gradients with respect to the parameters
/// at `places`, which hold tracers meanwhile and what they held before afterwards.
std::pair<array, Parameters> value_and_grad(const std::vector<std::pair<std::string, array*>>& places,
                                            const std::function<array()>& fun);

/// The function's value at these arguments, and the gradients with respect to all parameters of the module.
///
///   auto [loss, gradients] = nn::value_and_grad(model, [&] { return nn::mse_loss(model(x), y); });
template <Module M, class F>
std::pair<array, Parameters> value_and_grad(M& module, F&& fun) {
  return value_and_grad(places(module), std::function<array()>(std::forward<F>(fun)));
}

}  // namespace melix::nn
