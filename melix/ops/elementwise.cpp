// Rules of the elementwise operations, made from elementwise.inc. The mathematics of one element is in
// melix/scalar/math.h, the loops in the backends.
#include "melix/ops/elementwise.h"

#include <limits>

#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

enum class Out : uint8_t { same, boolean, real };

using Derivative = MaybeArray (*)(const array& g, const array& a, const array& b, const array& y);

struct Row {
  const char* name;
  Domain domain;
  Out out;
  size_t arity;
  Derivative derivative[2];
};

// The direction z / |z| turns as z moves across it, and does not change as z moves along it. Real: no change at all.
MaybeArray turned(const array& g, const array& z, const array& direction) {
  if (!is_complex(z.dtype())) return std::nullopt;
  return (g - direction * real(g * conj(direction))) / abs(z);
}

#define x a  // rows of one argument call it x
constexpr auto none = std::nullopt;

const Row kRows[] = {
    {"astype", Domain::all, Out::same, 1, {}},
    {"where", Domain::all, Out::same, 3, {}},
#define MELIX_UNARY(name, domain, out, value, derivative, doc)                       \
  {#name,                                                                            \
   Domain::domain,                                                                   \
   Out::out,                                                                         \
   1,                                                                                \
   {[](const array& g, const array& a, const array&, const array& y) -> MaybeArray { \
      (void)g, (void)a, (void)y;                                                     \
      return derivative;                                                             \
    },                                                                               \
    nullptr}},
#define MELIX_BINARY(name, domain, out, value, da, db, doc)                            \
  {#name,                                                                              \
   Domain::domain,                                                                     \
   Out::out,                                                                           \
   2,                                                                                  \
   {[](const array& g, const array& a, const array& b, const array& y) -> MaybeArray { \
      (void)g, (void)a, (void)b, (void)y;                                              \
      return da;                                                                       \
    },                                                                                 \
    [](const array& g, const array& a, const array& b, const array& y) -> MaybeArray { \
      (void)g, (void)a, (void)b, (void)y;                                              \
      return db;                                                                       \
    }}},
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
};
#undef x

const Row& row_of(const Op& op) { return kRows[op.elementwise]; }

Dtype computed_dtype(const Row& row, Dtype given) {
  bool fits = true;
  Dtype computed = given;
  switch (row.domain) {
    case Domain::all:
      break;
    case Domain::number:
      fits = given != bool_;
      break;
    case Domain::real:
    case Domain::rounding:
      fits = !is_complex(given);
      break;
    case Domain::inexact:
      computed = inexact_of(given);
      break;
    case Domain::floating:
      fits = !is_complex(given);
      computed = inexact_of(given);
      break;
    case Domain::integer:
      fits = !is_inexact(given);
      break;
    case Domain::shift:
      fits = !is_inexact(given);
      computed = given == bool_ ? uint8 : given;
      break;
    case Domain::logical:
      computed = bool_;
      break;
  }
  if (!fits) fail(Code::value, row.name, "is not defined for ", given);
  return computed;
}

Dtype result_dtype(Out out, Dtype computed) {
  if (out == Out::boolean) return bool_;
  return out == Out::real && is_complex(computed) ? float32 : computed;
}

[[noreturn]] void refuse(const Row& row, std::span<const array> inputs) {
  std::string dtypes;
  for (const array& a : inputs) dtypes += concat(dtypes.empty() ? "" : ", ", a.dtype());
  fail(Code::value, row.name, "has no kernel for (", dtypes, ")");
}

// Dtypes are final when a node is made; those from a file may be anything.
template <int kId>
bool is_computed(const Row& row, Dtype dtype) {
  if (kId == int(Elementwise::cast)) return true;
  if (row.domain == Domain::rounding && !is_inexact(dtype)) return false;
  return computed_dtype(row, dtype) == dtype;
}

