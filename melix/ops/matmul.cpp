// Rules of the matrix products, and the products that are made of them.
#include "melix/ops/matmul.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "melix/ops/elementwise.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

Shape batch_of(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

Shape joined(Shape batch, std::initializer_list<int64_t> tail) {
  batch.insert(batch.end(), tail);
  return batch;
}

array matrix_transpose(const array& a) { return swapaxes(a, -1, -2); }
array adjoint(const array& a) {
  return is_complex(a.dtype()) ? conj(matrix_transpose(a)) : matrix_transpose(a);
}

Shape product_shape(const char* name, const array& a, const array& b) {
  const Shape &x = a.shape(), &y = b.shape();
  if (a.dtype() != b.dtype()) fail(Code::value, name, "dtypes ", a.dtype(), " and ", b.dtype());
  if (x.size() < 2 || y.size() < 2) fail(Code::value, name, "shapes ", x, " and ", y, " are no matrices");
  if (x.back() != y[y.size() - 2]) {
    fail(Code::value, name, "the last axis of shape ", x, " does not match the last but one of shape ", y);
  }
  return joined(broadcast(name, batch_of(x), batch_of(y)), {x[x.size() - 2], y.back()});
}

void infer_matmul(const Attrs*, std::span<const array> in, Avals& out) {
  out.push_back({product_shape("matmul", in[0], in[1]), in[0].dtype()});
}

void infer_addmm(const Attrs*, std::span<const array> in, Avals& out) {
  Shape shape = product_shape("addmm", in[1], in[2]);
  const Shape& c = in[0].shape();
  if (in[0].dtype() != in[1].dtype() || !is_inexact(in[0].dtype()))
    fail(Code::value, "addmm", "has no kernel for ", in[0].dtype(), " and ", in[1].dtype());
  if (c.size() > shape.size() || broadcast("addmm", c, shape) != shape) {
    fail(Code::value, "addmm", "c of shape ", c, " cannot be broadcast to the product's shape ", shape);
  }
  out.push_back({std::move(shape), in[1].dtype()});
}

// ---- derivatives ----

// The axes before the last two moved behind the first of these and joined with it: (B, M, K) becomes (M, B*K).
array side_by_side(const array& a, const Shape& batch) {
  array wide = broadcast_to(a, joined(batch, {a.shape(-2), a.shape(-1)}));
  return reshape(moveaxis(wide, -2, 0), {a.shape(-2), -1});
}

// Gradient of a factor: x @ y, summed over the batch axes that broadcasting added to the factor of shape `target`.
// Where the factor had no batch at all, the sum is part of one product: K is B*K.
array gradient(const array& x, const array& y, const Shape& target) {
  Shape batch = broadcast("matmul", batch_of(x.shape()), batch_of(y.shape()));
  if (elements(batch_of(target)) == 1 && elements(batch) > 1) {
    array right = matrix_transpose(side_by_side(matrix_transpose(y), batch));
    return reshape(matmul(side_by_side(x, batch), right), target);
  }
  return sum_to(matmul(x, y), target);
}

std::vector<MaybeArray> matmul_vjp(const VjpContext& c) {
  const array &a = c.inputs[0], &b = c.inputs[1], &g = c.cotangents[0];
  std::vector<MaybeArray> grads(2);
  if (!is_inexact(g.dtype())) return grads;
  if (c.wanted[0]) grads[0] = gradient(g, adjoint(b), a.shape());
  if (c.wanted[1]) grads[1] = gradient(adjoint(a), g, b.shape());
  return grads;
}

array times(const array& a, double factor) { return factor == 1 ? a : a * array(factor, a.dtype()); }

std::vector<MaybeArray> addmm_vjp(const VjpContext& c) {
  const auto& at = attrs_as<AddmmAttrs>(c.attrs);
  const array &a = c.inputs[1], &b = c.inputs[2], &g = c.cotangents[0];
  std::vector<MaybeArray> grads(3);
  if (c.wanted[0]) grads[0] = sum_to(times(g, at.beta), c.inputs[0].shape());
  if (c.wanted[1]) grads[1] = times(gradient(g, adjoint(b), a.shape()), at.alpha);
  if (c.wanted[2]) grads[2] = times(gradient(adjoint(a), g, b.shape()), at.alpha);
  return grads;
}

// da @ b + a @ db, of which either may be missing.
MaybeArray product_tangent(const array& a, const array& b, const MaybeArray& da, const MaybeArray& db) {
  MaybeArray out;
  if (da) out = matmul(*da, b);
  if (db) out = out ? addmm(*out, a, *db) : matmul(a, *db);
  return out;
}

std::vector<MaybeArray> matmul_jvp(const JvpContext& c) {
  if (!is_inexact(c.outputs[0].dtype())) return {std::nullopt};
  return {product_tangent(c.inputs[0], c.inputs[1], c.tangents[0], c.tangents[1])};
}

std::vector<MaybeArray> addmm_jvp(const JvpContext& c) {
  const auto& at = attrs_as<AddmmAttrs>(c.attrs);
  MaybeArray out = product_tangent(c.inputs[1], c.inputs[2], c.tangents[1], c.tangents[2]);
  if (out) out = times(*out, at.alpha);
  if (c.tangents[0]) {
    array added = times(*c.tangents[0], at.beta);
    out = out ? *out + added : broadcast_to(added, c.outputs[0].shape());
  }
  return {out};
}

// The batch in front of all axes that broadcast; dimensions of 1 behind it align the rest. An input without a batch
// broadcasts, and the kernel makes one product of it where it can.
Inputs aligned(std::span<const array> inputs, std::span<const bool> batched) {
  size_t ndim = 0;
  for (size_t i = 0; i < inputs.size(); i++) ndim = std::max(ndim, inputs[i].ndim() - batched[i]);
  Inputs out;
  for (size_t i = 0; i < inputs.size(); i++) {
    const array& input = inputs[i];
    if (!batched[i] || input.ndim() - 1 == ndim) {
      out.push_back(input);
      continue;
    }
    Shape shape(1, input.shape(0));
    shape.resize(ndim + 2 - input.ndim(), 1);
    shape.insert(shape.end(), input.shape().begin() + 1, input.shape().end());
    out.push_back(reshape(input, shape));
  }
  return out;
}

std::vector<array> matmul_vmap(const VmapContext& c) {
  return {make(op::matmul, {}, aligned(c.inputs, c.batched))};
}

// With a batch in c alone the product would have none, and c could not be broadcast to it.
std::vector<array> addmm_vmap(const VmapContext& c) {
  bool repeat = !c.batched[1] && !c.batched[2];
  const array inputs[] = {c.inputs[0], repeat ? c.with_batch(1) : c.inputs[1], c.inputs[2]};
  const bool batched[] = {c.batched[0], repeat || c.batched[1], c.batched[2]};
  return {make(op::addmm, Ref<const Attrs>(c.attrs), aligned(inputs, batched))};
}

// ---- operands of one axis ----

struct Operands {
  array a, b;
  bool row, column;  // axes that were added: M of a, N of b
};

Operands as_matrices(const char* name, const array& a, const array& b, Dtype dtype) {
  if (a.ndim() == 0 || b.ndim() == 0) fail(Code::value, name, "a scalar is no factor of a matrix product");
  Operands out{astype(a, dtype), astype(b, dtype), a.ndim() == 1, b.ndim() == 1};
  if (out.row) out.a = expand_dims(out.a, {0});
  if (out.column) out.b = expand_dims(out.b, {1});
  return out;
}

array without_added(const array& product, const Operands& o) {
  std::vector<int> added;
  if (o.row) added.push_back(-2);
  if (o.column) added.push_back(-1);
  return added.empty() ? product : squeeze(product, added);
}

}  // namespace

