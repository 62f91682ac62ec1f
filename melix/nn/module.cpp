// See module.h.
#include "melix/nn/module.h"

#include <unordered_map>

#include "melix/ops/save.h"
#include "melix/transforms/autodiff.h"

namespace melix::nn {

void put(const std::vector<std::pair<std::string, array*>>& places, const Parameters& values, bool strict) {
  std::unordered_map<std::string, array*> by_path(places.begin(), places.end());
  std::unordered_map<std::string, const array*> given;
  std::string problems;
  auto problem = [&](const auto&... parts) { problems += concat("\n  ", parts...); };
  for (const auto& [path, value] : values) {
    given[path] = &value;
    auto place = by_path.find(path);
    if (place == by_path.end()) {
      if (strict) problem(path, " is not a parameter of the model");
    } else if (place->second->shape() != value.shape()) {
      problem(path, " has shape ", value.shape(), ", the parameter ", place->second->shape());
    }
  }
  for (const auto& [path, place] : places) {
    if (strict && !given.contains(path)) problem(path, " is missing");
  }
  if (!problems.empty()) fail(Code::value, "load_weights", "parameters do not fit:", problems);
  for (const auto& [path, value] : given) {
    auto place = by_path.find(path);
    if (place != by_path.end()) *place->second = *value;
  }
}

namespace {

FileFormat weights_format(const char* op, const std::string& path) {
  for (FileFormat format : {FileFormat::safetensors, FileFormat::npz}) {
    if (path.ends_with(concat(".", name_of(format)))) return format;
  }
  fail(Code::value, op, "'", path, "' ends with neither .safetensors nor .npz");
}

}  // namespace

Parameters read_weights(const std::string& path) {
  const bool npz = weights_format("load_weights", path) == FileFormat::npz;
  auto weights = npz ? load_npz(path) : load_safetensors(path).first;
  return {weights.begin(), weights.end()};
}

void write_weights(const std::string& path, const Parameters& weights) {
  save_arrays(path, weights_format("save_weights", path), weights);
}

std::pair<array, Parameters> value_and_grad(const std::vector<std::pair<std::string, array*>>& places,
                                            const std::function<array()>& fun) {
  struct Restore {  // the parameters, whatever happens
    const std::vector<std::pair<std::string, array*>>& places;
    std::vector<array> values;
    ~Restore() {
      for (size_t i = 0; i < values.size(); i++) *places[i].second = values[i];
    }
  } restore{places, {}};
  std::vector<int> argnums;
  for (const auto& [path, place] : places) {
    argnums.push_back(int(argnums.size()));
    restore.values.push_back(*place);
  }
  auto of_parameters = [&](const std::vector<array>& values) {
    for (size_t i = 0; i < values.size(); i++) *places[i].second = values[i];
    return std::vector<array>{fun()};
  };
  auto [value, gradients] = melix::value_and_grad(of_parameters, argnums)(restore.values);
  Parameters named;
  for (size_t i = 0; i < gradients.size(); i++) named.emplace_back(places[i].first, gradients[i]);
  return {value[0], std::move(named)};
}

}  // namespace melix::nn
