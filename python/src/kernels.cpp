// See kernels.h.
#include "python/src/kernels.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "melix/ops/kernel.h"
#include "python/src/devices.h"
#include "python/src/from_python.h"
#include "python/src/generated.h"

namespace melix::python {
namespace {

using fast::CudaKernel;
using fast::KernelLaunch;
using Lengths = std::vector<int64_t>;

std::optional<StreamOrDevice> stream_of(nb::handle stream) {
  if (stream.is_none()) return std::nullopt;
  return nb::cast<StreamOrDevice>(stream);
}

KernelLaunch launch_of(const nb::iterable& inputs, const std::vector<Lengths>& shapes,
                       const std::vector<Dtype>& dtypes, const Lengths& grid, const Lengths& threadgroup,
                       std::optional<double> init_value) {
  KernelLaunch launch{.inputs = {},
                      .output_shapes = {},
                      .output_dtypes = dtypes,
                      .grid = Shape(grid.begin(), grid.end()),
                      .threadgroup = Shape(threadgroup.begin(), threadgroup.end()),
                      .init_value = init_value};
  for (nb::handle input : inputs) launch.inputs.push_back(array_from_python(input.ptr(), std::nullopt));
  for (const Lengths& shape : shapes) launch.output_shapes.emplace_back(shape.begin(), shape.end());
  return launch;
}

// bool before int: Python's bools are ints.
fast::TemplateValue template_value(nb::handle value) {
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) return nb::cast<int64_t>(value);
  Dtype dtype;
  if (nb::try_cast(value, dtype, false)) return dtype;
  fail(Code::type, "cuda_kernel", "a template argument must be a Dtype, an int or a bool, not ",
       Py_TYPE(value.ptr())->tp_name);
}

fast::KernelScalar scalar(nb::handle value) {
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) return nb::cast<int64_t>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  fail(Code::type, "precompiled_cuda_kernel", "a scalar must be a bool, an int or a float, not ",
       Py_TYPE(value.ptr())->tp_name);
}

using Template = std::optional<std::vector<std::pair<std::string, nb::object>>>;

std::vector<array> call(const CudaKernel& kernel, const nb::iterable& inputs,
                        const std::vector<Lengths>& shapes, const std::vector<Dtype>& dtypes,
                        const Lengths& grid, const Lengths& threadgroup, const Template& templates,
                        std::optional<double> init_value, bool verbose, nb::handle stream) {
  KernelLaunch launch = launch_of(inputs, shapes, dtypes, grid, threadgroup, init_value);
  if (templates) {
    for (const auto& [name, value] : *templates) launch.templates.emplace_back(name, template_value(value));
  }
  if (verbose) nb::print((kernel.header() + kernel.source()).c_str());
  return kernel(launch, stream_of(stream));
}

std::vector<array> call_compiled(const std::string& name, const nb::bytes& source, const nb::iterable& inputs,
                                 const std::vector<Lengths>& shapes, const std::vector<Dtype>& dtypes,
                                 const nb::iterable& scalars, const Lengths& grid, const Lengths& threadgroup,
                                 int shared_memory, std::optional<double> init_value,
                                 bool ensure_row_contiguous, nb::handle stream) {
  std::vector<fast::KernelScalar> values;
  for (nb::handle value : scalars) values.push_back(scalar(value));
  return fast::precompiled_cuda_kernel(name, std::string(source.c_str(), source.size()),
                                       launch_of(inputs, shapes, dtypes, grid, threadgroup, init_value),
                                       values, shared_memory, ensure_row_contiguous, stream_of(stream));
}

void bind_class(nb::module_& m) {
  nb::class_<CudaKernel>(m, "CudaKernel", "A CUDA kernel made from source text; `cuda_kernel` makes one.")
      .def("__call__", call, nb::kw_only(), nb::arg("inputs"), nb::arg("output_shapes"),
           nb::arg("output_dtypes"), nb::arg("grid"), nb::arg("threadgroup"),
           nb::arg("template") = nb::none(), nb::arg("init_value") = nb::none(), nb::arg("verbose") = false,
           nb::arg("stream") = nb::none(),
           "The outputs of the kernel, as a list. `grid` is the number of threads in all, `threadgroup` that "
           "of a "
           "block; `template` is a list of pairs of names and values (a Dtype, an int or a bool); outputs "
           "start with "
           "`init_value`, if given; `verbose` prints the source. RuntimeError where there is no CUDA device.")
      .def_prop_ro("name", &CudaKernel::name)
      .def_prop_ro("input_names", &CudaKernel::input_names)
      .def_prop_ro("output_names", &CudaKernel::output_names)
      .def_prop_ro("source", &CudaKernel::source)
      .def_prop_ro("header", &CudaKernel::header)
      .def_prop_ro("ensure_row_contiguous", &CudaKernel::ensure_row_contiguous)
      .def_prop_ro("shared_memory", &CudaKernel::shared_memory)
      .def("__repr__", [](const CudaKernel& kernel) { return "CudaKernel(" + kernel.name() + ")"; });
}

}  // namespace

void bind_kernels(nb::module_& core) {
  nb::module_ m = submodule(core, "fast");
  bind_class(m);
  m.def(
      "cuda_kernel",
      [](const std::string& name, const std::vector<std::string>& inputs,
         const std::vector<std::string>& outputs, const std::string& source, const std::string& header,
         bool ensure_row_contiguous, int shared_memory) {
        return CudaKernel(name, inputs, outputs, source, header, ensure_row_contiguous, shared_memory);
      },
      nb::arg("name"), nb::arg("input_names"), nb::arg("output_names"), nb::arg("source"),
      nb::arg("header") = "", nb::arg("ensure_row_contiguous") = true, nb::arg("shared_memory") = 0,
      "A callable CUDA kernel with this body. The signature is made from the names, and `header` stands "
      "before it. "
      "Inputs are made row-major first if `ensure_row_contiguous`; `shared_memory` is in bytes.");
  m.def("precompiled_cuda_kernel", call_compiled, nb::kw_only(), nb::arg("name"), nb::arg("compiled_source"),
        nb::arg("inputs"), nb::arg("output_shapes"), nb::arg("output_dtypes"), nb::arg("scalars"),
        nb::arg("grid"), nb::arg("threadgroup"), nb::arg("shared_memory") = 0,
        nb::arg("init_value") = nb::none(), nb::arg("ensure_row_contiguous") = false,
        nb::arg("stream") = nb::none(),
        "The outputs of a CUDA kernel given as PTX or as a cubin, as a list. It is called with the inputs, "
        "the outputs "
        "and the scalars. RuntimeError where there is no CUDA device.");
  m.def(
      "metal_kernel",
      [](const std::string& name, const nb::args&, const nb::kwargs&) { fast::metal_kernel(name); },
      nb::arg("name"), nb::arg("args"), nb::arg("kwargs"),
      "RuntimeError, always: there is no Metal on this machine. See cuda_kernel.");
}

}  // namespace melix::python
