// The rules and the kernel of the moving average. docs/custom-operations.md goes through it.
#include "moving_average.h"

#include <melix/custom_op.h>

using namespace melix;

namespace {

// What the operation knows besides its input. The average of what follows (`ahead`) is the gradient of the one of what
// came before.
struct AverageAttrs : Attributes<AverageAttrs> {
  int64_t window;
  bool ahead;
  static constexpr auto fields() {
    return std::tuple{field("window", &AverageAttrs::window), field("ahead", &AverageAttrs::ahead)};
  }
};

extern const Op average_op;

// ---- rules ----

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& a = attrs_as<AverageAttrs>(attrs);
  if (in[0].ndim() == 0) fail(Code::value, average_op.name, "a scalar has no axis");
  if (a.window < 1) fail(Code::value, average_op.name, "window must be at least 1, got ", a.window);
  if (!is_floating(in[0].dtype())) fail(Code::value, average_op.name, "has no kernel for ", in[0].dtype());
  out.push_back({in[0].shape(), in[0].dtype()});
}

std::vector<MaybeArray> vjp(const VjpContext& c) {
  const auto& a = attrs_as<AverageAttrs>(c.attrs);
  return {make(average_op, make_attrs<AverageAttrs>(a.window, !a.ahead), {c.cotangents[0]})};
}

std::vector<MaybeArray> jvp(const JvpContext& c) { return linear_jvp(average_op, c); }

// The batch is one more axis in front.
std::vector<array> vmap(const VmapContext& c) {
  return {make(average_op, Ref<const Attrs>(c.attrs), {c.inputs[0]})};
}

// ---- kernel ----

template <class T>
void average(const T* x, T* y, int64_t n, int64_t window, int64_t step) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += convert_element<double>(x[i * step]);
    if (i >= window) sum -= convert_element<double>(x[(i - window) * step]);
    y[i * step] = convert_element<T>(sum / double(window));
  }
}

// The input is row-major, the output has memory. Rows are shared by the threads in pieces that depend on the shape
// alone.
void kernel(const Call& call) {
  const auto& a = attrs_as<AverageAttrs>(call.attrs);
  const View& x = call.inputs[0];
  View& y = call.outputs[0];
  const int64_t n = x.shape.back();
  if (x.size() == 0) return;
  with_type(x.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (is_half_type<T> || std::is_floating_point_v<T>) {
      parallel_for(x.size() / n, 1 + 16384 / n, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
          const int64_t first = row * n + (a.ahead ? n - 1 : 0);
          average(x.as<T>() + first, y.as<T>() + first, n, a.window, a.ahead ? -1 : 1);
        }
      });
    }
  });
}

// ---- the operation ----

const Op average_op{.name = "moving_average",
                    .infer = infer,
                    .vjp = vjp,
                    .jvp = jvp,
                    .vmap = vmap,
                    .read_attrs = AverageAttrs::read};

}  // namespace

void register_moving_average() { register_op(average_op, DeviceType::cpu, kernel); }

array moving_average(const array& x, int64_t window, StreamOrDevice s) {
  StreamScope scope(s);
  return make(average_op, make_attrs<AverageAttrs>(window, false), {astype(x, inexact_of(x.dtype()))});
}