// One for all rows: dtypes are final here, shapes broadcast. The last input carries the dtype (the first of `where`
// is the condition).
template <int kId>
void infer(const Attrs*, std::span<const array> inputs, Avals& out) {
  const Row& row = kRows[kId];
  bool fits = inputs.size() == row.arity && is_computed<kId>(row, inputs.back().dtype());
  for (size_t i = 0; i < inputs.size(); i++) {
    const bool is_condition = kId == int(Elementwise::select) && i == 0;
    fits &= inputs[i].dtype() == (is_condition ? bool_ : inputs.back().dtype());
  }
  if (!fits) refuse(row, inputs);
  Shape shape = inputs[0].shape();
  for (size_t i = 1; i < inputs.size(); i++) {
    if (inputs[i].shape() != shape) shape = broadcast(row.name, shape, inputs[i].shape());
  }
  out.push_back({std::move(shape), result_dtype(row.out, inputs.back().dtype())});
}

// Expressions of the table are linear in g. For complex functions the gradient takes the conjugate of the factors.
MaybeArray times_conjugate(Derivative derivative, const array& g, const array& a, const array& b,
                           const array& y) {
  if (!is_complex(a.dtype())) return derivative(g, a, b, y);
  MaybeArray out = derivative(conj(g), a, b, y);
  return out ? MaybeArray(conj(*out)) : out;
}

// Functions of complex numbers that are their own adjoint without being linear in complex factors: sign.
constexpr bool is_self_adjoint(int id) { return id == int(Elementwise::sign); }

template <int kId>
std::vector<MaybeArray> vjp(const VjpContext& c) {
  const array& a = c.inputs.front();
  const array& b = c.inputs.back();
  std::vector<MaybeArray> grads(c.inputs.size());
  for (size_t i = 0; i < grads.size(); i++) {
    if (!c.wanted[i] || !is_inexact(c.inputs[i].dtype())) continue;
    Derivative derivative = kRows[kId].derivative[i];
    grads[i] = is_self_adjoint(kId) ? derivative(c.cotangents[0], a, b, c.outputs[0])
                                    : times_conjugate(derivative, c.cotangents[0], a, b, c.outputs[0]);
    if (grads[i]) grads[i] = sum_to(astype(*grads[i], c.inputs[i].dtype()), c.inputs[i].shape());
  }
  return grads;
}

template <int kId>
std::vector<MaybeArray> jvp(const JvpContext& c) {
  const array& a = c.inputs.front();
  const array& b = c.inputs.back();
  MaybeArray tangent;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    if (!c.tangents[i] || !is_inexact(c.inputs[i].dtype())) continue;
    MaybeArray part = kRows[kId].derivative[i](*c.tangents[i], a, b, c.outputs[0]);
    if (!part) continue;
    array real_part = is_complex(part->dtype()) && !is_complex(c.outputs[0].dtype()) ? real(*part) : *part;
    tangent = tangent ? *tangent + real_part : real_part;
  }
  if (tangent) tangent = broadcast_to(*tangent, c.outputs[0].shape());
  return {tangent};
}

// The batch is axis 0 of the inputs that have one; dimensions of 1 behind it align the rest.
template <const Op& kOp>
std::vector<array> vmap(const VmapContext& c) {
  size_t ndim = 0;
  for (size_t i = 0; i < c.inputs.size(); i++) ndim = std::max(ndim, c.inputs[i].ndim() - c.batched[i]);
  Inputs inputs;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    array input = c.inputs[i];
    if (c.batched[i] && input.ndim() - 1 < ndim) {
      Shape shape(1, input.shape(0));
      shape.resize(uint32_t(ndim + 2 - input.ndim()), 1);
      shape.insert(shape.end(), input.shape().begin() + 1, input.shape().end());
      input = reshape(input, shape);
    }
    inputs.push_back(input);
  }
  Ref<const Attrs> attrs(c.attrs);
  return {make(kOp, attrs, inputs)};
}

array unary(const Op& op, const array& a, StreamOrDevice s) {
  const Row& row = row_of(op);
  Dtype dtype = computed_dtype(row, a.dtype());
  if (row.domain == Domain::rounding && !is_inexact(a.dtype())) return a;
  return make(op, {}, {astype(a, dtype, s)}, s);
}

