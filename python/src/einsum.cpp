// See einsum.h.
#include "python/src/einsum.h"

#include <nanobind/stl/string.h>

#include "melix/ops/einsum.h"
#include "python/src/arguments.h"
#include "python/src/from_python.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

std::vector<array> operands_of(const char* op, const nb::args& objects) {
  std::vector<array> out;
  for (nb::handle object : objects) {
    std::optional<array> value;
    if (!From<array>::convert(object.ptr(), value)) {
      fail(Code::type, op, "takes arrays, not ", Py_TYPE(object.ptr())->tp_name);
    }
    out.push_back(std::move(*value));
  }
  return out;
}

}  // namespace

void bind_einsum(nb::module_& m) {
  m.def(
      "einsum",
      [](const std::string& subscripts, nb::args operands, StreamOrDevice s) {
        return einsum(subscripts, operands_of("einsum", operands), s);
      },
      nb::arg("subscripts"), nb::arg("operands"), nb::arg("stream") = nb::none(),
      "Sums of products over labelled axes: \"ij,jk->ik\" is a matrix product. Letters that are not in the "
      "output are\n"
      "summed over, a letter twice in one operand takes the diagonal, \"...\" stands for all axes without a "
      "letter.");
  m.def(
      "einsum_path",
      [](const std::string& subscripts, nb::args operands) {
        auto [steps, report] = einsum_path(subscripts, operands_of("einsum_path", operands));
        nb::list path;
        for (const std::vector<int>& step : steps) {
          nb::list places;
          for (int place : step) places.append(place);
          path.append(nb::tuple(places));
        }
        return nb::make_tuple(path, report);
      },
      nb::arg("subscripts"), nb::arg("operands"),
      "The order in which einsum contracts its operands, as a list of tuples of places, and a report for "
      "people.");
}

}  // namespace melix::python
