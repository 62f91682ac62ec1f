// Rules of convolutions. Both gradients of a convolution, and theirs, are again the two operations here:
//
//   conv         result (N, O..., C_out)    = input (N, L..., C_in)   with weight (C_out, K..., C_in / groups)
//   to input     gradient of the input      = conv of the result's gradient: stride and input dilation exchanged, the
//                                             weight turned round, C_out and C_in exchanged in each group
//   conv_weight  gradient of the weight     = input with the result's gradient
#include "melix/ops/conv.h"

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

using Wide = __int128;  // sums and products of two numbers of 64 bits

constexpr int64_t kLongest = int64_t(1) << 60;  // of an axis with its padding and dilation

bool too_large(int64_t v) { return v > kLongest || v < -kLongest; }

// ---- shapes ----

// n elements, `dilation` apart.
Wide extent(int64_t n, int64_t dilation) { return n == 0 ? 0 : Wide(n - 1) * dilation + 1; }

Shape spatial(const Shape& shape) { return Shape(shape.begin() + 1, shape.end() - 1); }

// (outer, spatial..., inner)
Shape around(int64_t outer, const Shape& spatial, int64_t inner) {
  Shape out(1, outer);
  out.insert(out.end(), spatial.begin(), spatial.end());
  out.push_back(inner);
  return out;
}

void check_positive(const char* name, const char* what, const Shape& values) {
  for (int64_t v : values) {
    if (v < 1) fail(Code::value, name, what, " must be at least 1, got ", values);
  }
}

void check_axes(const char* name, const ConvAttrs& a, const Shape& input) {
  if (input.size() < 3 || input.size() > 5) {
    fail(Code::value, name, "an input of shape ", input,
         " has not the axes (N, spatial..., C) with 1 to 3 spatial ones");
  }
  for (const Shape* s :
       {&a.stride, &a.padding_low, &a.padding_high, &a.kernel_dilation, &a.input_dilation, &a.kernel}) {
    if (s->size() + 2 != input.size()) {
      fail(Code::value, name, *s, " has not one number for each spatial axis of an input of shape ", input);
    }
  }
  check_positive(name, "strides", a.stride);
  check_positive(name, "kernel dilations", a.kernel_dilation);
  check_positive(name, "input dilations", a.input_dilation);
  if (a.groups < 1) fail(Code::value, name, "groups must be at least 1, got ", a.groups);
}

// Spatial shape of the result.
Shape result_axes(const char* name, const ConvAttrs& a, const Shape& input) {
  Shape out;
  for (size_t d = 0; d < a.kernel.size(); d++) {
    Wide length = extent(input[d + 1], a.input_dilation[d]) + a.padding_low[d] + a.padding_high[d];
    Wide window = extent(a.kernel[d], a.kernel_dilation[d]);
    Wide most = kLongest;
    if (length > most || window > most || too_large(a.padding_low[d])) {
      fail(Code::value, name, "axis ", d + 1, " of an input of shape ", input, " is too long with paddings ",
           a.padding_low, " and ", a.padding_high, " and dilations ", a.input_dilation, " and ",
           a.kernel_dilation);
    }
    if (a.kernel[d] < 1 || length < window) {
      fail(Code::value, name, "axis ", d + 1, " of an input of shape ", input, ", ",
           int64_t(std::max(length, -most)), " long with paddings ", a.padding_low, " and ", a.padding_high,
           ", is shorter than that of a weight of spatial shape ", a.kernel, ", ", int64_t(window),
           " long with its dilation");
    }
    out.push_back(int64_t((length - window) / a.stride[d]) + 1);
  }
  return out;
}

Shape conv_shape(const char* name, const ConvAttrs& a, const Shape& input, const Shape& weight) {
  if (input.size() != weight.size()) {
    fail(Code::value, name, "an input of shape ", input, " and a weight of shape ", weight,
         " differ in the number of axes");
  }
  check_axes(name, a, input);
  if (spatial(weight) != a.kernel) {
    fail(Code::value, name, "a weight of shape ", weight, " has not the spatial shape ", a.kernel);
  }
  int64_t channels = input.back(), out = weight[0];
  if (channels % a.groups != 0 || channels / a.groups != weight.back()) {
    fail(Code::value, name, "the ", channels, " channels of an input of shape ", input, " in ", a.groups,
         " groups do not fit a weight of shape ", weight, " (C_out, spatial..., C_in / groups)");
  }
  if (out % a.groups != 0) {
    fail(Code::value, name, "the ", out, " output channels of a weight of shape ", weight,
         " cannot be shared by ", a.groups, " groups");
  }
  Shape shape = around(input[0], result_axes(name, a, input), out);
  elements(name, shape);
  return shape;
}