namespace op {
const Op matmul{.name = "matmul",
                .infer = infer_matmul,
                .vjp = matmul_vjp,
                .jvp = matmul_jvp,
                .vmap = matmul_vmap,
                .least_inputs = 2,
                .layout = InputLayout::any};
const Op addmm{.name = "addmm",
               .infer = infer_addmm,
               .vjp = addmm_vjp,
               .jvp = addmm_jvp,
               .vmap = addmm_vmap,
               .read_attrs = AddmmAttrs::read,
               .least_inputs = 3,
               .layout = InputLayout::any};
}  // namespace op

array matmul(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  Operands o = as_matrices("matmul", a, b, promote(a.dtype(), b.dtype()));
  return without_added(make(op::matmul, {}, {o.a, o.b}), o);
}

array addmm(const array& c, const array& a, const array& b, double alpha, double beta, StreamOrDevice s) {
  StreamScope scope(s);
  Dtype dtype = promote(c.dtype(), promote(a.dtype(), b.dtype()));
  Operands o = as_matrices("addmm", a, b, dtype);
  if (!is_inexact(dtype)) {
    if (alpha != std::floor(alpha) || beta != std::floor(beta) || std::abs(alpha) > 0x1p62 ||
        std::abs(beta) > 0x1p62) {
      fail(Code::value, "addmm", "alpha ", alpha, " and beta ", beta, " are no numbers of ", dtype);
    }
    array product = matmul(a, b) * array(int64_t(alpha), dtype);
    array added = astype(c, dtype) * array(int64_t(beta), dtype);
    return product + broadcast_to(added, product.shape());
  }
  array added = astype(c, dtype);
  if (c.ndim() + o.row + o.column > std::max(o.a.ndim(), o.b.ndim())) {
    fail(Code::value, "addmm", "c of shape ", c.shape(), " has more axes than the product of ", a.shape(),
         " and ", b.shape());
  }
  if (o.row && added.ndim() > 1) added = expand_dims(added, {o.column ? -1 : -2});
  if (o.column && added.ndim() > 0) added = expand_dims(added, {-1});
  return without_added(make(op::addmm, make_attrs<AddmmAttrs>(alpha, beta), {added, o.a, o.b}), o);
}

