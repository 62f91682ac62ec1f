// Rules of the Fourier transforms. As a matrix the transform is symmetric: its adjoint, which is the gradient, is the
// transform the other way round with the same scale; half spectra have weights besides (see vjp).
#include "melix/ops/fft.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix {
namespace {

void infer(const Attrs* attrs, std::span<const array> in, Avals& out) {
  const auto& f = attrs_as<FftAttrs>(attrs);
  Shape shape = in[0].shape();
  const Dtype from = f.real && !f.inverse ? float32 : complex64,
              to = f.real && f.inverse ? float32 : complex64;
  if (in[0].dtype() != from) fail(Code::value, "fft", "the argument is ", in[0].dtype(), ", not ", from);
  if (f.axes.empty()) fail(Code::value, "fft", "needs at least one axis");
  for (size_t i = 0; i < f.axes.size(); i++) {
    const int axis = normal_axis("fft", f.axes[uint32_t(i)], shape);
    if (std::count(f.axes.begin(), f.axes.end(), axis) != 1)
      fail(Code::value, "fft", "axis ", f.axes[uint32_t(i)], " is given twice or counted from the back");
    if (shape[uint32_t(axis)] == 0) fail(Code::value, "fft", "axis ", axis, " of shape ", shape, " is empty");
  }
  int64_t& last = shape[uint32_t(f.axes.back())];
  const int64_t half = f.n / 2 + 1, wanted = f.real && f.inverse ? half : f.n;
  if (f.n <= 0 || last != wanted)
    fail(Code::value, "fft", last, " elements along axis ", f.axes.back(), " for a length of ", f.n);
  if (f.real) last = f.inverse ? f.n : half;
  elements("fft", shape);
  out.push_back({std::move(shape), to});
}

array transformed(const array& a, const FftAttrs& f, bool inverse) {
  return make(op::fft, make_attrs<FftAttrs>(f.axes, f.n, inverse, f.real, f.scale), {a});
}

// How often the elements of a half spectrum are there in the whole one: 1, 2, 2, ..., and 1 for the last of an even
// length; along an axis of an array of `ndim` dimensions.
array occurrences(const FftAttrs& f, size_t ndim) {
  Shape shape(uint32_t(ndim), 1);
  int64_t& length = shape[uint32_t(f.axes.back())];
  const int64_t half = f.n / 2 + 1, ends = f.n == 1 ? 0 : f.n % 2 == 0 ? 2 : 1;
  auto part = [&](int64_t n, int64_t value) {
    length = n;
    return full(shape, array(value, float32));
  };
  if (ends == 0) return part(1, 1);
  std::vector<array> parts{part(1, 1), part(half - ends, 2)};
  if (ends == 2) parts.push_back(part(1, 1));
  return concatenate(parts, f.axes.back());
}

// A real row and its half spectrum: the transform back counts most elements of the spectrum twice, so that it is the
// adjoint of the way there only if they are halved; and the other way round.
std::vector<MaybeArray> vjp(const VjpContext& c) {
  const auto& f = attrs_as<FftAttrs>(c.attrs);
  const array& g = c.cotangents[0];
  if (!f.real) return {transformed(g, f, !f.inverse)};
  const array weights = occurrences(f, g.ndim());
  if (!f.inverse) return {transformed(g * (1.0 / weights), f, true)};
  return {transformed(g, f, false) * weights};
}

std::vector<MaybeArray> jvp(const JvpContext& c) { return linear_jvp(op::fft, c); }

std::vector<array> vmap(const VmapContext& c) {
  FftAttrs f = attrs_as<FftAttrs>(c.attrs);
  for (int& axis : f.axes) axis++;
  return {transformed(c.inputs[0], f, f.inverse)};
}

// ---- arguments ----

// The axis cut, or filled up with zeros, to so many elements.
array resized(const array& a, int axis, int64_t n) {
  const int64_t there = a.shape(axis);
  if (n == there) return a;
  if (n < there) {
    Shape start(uint32_t(a.ndim()), 0), stop = a.shape();
    stop[uint32_t(axis)] = n;
    return slice(a, start, stop);
  }
  std::vector<std::pair<int64_t, int64_t>> widths(a.ndim());
  widths[size_t(axis)].second = n - there;
  return pad(a, widths, "constant", array(int64_t(0), a.dtype()));
}

double scale_of(const char* name, const std::string& norm, bool inverse, double n) {
  if (norm == "ortho") return 1 / std::sqrt(n);
  if (norm == "backward") return inverse ? 1 / n : 1;
  if (norm == "forward") return inverse ? 1 : 1 / n;
  fail(Code::value, name, "norm is \"", norm, "\", not \"backward\", \"ortho\" or \"forward\"");
}

// The norm under which the other direction is divided.
std::string opposite(const char* name, const std::string& norm) {
  scale_of(name, norm, false, 1);
  return norm == "backward" ? "forward" : norm == "forward" ? "backward" : norm;
}

struct Kind {
  const char* name;
  bool inverse, real;
};

array transform(Kind kind, const array& a, const std::optional<Shape>& s, const Axes& axes,
                const std::string& norm) {
  if (s && s->size() != axes.size())
    fail(Code::value, kind.name, "lengths ", *s, " for ", axes.size(), " axes");
  scale_of(kind.name, norm, kind.inverse, 1);
  if (axes.empty()) return a;
  array x = astype(a, kind.real && !kind.inverse ? float32 : complex64);
  FftAttrs f;
  double all = 1;
  for (uint32_t i = 0; i < axes.size(); i++) {
    const int axis = axes[i];
    const bool spectrum = kind.real && kind.inverse && i + 1 == axes.size();
    const int64_t there = x.shape(axis), n = s ? (*s)[i] : spectrum ? 2 * (there - 1) : there;
    if (n <= 0)
      fail(Code::value, kind.name, "axis ", axis, " of shape ", a.shape(), " transformed to a length of ", n);
    if (std::count(axes.begin(), axes.end(), axis) != 1)
      fail(Code::value, kind.name, "axis ", axis, " is given twice");
    x = resized(x, axis, spectrum ? n / 2 + 1 : n);
    all *= double(n);
    f.n = n;
  }
  const double scale = scale_of(kind.name, norm, kind.inverse, all);
  return make(op::fft, make_attrs<FftAttrs>(axes, f.n, kind.inverse, kind.real, scale), {x});
}

array along_one(Kind kind, const array& a, std::optional<int64_t> n, int axis, const std::string& norm,
                StreamOrDevice stream) {
  StreamScope scope(stream);
  std::optional<Shape> s;
  if (n) s = Shape(1, *n);
  return transform(kind, a, s, Axes(1, normal_axis(kind.name, axis, a.shape())), norm);
}

array along_several(Kind kind, const array& a, const std::optional<Shape>& s, const fft::FftAxes& given,
                    const std::string& norm, StreamOrDevice stream) {
  StreamScope scope(stream);
  if (a.ndim() == 0) fail(Code::value, kind.name, "a scalar has no axes");
  if (s && !given) fail(Code::value, kind.name, "lengths ", *s, " are given without axes");
  Axes axes;
  if (given) {
    for (int axis : *given) axes.push_back(normal_axis(kind.name, axis, a.shape()));
  } else {
    axes = all_axes(a.ndim());
  }
  return transform(kind, a, s, axes, norm);
}

array shifted(const char* name, const array& a, const fft::FftAxes& given, bool back, StreamOrDevice stream) {
  StreamScope scope(stream);
  std::vector<int> axes;
  std::vector<int64_t> by;
  const Axes all = all_axes(a.ndim());
  for (int axis : given ? *given : std::vector<int>(all.begin(), all.end())) {
    axes.push_back(normal_axis(name, axis, a.shape()));
    const int64_t half = a.shape(axes.back()) / 2;
    by.push_back(back ? -half : half);
  }
  return axes.empty() ? a : roll(a, by, axes);
}

// Whole numbers from `first` on, over n * d in double, rounded once.
array frequencies(const char* name, int64_t n, double d, int64_t first, int64_t count) {
  if (n <= 0) fail(Code::value, name, "n is ", n, ", and must be positive");
  if (d == 0) fail(Code::value, name, "d must not be 0");
  array numbers = arange(Number(first), Number(first + count), std::nullopt, float64);
  return astype(numbers / array(double(n) * d, float64), float32);
}

}  // namespace