void require_dtypes(const char* name, std::span<const array> in) {
  if (in[0].dtype() != in[1].dtype() || !is_inexact(in[0].dtype()))
    fail(Code::value, name, "has no kernel for ", in[0].dtype(), " and ", in[1].dtype());
}

void infer_conv(const Attrs* attrs, std::span<const array> in, Avals& out) {
  require_dtypes("conv", in);
  const auto& a = attrs_as<ConvAttrs>(attrs);
  out.push_back({conv_shape("conv", a, in[0].shape(), in[1].shape()), in[0].dtype()});
}

void infer_conv_weight(const Attrs* attrs, std::span<const array> in, Avals& out) {
  require_dtypes("conv_weight", in);
  const auto& a = attrs_as<ConvAttrs>(attrs);
  const Shape &input = in[0].shape(), &result = in[1].shape();
  check_axes("conv_weight", a, input);
  if (input.back() % a.groups != 0 || result.back() % a.groups != 0 ||
      result != around(input[0], result_axes("conv_weight", a, input), result.back())) {
    fail(Code::value, "conv_weight", "an input of shape ", input, " in ", a.groups,
         " groups has no result of shape ", result);
  }
  out.push_back({around(result.back(), a.kernel, input.back() / a.groups), in[0].dtype()});
}

// ---- gradients ----

Ref<const Attrs> with_groups(const ConvAttrs& a, int64_t groups) {
  return make_attrs<ConvAttrs>(a.stride, a.padding_low, a.padding_high, a.kernel_dilation, a.input_dilation,
                               a.kernel, groups, a.flip);
}

array dual(const array& a) { return is_complex(a.dtype()) ? conj(a) : a; }

// C_out and C_in exchanged in each group: (C_in, K..., C_out / groups).
array exchanged(const array& w, int64_t groups) {
  Shape kernel = spatial(w.shape());
  int64_t out = w.shape(0) / groups, in = w.shape(-1);
  Shape parts = around(out, kernel, in);
  parts.insert(parts.begin(), groups);
  return reshape(swapaxes(reshape(w, parts), 1, -1), around(groups * in, kernel, out));
}

// The gradient of an input of shape `target`, where g is that of the result.
array to_input(const ConvAttrs& a, const Shape& target, const array& g, const array& w) {
  if (elements(target) == 0 || g.size() == 0) return zeros(target, g.dtype());
  Shape low, high;
  for (size_t d = 0; d < a.kernel.size(); d++) {
    int64_t length = int64_t(extent(target[d + 1], a.input_dilation[d]));
    low.push_back((a.kernel[d] - 1) * a.kernel_dilation[d] - a.padding_low[d]);
    high.push_back(length - 1 - (g.shape()[d + 1] - 1) * a.stride[d] + a.padding_low[d]);
  }
  auto attrs = make_attrs<ConvAttrs>(a.input_dilation, low, high, a.kernel_dilation, a.stride, a.kernel,
                                     a.groups, !a.flip);
  return make(op::conv, attrs, {g, exchanged(w, a.groups)});
}

std::vector<MaybeArray> conv_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ConvAttrs>(c.attrs);
  const array &x = c.inputs[0], &w = c.inputs[1], &g = c.cotangents[0];
  std::vector<MaybeArray> grads(2);
  if (c.wanted[0]) grads[0] = to_input(a, x.shape(), g, dual(w));
  if (c.wanted[1]) grads[1] = make(op::conv_weight, Ref<const Attrs>(c.attrs), {dual(x), g});
  return grads;
}

std::vector<MaybeArray> conv_weight_vjp(const VjpContext& c) {
  const auto& a = attrs_as<ConvAttrs>(c.attrs);
  const array &x = c.inputs[0], &y = c.inputs[1], &g = c.cotangents[0];
  std::vector<MaybeArray> grads(2);
  if (c.wanted[0]) grads[0] = to_input(a, x.shape(), dual(y), g);
  if (c.wanted[1]) grads[1] = make(op::conv, Ref<const Attrs>(c.attrs), {dual(x), g});
  return grads;
}

