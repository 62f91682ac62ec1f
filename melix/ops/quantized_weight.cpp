// Modes of quantized weights by name, and the checks of their arrays.
#include "melix/ops/quantized_weight.h"

#include <algorithm>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {

// The format of a mode. `blocks` decides where a mode has a format of words and one of blocks.
QuantFormat format_of(const char* name, const std::string& mode, std::optional<int> bits, bool blocks) {
  int found = -1;
  for (int i = 0; i < kQuantFormats; i++) {
    const QuantFacts& f = kQuantFacts[i];
    if (mode != f.mode || (f.kind == QuantKind::affine && f.bits != bits.value_or(4))) continue;
    if (found < 0 || (f.kind == QuantKind::blocks) == blocks) found = i;
  }
  if (found < 0 && mode == "affine") {
    fail(Code::value, name, "affine has no ", *bits, " bits, but 1, 2, 3, 4, 5, 6 and 8");
  }
  if (found < 0) fail(Code::value, name, "there is no mode '", mode, "'");
  if (bits && *bits != kQuantFacts[found].bits) {
    fail(Code::value, name, "mode ", mode, " has ", kQuantFacts[found].bits, " bits, not ", *bits);
  }
  return QuantFormat(found);
}

int group_of(const char* name, QuantFormat format, std::optional<int> size) {
  const QuantFacts& f = facts_of(format);
  if (f.kind == QuantKind::affine) {
    if (size && *size != 32 && *size != 64 && *size != 128) {
      fail(Code::value, name, "groups of affine have 32, 64 or 128 elements, not ", *size);
    }
    return size.value_or(f.group);
  }
  if (size && *size != f.group && !(f.kind == QuantKind::blocks && *size == f.elements)) {
    fail(Code::value, name, "groups of ", f.mode, " have ", f.group, " elements, not ", *size);
  }
  return f.group;
}

array global_of(const char* name, QuantFormat format, const array& scale) {
  if (format != QuantFormat::nvfp4) {
    fail(Code::value, name, "only nvfp4 has a global scale, not ", facts_of(format).mode);
  }
  if (scale.size() != 1) fail(Code::value, name, "the global scale is one number, not ", scale.shape());
  return reshape(astype(scale, float32), Shape{});
}

Weight weight_of(const char* name, const array& w, MaybeArrayRef scales, MaybeArrayRef biases,
                 std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                 MaybeArrayRef global) {
  QuantFormat format = format_of(name, mode, bits, w.dtype() == uint8 && !scales);
  Weight out{format, group_of(name, format, group_size), {w}};
  const QuantKind kind = out.facts().kind;
  if (kind != QuantKind::blocks && !scales) fail(Code::value, name, "mode ", mode, " needs scales");
  if (kind == QuantKind::blocks && scales)
    fail(Code::value, name, "blocks of ", mode, " have no scales beside them");
  if (kind == QuantKind::affine && !biases) fail(Code::value, name, "mode affine needs biases");
  if (kind != QuantKind::affine && biases) fail(Code::value, name, "mode ", mode, " has no biases");
  if (kind == QuantKind::affine) {
    const Dtype dtype = promote(scales->dtype(), biases->dtype());
    if (!is_floating(dtype)) {
      fail(Code::value, name, "scales and biases are floating, not ", scales->dtype(), " and ",
           biases->dtype());
    }
    out.parts.push_back(astype(*scales, dtype));
    out.parts.push_back(astype(*biases, dtype));
  } else if (scales) {
    out.parts.push_back(*scales);
  }
  if (global) out.parts.push_back(global_of(name, format, *global));
  return out;
}

// The shape of the values of a packed weight, whose arrays have to fit together.
void check_attrs(const char* name, const QuantAttrs& at) {
  if (int(at.format) >= kQuantFormats) fail(Code::value, name, "there is no format number ", int(at.format));
  if (group_of(name, at.format, at.group) != at.group) {
    fail(Code::value, name, "groups of ", facts_of(at.format).mode, " do not have ", at.group, " elements");
  }
}

Shape values_shape(const char* name, const QuantAttrs& at, std::span<const array> in) {
  check_attrs(name, at);
  const QuantFacts& f = facts_of(at.format);
  const array& w = in[0];
  const bool blocks = f.kind == QuantKind::blocks;
  if (w.ndim() < 2) fail(Code::value, name, "a quantized matrix has two axes or more, not ", w.ndim());
  if (w.dtype() != (blocks ? uint8 : uint32)) {
    fail(Code::value, name, "a weight of mode ", f.mode, " is ", blocks ? uint8 : uint32, ", not ",
         w.dtype());
  }
  Shape shape = w.shape();
  const int64_t bytes = shape.back() * int64_t(w.itemsize());
  if (bytes % f.bytes) {
    fail(Code::value, name, "rows of ", bytes, " bytes are no whole number of pieces of ", f.bytes,
         " bytes of ", f.mode);
  }
  shape.back() = bytes / f.bytes * f.elements;
  const size_t parts = blocks ? 1 : f.kind == QuantKind::affine ? 3 : 2;
  for (size_t i = parts; i < in.size(); i++) {
    if (i == parts && f.kind == QuantKind::e4m3 && in[i].dtype() == float32 && in[i].ndim() == 0) continue;
    fail(Code::value, name, "a weight of mode ", f.mode, " has ", parts, " arrays, not ", in.size());
  }
  if (blocks) return shape;
  if (in.size() < 2) fail(Code::value, name, "mode ", f.mode, " needs scales");
  if (f.kind != QuantKind::affine && in[1].dtype() != uint8) {
    fail(Code::value, name, "scales of mode ", f.mode, " are uint8, not ", in[1].dtype());
  }
  Shape scales = shape;
  scales.back() /= at.group;
  for (size_t i = 1; i < parts; i++) {
    if (i < in.size() && in[i].shape() == scales && shape.back() % at.group == 0) continue;
    fail(Code::value, name, "a weight of shape ", w.shape(), " is ", shape, " in ", f.bits,
         " bits, and needs ", i == 1 ? "scales" : "biases", " for groups of ", at.group, ", not of shape ",
         in[std::min(i, in.size() - 1)].shape());
  }
  return shape;
}

}  // namespace melix
