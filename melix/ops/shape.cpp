// Rules of the operations that are other windows on the same elements.
#include "melix/ops/shape.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "melix/ops/elementwise.h"
#include "melix/ops/scatter.h"

namespace melix {
namespace {

struct ShapeAttrs : Attributes<ShapeAttrs> {
  Shape shape;  // for reshape one dimension may be -1
  static constexpr auto fields() { return std::tuple{field("shape", &ShapeAttrs::shape)}; }
};

struct TransposeAttrs : Attributes<TransposeAttrs> {
  Axes axes;
  static constexpr auto fields() { return std::tuple{field("axes", &TransposeAttrs::axes)}; }
};

struct StridedAttrs : Attributes<StridedAttrs> {
  Shape shape;
  Shape strides;
  int64_t offset;
  static constexpr auto fields() {
    return std::tuple{field("shape", &StridedAttrs::shape), field("strides", &StridedAttrs::strides),
                      field("offset", &StridedAttrs::offset)};
  }
};

struct ViewAttrs : Attributes<ViewAttrs> {
  Dtype dtype;
  static constexpr auto fields() { return std::tuple{field("dtype", &ViewAttrs::dtype)}; }
};

Shape with_batch(int64_t batch, const Shape& shape) {
  Shape out(1, batch);
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

void infer_same(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({in[0].shape(), in[0].dtype()});
}
bool view_same(const Attrs*, std::span<const View> in, std::span<View> out) {
  out[0] = in[0];
  return true;
}

// ---- reshape ----

Shape resolve(const char* op, const Shape& from, const Shape& requested) {
  Shape shape = requested;
  int64_t known = 1;
  int missing = -1;
  for (uint32_t i = 0; i < shape.size(); i++) {
    if (shape[i] == -1) {
      if (missing >= 0) fail(Code::value, op, "only one dimension can be -1, got ", requested);
      missing = int(i);
    } else if (shape[i] < 0 || __builtin_mul_overflow(known, shape[i], &known)) {
      fail(Code::value, op, "not a shape: ", requested);
    }
  }
  int64_t n = elements(from);
  if (missing >= 0 && known != 0 && n % known == 0) {
    shape[uint32_t(missing)] = n / known;
    known = n;
  }
  if (known != n || (missing >= 0 && shape[uint32_t(missing)] < 0)) {
    fail(Code::value, op, "cannot reshape array of shape ", from, " and size ", n, " into shape ", requested);
  }
  return shape;
}

void infer_reshape(const Attrs* attrs, std::span<const array> in, Avals& out) {
  out.push_back({resolve("reshape", in[0].shape(), attrs_as<ShapeAttrs>(attrs).shape), in[0].dtype()});
}

// Splits the new shape over groups of dimensions that the old strides walk in one go.
bool view_reshape(const Attrs*, std::span<const View> in, std::span<View> out) {
  View& result = out[0];
  const View& from = in[0];
  Strides strides(result.shape.size(), 1);
  if (from.size() == 0 || from.row_major()) {
    strides = row_major(result.shape);
  } else {
    Shape shape = from.shape;
    Strides old[1] = {from.strides};
    collapse(shape, old);
    uint32_t group = shape.size();  // walks groups from the innermost
    int64_t left = 1, step = 0;
    for (uint32_t i = result.shape.size(); i-- > 0;) {
      if (result.shape[i] == 1) continue;
      if (left == 1) {
        group--;
        left = shape[group];
        step = old[0][group];
      }
      if (left % result.shape[i] != 0) return false;
      strides[i] = step;
      step *= result.shape[i];
      left /= result.shape[i];
    }
  }
  result.buffer = from.buffer;
  result.offset = from.offset;
  result.strides = std::move(strides);
  return true;
}

std::vector<MaybeArray> reshape_vjp(const VjpContext& c) {
  return {reshape(c.cotangents[0], c.inputs[0].shape())};
}

std::vector<array> reshape_vmap(const VmapContext& c) {
  Shape per_example(c.inputs[0].shape().begin() + 1, c.inputs[0].shape().end());
  Shape shape = resolve("reshape", per_example, attrs_as<ShapeAttrs>(c.attrs).shape);
  return {reshape(c.inputs[0], with_batch(c.batch, shape))};
}

// ---- transpose ----

void infer_transpose(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const Axes& axes = attrs_as<TransposeAttrs>(attrs).axes;
  Shape shape;
  uint64_t seen = 0;  // a bit for each axis
  for (int axis : axes) {
    if (axis < 0 || axis >= int(in[0].ndim())) break;
    seen |= uint64_t(1) << axis;
    shape.push_back(in[0].shape()[uint32_t(axis)]);
  }
  if (axes.size() != in[0].ndim() || std::popcount(seen) != int(axes.size())) {
    fail(Code::value, "transpose", "axes ", to_string(std::vector<int64_t>(axes.begin(), axes.end())),
         " are no order of those of shape ", in[0].shape());
  }
  out.push_back({std::move(shape), in[0].dtype()});
}

bool view_transpose(const Attrs* attrs, std::span<const View> in, std::span<View> out) {
  out[0].buffer = in[0].buffer;
  out[0].offset = in[0].offset;
  out[0].strides.clear();
  for (int axis : attrs_as<TransposeAttrs>(attrs).axes)
    out[0].strides.push_back(in[0].strides[uint32_t(axis)]);
  return true;
}

std::vector<MaybeArray> transpose_vjp(const VjpContext& c) {
  const Axes& axes = attrs_as<TransposeAttrs>(c.attrs).axes;
  std::vector<int> inverse(axes.size());
  for (uint32_t i = 0; i < axes.size(); i++) inverse[size_t(axes[i])] = int(i);
  return {transpose(c.cotangents[0], inverse)};
}

std::vector<array> transpose_vmap(const VmapContext& c) {
  std::vector<int> axes = {0};
  for (int axis : attrs_as<TransposeAttrs>(c.attrs).axes) axes.push_back(axis + 1);
  return {transpose(c.inputs[0], axes)};
}

// ---- broadcast_to ----

void infer_broadcast(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const Shape& shape = attrs_as<ShapeAttrs>(attrs).shape;
  if (in[0].ndim() > shape.size() || broadcast("broadcast_to", in[0].shape(), shape) != shape) {
    fail(Code::value, "broadcast_to", "shape ", in[0].shape(), " cannot be broadcast to ", shape);
  }
  out.push_back({shape, in[0].dtype()});
}

bool view_broadcast(const Attrs*, std::span<const View> in, std::span<View> out) {
  out[0].buffer = in[0].buffer;
  out[0].offset = in[0].offset;
  out[0].strides = broadcast_strides(in[0].shape, in[0].strides, out[0].shape);
  return true;
}

std::vector<MaybeArray> broadcast_vjp(const VjpContext& c) {
  return {sum_to(c.cotangents[0], c.inputs[0].shape())};
}

std::vector<array> broadcast_vmap(const VmapContext& c) {
  const Shape& target = attrs_as<ShapeAttrs>(c.attrs).shape;
  const Shape& from = c.inputs[0].shape();
  Shape aligned(1, c.batch);
  aligned.resize(uint32_t(1 + target.size() - (from.size() - 1)), 1);
  aligned.insert(aligned.end(), from.begin() + 1, from.end());
  return {broadcast_to(reshape(c.inputs[0], aligned), with_batch(c.batch, target))};
}

// ---- identity, stop_gradient, contiguous ----

std::vector<MaybeArray> identity_vjp(const VjpContext& c) { return {c.cotangents[0]}; }
std::vector<MaybeArray> no_gradient(const VjpContext&) { return {std::nullopt}; }
std::vector<MaybeArray> no_tangent(const JvpContext&) { return {std::nullopt}; }

template <const Op& kOp>
std::vector<array> same_vmap(const VmapContext& c) {
  return {make(kOp, Ref<const Attrs>(c.attrs), {c.inputs[0]})};
}

template <const Op& kOp>
std::vector<MaybeArray> same_jvp(const JvpContext& c) {
  return linear_jvp(kOp, c);
}

bool view_contiguous(const Attrs*, std::span<const View> in, std::span<View> out) {
  if (!in[0].row_major()) return false;
  out[0] = in[0];
  return true;
}

// ---- as_strided ----

void infer_strided(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<StridedAttrs>(attrs);
  if (a.shape.size() != a.strides.size())
    fail(Code::value, "as_strided", "shape ", a.shape, " and strides ", a.strides, " differ in length");
  int64_t n = elements("as_strided", a.shape), lowest = a.offset, highest = a.offset;
  bool overflow = false;
  for (uint32_t i = 0; i < a.shape.size() && n > 0; i++) {
    int64_t reach;
    overflow |= __builtin_mul_overflow(a.shape[i] - 1, a.strides[i], &reach);
    overflow |= __builtin_add_overflow(reach < 0 ? lowest : highest, reach, reach < 0 ? &lowest : &highest);
  }
  if (n > 0 && (overflow || lowest < 0 || highest >= in[0].size())) {
    fail(Code::value, "as_strided", "shape ", a.shape, " with strides ", a.strides, " and offset ", a.offset,
         " reaches outside of the ", in[0].size(), " elements");
  }
  out.push_back({a.shape, in[0].dtype()});
}

bool view_strided(const Attrs* attrs, std::span<const View> in, std::span<View> out) {
  if (!in[0].row_major()) return false;
  const auto& a = attrs_as<StridedAttrs>(attrs);
  out[0].buffer = in[0].buffer;
  out[0].offset = in[0].offset + a.offset;
  out[0].strides.assign(a.strides.begin(), a.strides.end());
  return true;
}

// The elements that the window reads, as numbers of elements of the flat array.
array window_indices(const StridedAttrs& a) {
  array index(a.offset, int64);
  for (uint32_t i = 0; i < a.shape.size(); i++) {
    Shape along(a.shape.size(), 1);
    along[i] = a.shape[i];
    std::vector<int64_t> steps(size_t(a.shape[i]));
    for (size_t k = 0; k < steps.size(); k++) steps[k] = int64_t(k) * a.strides[i];
    index = index + array(steps.data(), along, int64);
  }
  return broadcast_to(index, a.shape);
}

std::vector<MaybeArray> strided_vjp(const VjpContext& c) {
  const auto& a = attrs_as<StridedAttrs>(c.attrs);
  array flat = broadcast_to(array(int64_t(0), c.cotangents[0].dtype()), {c.inputs[0].size()});
  array grad = scatter_add_flat(flat, reshape(window_indices(a), {-1}), reshape(c.cotangents[0], {-1}));
  return {reshape(grad, c.inputs[0].shape())};
}

std::vector<array> strided_vmap(const VmapContext& c) {
  const auto& a = attrs_as<StridedAttrs>(c.attrs);
  Shape strides(1, c.inputs[0].size() / std::max<int64_t>(c.batch, 1));
  strides.insert(strides.end(), a.strides.begin(), a.strides.end());
  return {as_strided(c.inputs[0], with_batch(c.batch, a.shape), strides, a.offset)};
}

// ---- view ----

void infer_view(const Attrs* attrs, std::span<const array> in, Avals& out) {
  Dtype dtype = attrs_as<ViewAttrs>(attrs).dtype;
  Shape shape = in[0].shape();
  size_t from = in[0].itemsize(), to = size_of(dtype);
  if (from != to) {
    if (shape.empty()) fail(Code::value, "view", "a scalar of ", in[0].dtype(), " cannot be seen as ", dtype);
    int64_t bytes = shape.back() * int64_t(from);
    if (bytes % int64_t(to) != 0) {
      fail(Code::value, "view", "the last axis of shape ", shape, " of ", in[0].dtype(),
           " is no multiple of ", dtype);
    }
    shape.back() = bytes / int64_t(to);
  }
  out.push_back({std::move(shape), dtype});
}

bool view_view(const Attrs*, std::span<const View> in, std::span<View> out) {
  size_t from = size_of(in[0].dtype), to = size_of(out[0].dtype);
  bool same = from == to;
  if (!same && !in[0].row_major()) return false;
  if (in[0].offset * int64_t(from) % int64_t(to) != 0) return false;
  out[0].buffer = in[0].buffer;
  out[0].offset = in[0].offset * int64_t(from) / int64_t(to);
  out[0].strides = same ? in[0].strides : row_major(out[0].shape);
  return true;
}

std::vector<array> view_vmap(const VmapContext& c) {
  return {view(c.inputs[0], attrs_as<ViewAttrs>(c.attrs).dtype)};
}

}  // namespace

namespace op {
const Op reshape{.name = "reshape",
                 .kind = OpClass::view,
                 .infer = infer_reshape,
                 .vjp = reshape_vjp,
                 .jvp = [](const JvpContext& c) -> std::vector<MaybeArray> {
                   if (!c.tangents[0]) return {std::nullopt};
                   return {melix::reshape(*c.tangents[0], c.outputs[0].shape())};
                 },
                 .vmap = reshape_vmap,
                 .view = view_reshape,
                 .read_attrs = ShapeAttrs::read};
const Op transpose{.name = "transpose",
                   .kind = OpClass::view,
                   .infer = infer_transpose,
                   .vjp = transpose_vjp,
                   .jvp = same_jvp<transpose>,
                   .vmap = transpose_vmap,
                   .view = view_transpose,
                   .read_attrs = TransposeAttrs::read};
const Op broadcast_to{.name = "broadcast_to",
                      .kind = OpClass::view,
                      .infer = infer_broadcast,
                      .vjp = broadcast_vjp,
                      .jvp = same_jvp<broadcast_to>,
                      .vmap = broadcast_vmap,
                      .view = view_broadcast,
                      .read_attrs = ShapeAttrs::read};
const Op identity{.name = "identity",
                  .kind = OpClass::view,
                  .infer = infer_same,
                  .vjp = identity_vjp,
                  .jvp = same_jvp<identity>,
                  .vmap = same_vmap<identity>,
                  .view = view_same};
const Op stop_gradient{.name = "stop_gradient",
                       .kind = OpClass::view,
                       .infer = infer_same,
                       .vjp = no_gradient,
                       .jvp = no_tangent,
                       .vmap = same_vmap<stop_gradient>,
                       .view = view_same};
const Op contiguous{.name = "contiguous",
                    .kind = OpClass::view,
                    .infer = infer_same,
                    .vjp = identity_vjp,
                    .jvp = same_jvp<contiguous>,
                    .vmap = same_vmap<contiguous>,
                    .view = view_contiguous};
const Op as_strided{.name = "as_strided",
                    .kind = OpClass::view,
                    .infer = infer_strided,
                    .vjp = strided_vjp,
                    .jvp = same_jvp<as_strided>,
                    .vmap = strided_vmap,
                    .view = view_strided,
                    .read_attrs = StridedAttrs::read};
const Op view{.name = "view",
              .kind = OpClass::view,
              .infer = infer_view,
              .vjp = no_gradient,
              .jvp = no_tangent,
              .vmap = view_vmap,
              .view = view_view,
              .read_attrs = ViewAttrs::read};
}  // namespace op

array reshape(const array& a, const Shape& shape, StreamOrDevice s) {
  if (a.shape() == shape) return a;
  return make(op::reshape, make_attrs<ShapeAttrs>(shape), {a}, s);
}

array transpose(const array& a, const std::optional<std::vector<int>>& given, StreamOrDevice s) {
  Axes axes = all_axes(a.ndim());
  if (given) {
    if (given->size() != a.ndim()) {
      fail(Code::value, "transpose", "got ", given->size(), " axes for an array of ", a.ndim(),
           " dimensions");
    }
    normal_axes("transpose", *given, a.shape());  // rejects repeats
    for (uint32_t i = 0; i < axes.size(); i++) axes[i] = normal_axis("transpose", (*given)[i], a.shape());
  } else {
    std::reverse(axes.begin(), axes.end());
  }
  if (std::is_sorted(axes.begin(), axes.end())) return a;
  return make(op::transpose, make_attrs<TransposeAttrs>(std::move(axes)), {a}, s);
}

array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s) {
  if (a.shape() == shape) return a;
  elements("broadcast_to", shape);
  return make(op::broadcast_to, make_attrs<ShapeAttrs>(shape), {a}, s);
}

Shape broadcast_shapes(const std::vector<Shape>& shapes) {
  Shape out;
  for (const Shape& shape : shapes) out = broadcast("broadcast_shapes", out, shape);
  return out;
}

std::vector<array> broadcast_arrays(const std::vector<array>& arrays, StreamOrDevice s) {
  Shape shape;
  for (const array& a : arrays) shape = broadcast("broadcast_arrays", shape, a.shape());
  std::vector<array> out;
  for (const array& a : arrays) out.push_back(broadcast_to(a, shape, s));
  return out;
}

array flatten(const array& a, int start_axis, int end_axis, StreamOrDevice s) {
  if (a.ndim() == 0) return reshape(a, {1}, s);
  int first = normal_axis("flatten", start_axis, a.shape()),
      last = normal_axis("flatten", end_axis, a.shape());
  if (first > last)
    fail(Code::value, "flatten", "start axis ", start_axis, " comes after end axis ", end_axis);
  Shape shape(a.shape().begin(), a.shape().begin() + first);
  shape.push_back(
      elements(std::span<const int64_t>(a.shape()).subspan(size_t(first), size_t(last - first + 1))));
  shape.insert(shape.end(), a.shape().begin() + last + 1, a.shape().end());
  return reshape(a, shape, s);
}

array unflatten(const array& a, int axis, const Shape& shape, StreamOrDevice s) {
  if (shape.empty()) fail(Code::value, "unflatten", "the shape of the axis is empty");
  int at = normal_axis("unflatten", axis, a.shape());
  Shape part = resolve("unflatten", Shape(1, a.shape()[uint32_t(at)]), shape);
  Shape out(a.shape().begin(), a.shape().begin() + at);
  out.insert(out.end(), part.begin(), part.end());
  out.insert(out.end(), a.shape().begin() + at + 1, a.shape().end());
  return reshape(a, out, s);
}

array squeeze(const array& a, const std::optional<std::vector<int>>& axis, StreamOrDevice s) {
  Shape shape;
  if (axis) {
    Axes axes = normal_axes("squeeze", *axis, a.shape());
    for (uint32_t i = 0, k = 0; i < a.ndim(); i++) {
      if (k < axes.size() && axes[k] == int(i)) {
        if (a.shape()[i] != 1)
          fail(Code::value, "squeeze", "axis ", i, " of shape ", a.shape(), " is not of length 1");
        k++;
      } else {
        shape.push_back(a.shape()[i]);
      }
    }
  } else {
    for (int64_t d : a.shape()) {
      if (d != 1) shape.push_back(d);
    }
  }
  return reshape(a, shape, s);
}

array expand_dims(const array& a, const std::vector<int>& axis, StreamOrDevice s) {
  Shape result(uint32_t(a.ndim() + axis.size()), 1);
  Axes axes = normal_axes("expand_dims", axis, result);
  for (uint32_t i = 0, k = 0; i < result.size(); i++) {
    bool added = std::find(axes.begin(), axes.end(), int(i)) != axes.end();
    if (!added) result[i] = a.shape()[k++];
  }
  return reshape(a, result, s);
}

array moveaxis(const array& a, int source, int destination, StreamOrDevice s) {
  int from = normal_axis("moveaxis", source, a.shape()), to = normal_axis("moveaxis", destination, a.shape());
  std::vector<int> axes(a.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return transpose(a, axes, s);
}

array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s) {
  std::vector<int> axes(a.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[size_t(normal_axis("swapaxes", axis1, a.shape()))],
            axes[size_t(normal_axis("swapaxes", axis2, a.shape()))]);
  return transpose(a, axes, s);
}

array atleast_1d(const array& a, StreamOrDevice s) { return a.ndim() >= 1 ? a : reshape(a, {1}, s); }

array atleast_2d(const array& a, StreamOrDevice s) {
  if (a.ndim() >= 2) return a;
  return reshape(a, a.ndim() == 0 ? Shape{1, 1} : Shape{1, a.shape()[0]}, s);
}

array atleast_3d(const array& a, StreamOrDevice s) {
  switch (a.ndim()) {
    case 0:
      return reshape(a, {1, 1, 1}, s);
    case 1:
      return reshape(a, {1, a.shape()[0], 1}, s);
    case 2:
      return reshape(a, {a.shape()[0], a.shape()[1], 1}, s);
    default:
      return a;
  }
}

array as_strided(const array& a, const std::optional<Shape>& shape, const std::optional<Shape>& strides,
                 int64_t offset, StreamOrDevice s) {
  Shape to = shape.value_or(a.shape());
  Shape steps = strides ? *strides : Shape(row_major(to));
  return make(op::as_strided, make_attrs<StridedAttrs>(to, steps, offset), {a}, s);
}

array view(const array& a, Dtype dtype, StreamOrDevice s) {
  if (a.dtype() == dtype) return a;
  return make(op::view, make_attrs<ViewAttrs>(dtype), {a}, s);
}

array contiguous(const array& a, bool, StreamOrDevice s) { return make(op::contiguous, {}, {a}, s); }

array tracer(const array& a) {
  array out = make(op::identity, {}, {a}, a.node().stream);
  out.node().traced = true;
  return out;
}

array stop_gradient(const array& a, StreamOrDevice s) { return make(op::stop_gradient, {}, {a}, s); }

}  // namespace melix
