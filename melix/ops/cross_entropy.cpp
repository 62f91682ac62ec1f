// Rules of cross_entropy.
#include "melix/ops/cross_entropy.h"

#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/gather.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"
#include "melix/ops/softmax.h"

namespace melix {
namespace {

void check(const array& logits, const array& targets) {
  const char* op = "cross_entropy";
  if (logits.ndim() == 0) fail(Code::value, op, "the logits must have at least 1 dimension, got a scalar");
  if (!is_floating(logits.dtype()))
    fail(Code::value, op, "the logits must be of a floating dtype, got ", logits.dtype());
  if (!is_integer(targets.dtype()))
    fail(Code::value, op, "the targets must be integers, got ", targets.dtype());
  const Shape& shape = logits.shape();
  if (targets.shape() != Shape(shape.begin(), shape.end() - 1)) {
    fail(Code::value, op, "targets of shape ", targets.shape(), " for logits of shape ", shape,
         ", whose last axis is that of the classes");
  }
  if (shape.back() == 0) fail(Code::value, op, "there are no classes in logits of shape ", shape);
}

void infer(const Attrs*, std::span<const array> in, Avals& out) {
  if (in.size() != 2) fail(Code::value, "cross_entropy", "got ", in.size(), " inputs for 2");
  check(in[0], in[1]);
  out.push_back({in[1].shape(), carrier_of(in[0].dtype())});
}

void infer_grad(const Attrs*, std::span<const array> in, Avals& out) {
  if (in.size() != 3) fail(Code::value, "cross_entropy_grad", "got ", in.size(), " inputs for 3");
  check(in[0], in[1]);
  if (in[2].shape() != in[1].shape() || in[2].dtype() != carrier_of(in[0].dtype())) {
    fail(Code::value, "cross_entropy_grad", "a cotangent of shape ", in[2].shape(), " and ", in[2].dtype(),
         " for losses of shape ", in[1].shape(), " and ", carrier_of(in[0].dtype()));
  }
  out.push_back({in[0].shape(), in[0].dtype()});
}

array column(const array& a) { return expand_dims(a, {-1}); }

std::vector<array> decompose(const Attrs*, std::span<const array> in) {
  array x = astype(in[0], carrier_of(in[0].dtype()));
  const std::vector<int> last{-1};
  return {logsumexp(x, last) - squeeze(take_along_axis(x, column(in[1]), -1), last)};
}

// (softmax - 1 at the target) times the cotangent. A target out of range is nowhere.
std::vector<array> decompose_grad(const Attrs*, std::span<const array> in) {
  const array& g = in[2];
  array classes = arange(int64_t(in[0].shape(-1)));
  array target = column(astype(in[1], int64));
  target = where(target < 0, target + in[0].shape(-1), target);
  array p = softmax(astype(in[0], g.dtype()), std::vector<int>{-1});
  return {astype((p - astype(equal(astype(classes, int64), target), g.dtype())) * column(g), in[0].dtype())};
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  return {make(op::cross_entropy_grad, {}, {c.inputs[0], c.inputs[1], c.cotangents[0]}), std::nullopt};
}

template <const Op& op>
std::vector<array> vmap(const VmapContext& c) {
  Inputs in;
  for (size_t i = 0; i < c.inputs.size(); i++) in.push_back(c.with_batch(i));
  return {make(op, {}, in)};
}

}  // namespace

namespace op {
const Op cross_entropy{.name = "cross_entropy",
                       .infer = infer,
                       .vjp = vjp,
                       .vmap = vmap<cross_entropy>,
                       .decompose = decompose,
                       .layout = InputLayout::any,
                       .takes_region = true};
const Op cross_entropy_grad{.name = "cross_entropy_grad",
                            .infer = infer_grad,
                            .vmap = vmap<cross_entropy_grad>,
                            .decompose = decompose_grad,
                            .layout = InputLayout::any};
}  // namespace op

array fast::cross_entropy(const array& logits, const array& targets, StreamOrDevice s) {
  StreamScope scope(s);
  check(logits, targets);
  return make(op::cross_entropy, {}, {logits, targets});
}

}  // namespace melix