array binary(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  Dtype dtype = computed_dtype(row_of(op), promote(a.dtype(), b.dtype()));
  return make(op, {}, {astype(a, dtype, s), astype(b, dtype, s)}, s);
}

// ---- cast ----

struct CastAttrs : Attributes<CastAttrs> {
  Dtype dtype;
  static constexpr auto fields() { return std::tuple{field("dtype", &CastAttrs::dtype)}; }
};

void infer_cast(const Attrs* attrs, std::span<const array> inputs, Avals& out) {
  if (inputs.size() != 1) refuse(row_of(op::cast), inputs);
  out.push_back({inputs[0].shape(), attrs_as<CastAttrs>(attrs).dtype});
}

std::vector<MaybeArray> cast_vjp(const VjpContext& c) {
  Dtype from = c.inputs[0].dtype();
  if (!is_inexact(from) || !is_inexact(c.outputs[0].dtype())) return {std::nullopt};
  return {astype(c.cotangents[0], from)};
}

std::vector<MaybeArray> cast_jvp(const JvpContext& c) {
  if (!c.tangents[0] || !is_inexact(c.outputs[0].dtype())) return {std::nullopt};
  return {astype(*c.tangents[0], c.outputs[0].dtype())};
}

// ---- select ----

std::vector<MaybeArray> select_vjp(const VjpContext& c) {
  const array &condition = c.inputs[0], &g = c.cotangents[0];
  array zero(int64_t(0), g.dtype());
  std::vector<MaybeArray> grads(3);
  if (!is_inexact(g.dtype())) return grads;
  if (c.wanted[1]) grads[1] = sum_to(where(condition, g, zero), c.inputs[1].shape());
  if (c.wanted[2]) grads[2] = sum_to(where(condition, zero, g), c.inputs[2].shape());
  return grads;
}

std::vector<MaybeArray> select_jvp(const JvpContext& c) {
  if (!c.tangents[1] && !c.tangents[2]) return {std::nullopt};
  array zero(int64_t(0), c.outputs[0].dtype());
  return {broadcast_to(where(c.inputs[0], c.tangents[1].value_or(zero), c.tangents[2].value_or(zero)),
                       c.outputs[0].shape())};
}

}  // namespace

namespace op {
const Op cast{.name = "astype",
              .kind = OpClass::elementwise,
              .infer = infer_cast,
              .vjp = cast_vjp,
              .jvp = cast_jvp,
              .vmap = vmap<cast>,
              .read_attrs = CastAttrs::read,
              .elementwise = int16_t(Elementwise::cast)};
const Op select{.name = "where",
                .kind = OpClass::elementwise,
                .infer = infer<int(Elementwise::select)>,
                .vjp = select_vjp,
                .jvp = select_jvp,
                .vmap = vmap<select>,
                .elementwise = int16_t(Elementwise::select)};
#define MELIX_UNARY(op_name, ...)                             \
  const Op op_name{.name = #op_name,                          \
                   .kind = OpClass::elementwise,              \
                   .infer = infer<int(Elementwise::op_name)>, \
                   .vjp = vjp<int(Elementwise::op_name)>,     \
                   .jvp = jvp<int(Elementwise::op_name)>,     \
                   .vmap = vmap<op_name>,                     \
                   .elementwise = int16_t(Elementwise::op_name)};
#define MELIX_BINARY MELIX_UNARY
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY
}  // namespace op

#define MELIX_UNARY(name, ...) \
  array name(const array& a, StreamOrDevice s) { return unary(op::name, a, s); }
#define MELIX_BINARY(name, ...) \
  array name(const array& a, const array& b, StreamOrDevice s) { return binary(op::name, a, b, s); }
#include "melix/ops/elementwise.inc"
#undef MELIX_UNARY
#undef MELIX_BINARY

array astype(const array& a, Dtype dtype, StreamOrDevice s) {
  if (a.dtype() == dtype) return a;
  return make(op::cast, make_attrs<CastAttrs>(dtype), {a}, s);
}