// Both are linear in each of their inputs.
template <const Op& kOp>
std::vector<MaybeArray> bilinear_jvp(const JvpContext& c) {
  MaybeArray out;
  if (c.tangents[0]) out = make(kOp, Ref<const Attrs>(c.attrs), {*c.tangents[0], c.inputs[1]});
  if (c.tangents[1]) {
    array other = make(kOp, Ref<const Attrs>(c.attrs), {c.inputs[0], *c.tangents[1]});
    out = out ? *out + other : other;
  }
  return {out};
}

// ---- batches ----

// Axis 0 joined with axis 1, or an axis of that length taken out in front.
array join_front(const array& a) {
  Shape shape(a.shape().begin() + 1, a.shape().end());
  shape[0] *= a.shape(0);
  return reshape(a, shape);
}
array split_axis(const array& a, int axis, int64_t outer) {
  Shape parts{outer, a.shape(axis) / outer};
  return unflatten(a, axis, parts);
}
// The batch (axis 0) as the outer part of the channels: (B, N, ..., C) becomes (N, ..., B * C).
array into_channels(const array& a) { return flatten(moveaxis(a, 0, -2), -2, -1); }
array out_of_channels(const array& a, int64_t batch) { return moveaxis(split_axis(a, -1, batch), -2, 0); }

// A batch of inputs is more of them; a batch of weights more output channels of each group; both are more groups.
std::vector<array> conv_vmap(const VmapContext& c) {
  const auto& a = attrs_as<ConvAttrs>(c.attrs);
  const array &x = c.inputs[0], &w = c.inputs[1];
  if (c.batch == 0) {
    auto one = [&](int i) {
      const Shape& s = c.inputs[i].shape();
      return Shape(s.begin() + c.batched[i], s.end());
    };
    Shape shape = conv_shape("conv", a, one(0), one(1));
    shape.insert(shape.begin(), 0);
    return {zeros(shape, x.dtype())};
  }
  if (!c.batched[1]) {
    array out = make(op::conv, Ref<const Attrs>(c.attrs), {join_front(x), w});
    return {split_axis(out, 0, c.batch)};
  }
  if (!c.batched[0]) {
    array all = join_front(join_front(moveaxis(split_axis(w, 1, a.groups), 0, 1)));
    array out = make(op::conv, Ref<const Attrs>(c.attrs), {x, all});
    out = split_axis(split_axis(out, -1, a.groups), -1, c.batch);  // (..., groups, B, C)
    return {flatten(moveaxis(out, -2, 0), -2, -1)};
  }
  array out = make(op::conv, with_groups(a, a.groups * c.batch), {into_channels(x), join_front(w)});
  return {out_of_channels(out, c.batch)};
}

std::vector<array> conv_weight_vmap(const VmapContext& c) {
  const auto& a = attrs_as<ConvAttrs>(c.attrs);
  array x = c.with_batch(0), y = c.with_batch(1);
  if (c.batch == 0) {
    Shape shape = around(y.shape(-1), a.kernel, x.shape(-1) / a.groups);
    shape.insert(shape.begin(), 0);
    return {zeros(shape, x.dtype())};
  }
  x = into_channels(x), y = into_channels(y);
  return {split_axis(make(op::conv_weight, with_groups(a, a.groups * c.batch), {x, y}), 0, c.batch)};
}

}  // namespace

namespace op {
const Op conv{.name = "conv",
              .infer = infer_conv,
              .vjp = conv_vjp,
              .jvp = bilinear_jvp<conv>,
              .vmap = conv_vmap,
              .read_attrs = ConvAttrs::read,
              .least_inputs = 2};
const Op conv_weight{.name = "conv_weight",
                     .infer = infer_conv_weight,
                     .vjp = conv_weight_vjp,
                     .jvp = bilinear_jvp<conv_weight>,
                     .vmap = conv_weight_vmap,
                     .read_attrs = ConvAttrs::read,
                     .least_inputs = 2};
}  // namespace op

