// Rules of the Walsh-Hadamard transform.
#include "melix/ops/hadamard.h"

#include <cmath>

#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

void infer(const Attrs*, std::span<const array> in, Avals& out) {
  const array& a = in[0];
  if (!is_inexact(a.dtype())) fail(Code::value, "hadamard_transform", "has no kernel for ", a.dtype());
  const int64_t n = a.ndim() ? a.shape(-1) : 0;
  if (a.ndim() == 0 || !hadamard_length(n).factor) {
    fail(Code::value, "hadamard_transform", "the last axis of shape ", a.shape(),
         " is not m * 2^k long for m = 1, 12, 20 or 28");
  }
  out.push_back({a.shape(), a.dtype()});
}

array transformed(const array& a, double scale, bool transposed) {
  return make(op::hadamard_transform, make_attrs<HadamardAttrs>(scale, transposed), {a});
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  const auto& h = attrs_as<HadamardAttrs>(c.attrs);
  return {transformed(c.cotangents[0], h.scale, !h.transposed)};
}
std::vector<MaybeArray> jvp(const JvpContext& c) { return linear_jvp(op::hadamard_transform, c); }

std::vector<array> vmap(const VmapContext& c) {
  const auto& h = attrs_as<HadamardAttrs>(c.attrs);
  return {transformed(c.inputs[0], h.scale, h.transposed)};
}

}  // namespace

namespace op {
const Op hadamard_transform{.name = "hadamard_transform",
                            .infer = infer,
                            .vjp = vjp,
                            .jvp = jvp,
                            .vmap = vmap,
                            .read_attrs = HadamardAttrs::read};
}  // namespace op

HadamardLength hadamard_length(int64_t n) {
  if (n <= 0) return {};
  const int64_t power = n & -n, odd = n / power;
  if (odd == 1) return {1, power};
  if (power < 4 || (odd != 3 && odd != 5 && odd != 7)) return {};
  return {int(4 * odd), power / 4};
}

array hadamard_transform(const array& a, std::optional<double> scale, StreamOrDevice s) {
  StreamScope scope(s);
  array x = astype(a, inexact_of(a.dtype()));
  if (a.ndim() == 0) return reshape(hadamard_transform(reshape(x, {1}), scale), {});
  const int64_t n = x.shape(-1);
  return transformed(x, scale.value_or(n > 0 ? 1 / std::sqrt(double(n)) : 1), false);
}

}  // namespace melix
