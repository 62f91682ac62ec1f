// melix.core.distributed: groups of processes and the operations over them.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "melix/distributed/collectives.h"
#include "python/src/devices.h"
#include "python/src/from_python.h"

namespace melix::python {
namespace {

using distributed::Group;
using distributed::MaybeGroup;

MaybeGroup group_of(nb::handle object) {
  if (object.is_none()) return {};
  Group group;
  if (!nb::try_cast(object, group, false))
    fail(Code::type, "distributed", "a Group is needed, not ", Py_TYPE(object.ptr())->tp_name);
  return group;
}

array array_of_any(nb::handle x) { return array_from_python(x.ptr(), std::nullopt); }

using Combine = array (*)(const array&, const MaybeGroup&, StreamOrDevice);

void bind_combine(nb::module_& m, const char* name, Combine combine, const char* doc) {
  m.def(
      name,
      [combine](nb::handle x, nb::handle group, StreamOrDevice stream) {
        return combine(array_of_any(x), group_of(group), stream);
      },
      nb::arg("x"), nb::kw_only(), nb::arg("group") = nb::none(), nb::arg("stream").none() = nb::none(), doc);
}

void bind_messages(nb::module_& m) {
  m.def(
      "send",
      [](nb::handle x, int dst, nb::handle group, StreamOrDevice stream) {
        return distributed::send(array_of_any(x), dst, group_of(group), stream);
      },
      nb::arg("x"), nb::arg("dst"), nb::kw_only(), nb::arg("group") = nb::none(),
      nb::arg("stream").none() = nb::none(),
      "An array like `x`, which is sent to the process `dst` when it is evaluated. ValueError in a group of "
      "one.");
  m.def(
      "recv",
      [](const std::vector<int64_t>& shape, Dtype dtype, int src, nb::handle group, StreamOrDevice stream) {
        return distributed::recv(Shape(shape.begin(), shape.end()), dtype, src, group_of(group), stream);
      },
      nb::arg("shape"), nb::arg("dtype"), nb::arg("src"), nb::kw_only(), nb::arg("group") = nb::none(),
      nb::arg("stream").none() = nb::none(),
      "An array of this shape and dtype that the process `src` sends. ValueError in a group of one.");
  m.def(
      "recv_like",
      [](nb::handle x, int src, nb::handle group, StreamOrDevice stream) {
        return distributed::recv_like(array_of_any(x), src, group_of(group), stream);
      },
      nb::arg("x"), nb::arg("src"), nb::kw_only(), nb::arg("group") = nb::none(),
      nb::arg("stream").none() = nb::none(),
      "An array like `x` that the process `src` sends. ValueError in a group of one.");
}

}  // namespace

void bind_distributed(nb::module_& parent) {
  nb::module_ m = parent.def_submodule("distributed", "Operations over the arrays of several processes.");
  nb::class_<Group>(m, "Group", "Processes that compute together; `init` gives one.")
      .def("rank", &Group::rank, "The number of this process, from 0 on.")
      .def("size", &Group::size, "The number of processes.")
      .def("split", &Group::split, nb::arg("color"), nb::arg("key") = -1,
           "The group of those processes that give the same color. RuntimeError for a group of one.");
  m.def(
      "is_available", [](const std::string& backend) { return distributed::is_available(backend); },
      nb::arg("backend") = "any",
      "Whether processes can reach each other by a backend: any, mpi, ring, nccl, jaccl.");
  m.def(
      "init",
      [](bool strict, const std::string& backend, nb::handle) { return distributed::init(strict, backend); },
      nb::arg("strict") = false, nb::arg("backend") = "any", nb::kw_only(),
      nb::arg("all_gather_factory") = nb::none(),
      "The group of all processes that were launched together. Where the backend is not available, a group "
      "of "
      "one, or with\n"
      "`strict` a RuntimeError.");
  bind_combine(m, "all_sum", distributed::all_sum, "The sum of the arrays of all processes.");
  bind_combine(m, "all_max", distributed::all_max, "The largest of the elements of all processes.");
  bind_combine(m, "all_min", distributed::all_min, "The smallest of the elements of all processes.");
  bind_combine(m, "all_gather", distributed::all_gather,
               "The arrays of all processes, joined along the first axis.");
  bind_combine(m, "sum_scatter", distributed::sum_scatter,
               "This process' part, along the first axis, of the sum of the arrays of all processes.");
  bind_messages(m);
}

}  // namespace melix::python