array inner(const array& a, const array& b, StreamOrDevice s) {
  if (a.ndim() == 0 || b.ndim() == 0) return multiply(a, b, s);
  if (a.shape(-1) != b.shape(-1)) {
    fail(Code::value, "inner", "the last axes of shapes ", a.shape(), " and ", b.shape(), " differ");
  }
  return tensordot(a, b, std::vector<std::vector<int>>{{-1}, {-1}}, s);
}

array outer(const array& a, const array& b, StreamOrDevice s) {
  return multiply(reshape(a, {a.size(), 1}, s), reshape(b, {b.size()}, s), s);
}

array vecdot(const array& a, const array& b, int axis, StreamOrDevice s) {
  StreamScope scope(s);
  if (a.ndim() == 0 || b.ndim() == 0) fail(Code::value, "vecdot", "a scalar has no axis to sum over");
  int i = normal_axis("vecdot", axis, a.shape()) - int(a.ndim()),
      j = normal_axis("vecdot", axis, b.shape()) - int(b.ndim());
  if (i != j)
    fail(Code::value, "vecdot", "axis ", axis, " of shapes ", a.shape(), " and ", b.shape(),
         " is not the same one");
  if (a.shape(i) != b.shape(j)) {
    fail(Code::value, "vecdot", "shapes ", a.shape(), " and ", b.shape(), " differ along axis ", axis);
  }
  // One pass over both, in which nothing of 16 bits is rounded. Integers wrap as products do, before they are summed.
  Dtype dtype = promote(a.dtype(), b.dtype()), wide = carrier_of(dtype);
  array out = sum(conj(astype(a, wide)) * astype(b, wide), std::vector<int>{i});
  return is_half(dtype) ? astype(out, dtype) : out;
}

array kron(const array& a, const array& b, StreamOrDevice s) {
  StreamScope scope(s);
  size_t ndim = std::max(a.ndim(), b.ndim());
  Shape left, right, shape;  // (a0, 1, a1, 1, ...) times (1, b0, 1, b1, ...)
  for (size_t i = 0; i < ndim; i++) {
    int64_t x = i + a.ndim() < ndim ? 1 : a.shape()[i + a.ndim() - ndim];
    int64_t y = i + b.ndim() < ndim ? 1 : b.shape()[i + b.ndim() - ndim];
    left.insert(left.end(), {x, 1});
    right.insert(right.end(), {1, y});
    shape.push_back(elements("kron", Shape{x, y}));
  }
  return reshape(reshape(a, left) * reshape(b, right), shape);
}

array tensordot(const array& a, const array& b, const std::variant<int, std::vector<std::vector<int>>>& axes,
                StreamOrDevice s) {
  StreamScope scope(s);
  std::vector<int> left, right;
  if (const int* n = std::get_if<int>(&axes)) {
    if (*n < 0 || size_t(*n) > std::min(a.ndim(), b.ndim())) {
      fail(Code::value, "tensordot", *n, " axes cannot be summed over for shapes ", a.shape(), " and ",
           b.shape());
    }
    for (int i = 0; i < *n; i++) left.push_back(int(a.ndim()) - *n + i), right.push_back(i);
  } else {
    const auto& lists = std::get<1>(axes);
    if (lists.size() != 2 || lists[0].size() != lists[1].size()) {
      fail(Code::value, "tensordot", "axes must be two lists of one length");
    }
    normal_axes("tensordot", lists[0], a.shape());  // refuses repeats
    normal_axes("tensordot", lists[1], b.shape());
    for (int i : lists[0]) left.push_back(normal_axis("tensordot", i, a.shape()));
    for (int i : lists[1]) right.push_back(normal_axis("tensordot", i, b.shape()));
  }
  int64_t k = 1;
  for (size_t i = 0; i < left.size(); i++) {
    if (a.shape(left[i]) != b.shape(right[i])) {
      fail(Code::value, "tensordot", "axis ", left[i], " of shape ", a.shape(), " and axis ", right[i],
           " of shape ", b.shape(), " differ in length");
    }
    k *= a.shape(left[i]);
  }
  // a as (free, summed), b as (summed, free).
  Shape shape;
  auto free_axes = [&shape](const array& x, const std::vector<int>& summed, int64_t* n) {
    std::vector<int> out;
    for (int i = 0; i < int(x.ndim()); i++) {
      if (std::find(summed.begin(), summed.end(), i) != summed.end()) continue;
      out.push_back(i);
      shape.push_back(x.shape(i));
      *n *= x.shape(i);
    }
    return out;
  };
  int64_t m = 1, n = 1;
  std::vector<int> order_a = free_axes(a, left, &m), order_b = right;
  order_a.insert(order_a.end(), left.begin(), left.end());
  for (int i : free_axes(b, right, &n)) order_b.push_back(i);
  array product = matmul(reshape(transpose(a, order_a), {m, k}), reshape(transpose(b, order_b), {k, n}));
  return reshape(product, shape);
}

}  // namespace melix
