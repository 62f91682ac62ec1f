// A quantized weight as callers give it and as operations take it. Internal to the rules of quantized.cpp.
#pragma once

#include "melix/ops/quantized.h"

namespace melix {

using MaybeArrayRef = const std::optional<array>&;

inline const QuantAttrs& quant(const Attrs* attrs) { return attrs_as<QuantAttrs>(attrs); }

// A weight as callers give it, resolved: the inputs of an operation from the packed array on.
struct Weight {
  QuantFormat format;
  int group;
  Inputs parts;
  const QuantFacts& facts() const { return facts_of(format); }
  Ref<const Attrs> attrs(bool transpose, Dtype dtype) const {
    return make_attrs<QuantAttrs>(format, group, transpose, dtype);
  }
};

// All throw Code::value naming `name`.

// The format of a mode. `blocks` decides where a mode has a format of words and one of blocks.
QuantFormat format_of(const char* name, const std::string& mode, std::optional<int> bits, bool blocks);
// Elements of a group, checked.
int group_of(const char* name, QuantFormat format, std::optional<int> size);
// A global scale as a float32 scalar.
array global_of(const char* name, QuantFormat format, const array& scale);
Weight weight_of(const char* name, const array& w, MaybeArrayRef scales, MaybeArrayRef biases,
                 std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                 MaybeArrayRef global);
// Attributes may come from a file.
void check_attrs(const char* name, const QuantAttrs& at);
// The shape of the values of a packed weight, whose arrays have to fit together.
Shape values_shape(const char* name, const QuantAttrs& at, std::span<const array> in);

}  // namespace melix