namespace {

// ---- arguments ----

array convolution(const char* name, const array& x, const array& w, const ConvAttrs& a) {
  Dtype dtype = promote(x.dtype(), w.dtype());
  if (!is_inexact(x.dtype()) || !is_inexact(w.dtype())) {
    fail(Code::value, name, "takes floating types, got ", x.dtype(), " and ", w.dtype());
  }
  conv_shape(name, a, x.shape(), w.shape());  // for its errors, in the name of what was called
  auto attrs = make_attrs<ConvAttrs>(a.stride, a.padding_low, a.padding_high, a.kernel_dilation,
                                     a.input_dilation, a.kernel, a.groups, a.flip);
  return make(op::conv, attrs, {astype(x, dtype), astype(w, dtype)});
}

// The weight's spatial shape. Errors about the number of axes are those of `dims` (0: any).
Shape kernel_of(const char* name, const array& x, const array& w, size_t dims) {
  if (x.ndim() != w.ndim() || (dims ? x.ndim() != dims + 2 : x.ndim() < 3 || x.ndim() > 5)) {
    fail(Code::value, name, "shapes ", x.shape(), " and ", w.shape(),
         " are not (N, spatial..., C_in) and (C_out, spatial..., C_in / groups) with ", dims ? dims : 1,
         dims ? "" : " to 3", " spatial axes");
  }
  return spatial(w.shape());
}

Shape per_axis(const char* name, const char* what, const std::vector<int64_t>& values, size_t dims) {
  if (values.size() == dims) return Shape(values.begin(), values.end());
  if (values.size() == 1) return Shape(dims, values[0]);
  fail(Code::value, name, what, " ", Shape(values.begin(), values.end()), " has not one number for each of ",
       dims, " spatial axes");
}
Shape numbers(int64_t a) { return {a}; }
Shape numbers(const std::pair<int64_t, int64_t>& a) { return {a.first, a.second}; }
Shape numbers(const std::array<int64_t, 3>& a) { return {a[0], a[1], a[2]}; }

template <class Numbers>
array plain(const char* name, const array& x, const array& w, const Numbers& stride, const Numbers& padding,
            const Numbers& dilation, int64_t groups, StreamOrDevice s) {
  StreamScope scope(s);
  Shape around = numbers(padding);
  size_t dims = around.size();
  ConvAttrs a;
  a.stride = numbers(stride);
  a.padding_low = a.padding_high = around;
  a.kernel_dilation = numbers(dilation);
  a.input_dilation = Shape(dims, 1);
  a.kernel = kernel_of(name, x, w, dims);
  a.groups = groups;
  a.flip = false;
  return convolution(name, x, w, a);
}

template <class Numbers>
array transposed(const char* name, const array& x, const array& w, const Numbers& stride,
                 const Numbers& padding, const Numbers& dilation, const Numbers& output_padding,
                 int64_t groups, StreamOrDevice s) {
  StreamScope scope(s);
  Shape left_out = numbers(padding), more = numbers(output_padding);
  size_t dims = more.size();
  ConvAttrs a;
  a.stride = Shape(dims, 1);
  a.kernel_dilation = numbers(dilation);
  a.input_dilation = numbers(stride);
  a.kernel = kernel_of(name, x, w, dims);
  check_positive(name, "strides", a.input_dilation);
  check_positive(name, "kernel dilations", a.kernel_dilation);
  for (size_t d = 0; d < dims; d++) {
    Wide window = extent(a.kernel[d], a.kernel_dilation[d]) - 1;
    if (window > kLongest || too_large(left_out[d]) || too_large(more[d])) {
      fail(Code::value, name, "dilations ", a.kernel_dilation, ", paddings ", left_out,
           " or output paddings ", more, " are too large");
    }
    a.padding_low.push_back(int64_t(window) - left_out[d]);
    a.padding_high.push_back(a.padding_low[d] + more[d]);
  }
  a.groups = groups;
  a.flip = true;
  return convolution(name, x, w, a);
}

}  // namespace