namespace op {
const Op fft{
    .name = "fft", .infer = infer, .vjp = vjp, .jvp = jvp, .vmap = vmap, .read_attrs = FftAttrs::read};
}  // namespace op

namespace fft {

#define MELIX_FFT(name, inverse, real)                                                                       \
  array name(const array& a, std::optional<int64_t> n, int axis, const std::string& norm,                    \
             StreamOrDevice stream) {                                                                        \
    return along_one({#name, inverse, real}, a, n, axis, norm, stream);                                      \
  }                                                                                                          \
  array name##2(const array& a, const std::optional<Shape>& s, const FftAxes& axes, const std::string& norm, \
                StreamOrDevice stream) {                                                                     \
    return along_several({#name "2", inverse, real}, a, s, axes, norm, stream);                              \
  }                                                                                                          \
  array name##n(const array& a, const std::optional<Shape>& s, const FftAxes& axes, const std::string& norm, \
                StreamOrDevice stream) {                                                                     \
    return along_several({#name "n", inverse, real}, a, s, axes, norm, stream);                              \
  }
MELIX_FFT(fft, false, false)
MELIX_FFT(ifft, true, false)
MELIX_FFT(rfft, false, true)
MELIX_FFT(irfft, true, true)
#undef MELIX_FFT

array fftfreq(int64_t n, double d, StreamOrDevice stream) {
  StreamScope scope(stream);
  return ifftshift(frequencies("fftfreq", n, d, -(n / 2), n));
}
array hfft(const array& a, std::optional<int64_t> n, int axis, const std::string& norm,
           StreamOrDevice stream) {
  StreamScope scope(stream);
  return along_one({"hfft", true, true}, conj(astype(a, complex64)), n, axis, opposite("hfft", norm), {});
}

array ihfft(const array& a, std::optional<int64_t> n, int axis, const std::string& norm,
            StreamOrDevice stream) {
  StreamScope scope(stream);
  return conj(along_one({"ihfft", false, true}, a, n, axis, opposite("ihfft", norm), {}));
}

array rfftfreq(int64_t n, double d, StreamOrDevice stream) {
  StreamScope scope(stream);
  return frequencies("rfftfreq", n, d, 0, n / 2 + 1);
}
array fftshift(const array& a, const FftAxes& axes, StreamOrDevice stream) {
  return shifted("fftshift", a, axes, false, stream);
}
array ifftshift(const array& a, const FftAxes& axes, StreamOrDevice stream) {
  return shifted("ifftshift", a, axes, true, stream);
}

}  // namespace fft
}  // namespace melix
