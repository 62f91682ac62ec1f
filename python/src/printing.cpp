// See printing.h.
#include "python/src/printing.h"

#include <charconv>
#include <cmath>

#include "melix/core/element.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

constexpr int64_t kEdge = 3;  // elements shown at each end of a long axis

struct PrintOptions {
  int precision = -1;  // digits after the point; negative: six digits in all, written the shorter way
};
PrintOptions options;

void append_float(std::string& out, double value) {
  if (std::isnan(value)) return append(out, "nan");
  char text[400];  // the largest double has 309 digits before the point
  const int precision = std::min(options.precision, 60);
  const auto end = precision < 0
                       ? std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6)
                       : std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, precision);
  out.append(text, end.ptr);
}

template <class T>
void append_element(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    append(out, value ? "True" : "False");
  } else if constexpr (std::is_integral_v<T>) {
    append(out, value);
  } else if constexpr (std::is_same_v<T, complex64_t>) {
    append_float(out, value.real());
    if (!std::signbit(value.imag()) || std::isnan(value.imag())) append(out, '+');
    append_float(out, value.imag());
    append(out, 'j');
  } else if constexpr (is_half_type<T>) {
    append_float(out, float(value));
  } else {
    append_float(out, value);
  }
}

template <class T>
void append_nested(std::string& out, const T* from, const View& view, size_t axis) {
  if (axis == view.shape.size()) return append_element(out, *from);
  const int64_t n = view.shape[uint32_t(axis)], stride = view.strides[uint32_t(axis)];
  const bool innermost = axis + 1 == view.shape.size();
  std::string separator =
      innermost ? ", " : ",\n" + std::string(7 + axis, ' ');  // under the text behind "array(["
  append(out, '[');
  for (int64_t i = 0; i < n; i++) {
    if (i > 0) append(out, separator);
    if (n > 2 * kEdge && i == kEdge) {
      append(out, "...");
      append(out, separator);
      i = n - kEdge;
    }
    append_nested(out, from + i * stride, view, axis + 1);
  }
  append(out, ']');
}

// Context manager of printoptions().
struct PrintOptionsContext {
  PrintOptions inside, before;
};

void set_precision(int precision) { options.precision = precision; }

}  // namespace

std::string repr(const array& value) {
  array keep = value;
  const View& view = evaluated(value, keep);
  std::string out = "array(";
  if (view.size() == 0 && (view.shape.empty() || view.shape[0] == 0)) {
    append(out, "[]");
  } else {
    with_type(view.dtype, [&](auto type) { append_nested(out, view.as<decltype(type)>(), view, 0); });
  }
  append(out, ", dtype=");
  append(out, name_of(view.dtype));
  append(out, ')');
  return out;
}

void bind_printing(nb::module_& m) {
  nb::class_<PrintOptions>(m, "PrintOptions", "How arrays are printed.")
      .def(
          "__init__", [](PrintOptions* self, int precision) { new (self) PrintOptions{precision}; },
          nb::arg("precision") = -1)
      .def_rw("precision", &PrintOptions::precision, "Digits after the point; -1: six digits in all.");
  m.def(
      "set_printoptions", [](int precision) { set_precision(precision); }, nb::arg("precision") = -1,
      "Sets the digits after the point that floats are printed with; -1: six digits in all.");
  m.def(
      "get_printoptions", [] { return options; }, "The options that arrays are printed with.");
  nb::class_<PrintOptionsContext>(m, "_PrintOptionsContext")
      .def("__enter__",
           [](nb::handle handle) {
             auto& self = nb::cast<PrintOptionsContext&>(handle);
             self.before = options;
             options = self.inside;
             return nb::borrow(handle);
           })
      .def("__exit__", [](PrintOptionsContext& self, nb::args) { options = self.before; });
  m.def(
      "printoptions",
      [](int precision) {
        return PrintOptionsContext{{precision}, {}};
      },
      nb::arg("precision") = -1, "A context in which arrays are printed with other options.");
}

}  // namespace melix::python