array conv_general(const array& input, const array& weight, const std::vector<int64_t>& stride,
                   const ConvPadding& padding, const std::vector<int64_t>& kernel_dilation,
                   const std::vector<int64_t>& input_dilation, int64_t groups, bool flip, StreamOrDevice s) {
  constexpr const char* kName = "conv_general";
  StreamScope scope(s);
  ConvAttrs a;
  a.kernel = kernel_of(kName, input, weight, 0);
  size_t dims = a.kernel.size();
  auto axes = [&](const char* what, const std::vector<int64_t>& v) { return per_axis(kName, what, v, dims); };
  a.stride = axes("stride", stride);
  if (const auto* both = std::get_if<2>(&padding)) {
    if (both->size() != 2) fail(Code::value, kName, "padding must be two lists, got ", both->size());
    a.padding_low = axes("padding", (*both)[0]);
    a.padding_high = axes("padding", (*both)[1]);
  } else {
    const auto* list = std::get_if<1>(&padding);
    a.padding_low = list ? axes("padding", *list) : Shape(dims, std::get<0>(padding));
    a.padding_high = a.padding_low;
  }
  a.kernel_dilation = axes("kernel_dilation", kernel_dilation);
  a.input_dilation = axes("input_dilation", input_dilation);
  a.groups = groups;
  a.flip = flip;
  return convolution(kName, input, weight, a);
}

array conv1d(const array& input, const array& weight, int64_t stride, int64_t padding, int64_t dilation,
             int64_t groups, StreamOrDevice s) {
  return plain("conv1d", input, weight, stride, padding, dilation, groups, s);
}

array conv2d(const array& input, const array& weight, const std::pair<int64_t, int64_t>& stride,
             const std::pair<int64_t, int64_t>& padding, const std::pair<int64_t, int64_t>& dilation,
             int64_t groups, StreamOrDevice s) {
  return plain("conv2d", input, weight, stride, padding, dilation, groups, s);
}

array conv3d(const array& input, const array& weight, const std::array<int64_t, 3>& stride,
             const std::array<int64_t, 3>& padding, const std::array<int64_t, 3>& dilation, int64_t groups,
             StreamOrDevice s) {
  return plain("conv3d", input, weight, stride, padding, dilation, groups, s);
}

array conv_transpose1d(const array& input, const array& weight, int64_t stride, int64_t padding,
                       int64_t dilation, int64_t output_padding, int64_t groups, StreamOrDevice s) {
  return transposed("conv_transpose1d", input, weight, stride, padding, dilation, output_padding, groups, s);
}

array conv_transpose2d(const array& input, const array& weight, const std::pair<int64_t, int64_t>& stride,
                       const std::pair<int64_t, int64_t>& padding,
                       const std::pair<int64_t, int64_t>& dilation,
                       const std::pair<int64_t, int64_t>& output_padding, int64_t groups, StreamOrDevice s) {
  return transposed("conv_transpose2d", input, weight, stride, padding, dilation, output_padding, groups, s);
}

array conv_transpose3d(const array& input, const array& weight, const std::array<int64_t, 3>& stride,
                       const std::array<int64_t, 3>& padding, const std::array<int64_t, 3>& dilation,
                       const std::array<int64_t, 3>& output_padding, int64_t groups, StreamOrDevice s) {
  return transposed("conv_transpose3d", input, weight, stride, padding, dilation, output_padding, groups, s);
}

array convolve(const array& a, const array& v, const std::string& mode, StreamOrDevice s) {
  constexpr const char* kName = "convolve";
  StreamScope scope(s);
  if (a.ndim() != 1 || v.ndim() != 1) {
    fail(Code::value, kName, "takes arrays of one axis, got shapes ", a.shape(), " and ", v.shape());
  }
  if (a.size() == 0 || v.size() == 0) {
    fail(Code::value, kName, "one of the arrays of shapes ", a.shape(), " and ", v.shape(), " is empty");
  }
  const array &x = a.size() < v.size() ? v : a, &w = a.size() < v.size() ? a : v;
  int64_t k = w.size();
  ConvAttrs attrs;
  if (mode == "full") {
    attrs.padding_low = attrs.padding_high = {k - 1};
  } else if (mode == "same") {
    attrs.padding_low = {k / 2};
    attrs.padding_high = {k - 1 - k / 2};
  } else if (mode == "valid") {
    attrs.padding_low = attrs.padding_high = {0};
  } else {
    fail(Code::value, kName, "mode must be \"full\", \"same\" or \"valid\", got \"", mode, "\"");
  }
  attrs.stride = attrs.kernel_dilation = attrs.input_dilation = {1};
  attrs.kernel = {k};
  attrs.groups = 1;
  attrs.flip = true;
  return reshape(convolution(kName, reshape(x, {1, -1, 1}), reshape(w, {1, -1, 1}), attrs), {-1});
}

}  // namespace melix