array where(const array& condition, const array& x, const array& y, StreamOrDevice s) {
  Dtype dtype = promote(x.dtype(), y.dtype());
  return make(op::select, {}, {astype(condition, bool_, s), astype(x, dtype, s), astype(y, dtype, s)}, s);
}

array clip(const array& a, const std::optional<array>& a_min, const std::optional<array>& a_max,
           StreamOrDevice s) {
  if (!a_min && !a_max) fail(Code::value, "clip", "needs at least one of a_min and a_max");
  array out = a_min ? maximum(a, *a_min, s) : a;
  return a_max ? minimum(out, *a_max, s) : out;
}

array round(const array& a, int decimals, StreamOrDevice s) {
  if (is_complex(a.dtype())) {  // both parts, as the pairs of floats that they are
    array parts = view(a.ndim() == 0 ? reshape(a, {1}, s) : a, float32, s);
    return reshape(view(round(parts, decimals, s), complex64, s), a.shape(), s);
  }
  if (decimals == 0) return rint(a, s);
  double scale = 1;
  for (int i = 0; i < std::abs(decimals) && i < 400; i++) scale *= 10;
  Dtype dtype = inexact_of(a.dtype());
  array factor(scale, dtype), wide = astype(a, dtype, s);
  if (!is_inexact(a.dtype()) && decimals > 0) return a;
  array out = decimals > 0 ? divide(rint(multiply(wide, factor, s), s), factor, s)
                           : multiply(rint(divide(wide, factor, s), s), factor, s);
  return astype(out, a.dtype(), s);
}

array positive(const array& a, StreamOrDevice) { return a; }

array degrees(const array& a, StreamOrDevice s) {
  Dtype dtype = inexact_of(a.dtype());
  return multiply(astype(a, dtype, s), array(57.29577951308232, dtype), s);
}

array radians(const array& a, StreamOrDevice s) {
  Dtype dtype = inexact_of(a.dtype());
  return multiply(astype(a, dtype, s), array(0.017453292519943295, dtype), s);
}

std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s) {
  if (is_complex(a.dtype()) || is_complex(b.dtype()))
    fail(Code::value, "divmod", "is not defined for complex64");
  return {floor_divide(a, b, s), remainder(a, b, s)};
}

array isclose(const array& a, const array& b, double rtol, double atol, bool equal_nan, StreamOrDevice s) {
  StreamScope scope(s);
  Dtype dtype = inexact_of(promote(a.dtype(), b.dtype()));
  array u = astype(a, dtype), v = astype(b, dtype);
  array close = (abs(u - v) <= abs(v) * rtol + atol) && isfinite(u) && isfinite(v);
  close = close || (isinf(u) && u == v);
  return equal_nan ? close || (isnan(u) && isnan(v)) : close;
}

array nan_to_num(const array& a, double nan, std::optional<double> posinf, std::optional<double> neginf,
                 StreamOrDevice s) {
  if (!is_floating(a.dtype())) {
    if (is_complex(a.dtype())) fail(Code::value, "nan_to_num", "is not defined for ", a.dtype());
    return a;
  }
  StreamScope scope(s);
  Dtype dtype = a.dtype();
  double largest = dtype == float16    ? 65504.0
                   : dtype == bfloat16 ? 0x1.fep127
                   : dtype == float32  ? double(std::numeric_limits<float>::max())
                                       : std::numeric_limits<double>::max();
  array out = where(isnan(a), array(nan, dtype), a);
  out = where(isposinf(a), array(posinf.value_or(largest), dtype), out);
  return where(isneginf(a), array(neginf.value_or(-largest), dtype), out);
}

array sum_to(const array& a, const Shape& shape) {
  if (a.shape() == shape) return a;
  size_t lead = a.ndim() - shape.size();
  std::vector<int> axes;
  for (size_t i = 0; i < a.ndim(); i++) {
    if (i < lead || (shape[i - lead] == 1 && a.shape()[i] != 1)) axes.push_back(int(i));
  }
  array out = axes.empty() ? a : sum(a, axes, true);
  return out.shape() == shape ? out : reshape(out, shape);
}

}  // namespace melix
