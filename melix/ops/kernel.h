// Kernels given as source text or machine code: CUDA's, as operations that a CUDA backend runs. On a machine without
// one, making a kernel is checked, and calling it is an error that says why.
#pragma once

#include <variant>

#include "melix/graph/op.h"

namespace melix {

/// Everything a CUDA kernel needs besides its inputs. Lists of texts are joined by newlines.
struct CudaKernelAttrs : Attributes<CudaKernelAttrs> {
  std::string name;
  bool compiled;  // `source` is PTX or a cubin, not a function's body
  std::string source, header;
  std::string input_names, output_names;
  std::string templates;  // "T=float32", "N=4", "flag=true"
  std::vector<double> scalars;
  std::string scalar_types;                           // "int64", "float32" or "bool" of each
  Shape grid, threadgroup;                            // threads in all, and of a block: three numbers each
  Shape output_ranks, output_lengths, output_dtypes;  // shapes, one behind the other
  int64_t shared_memory;                              // bytes
  bool initialised;
  double init_value;    // that outputs start with, if `initialised`
  bool row_contiguous;  // inputs are made so first
  static constexpr auto fields() {
    using A = CudaKernelAttrs;
    return std::tuple{field("name", &A::name),
                      field("compiled", &A::compiled),
                      field("source", &A::source),
                      field("header", &A::header),
                      field("input_names", &A::input_names),
                      field("output_names", &A::output_names),
                      field("templates", &A::templates),
                      field("scalars", &A::scalars),
                      field("scalar_types", &A::scalar_types),
                      field("grid", &A::grid),
                      field("threadgroup", &A::threadgroup),
                      field("output_ranks", &A::output_ranks),
                      field("output_lengths", &A::output_lengths),
                      field("output_dtypes", &A::output_dtypes),
                      field("shared_memory", &A::shared_memory),
                      field("initialised", &A::initialised),
                      field("init_value", &A::init_value),
                      field("row_contiguous", &A::row_contiguous)};
  }
};

namespace op {
extern const Op cuda_kernel;
}

namespace fast {

/// The value of a template parameter: a type, a number, or a truth value.
using TemplateValue = std::variant<Dtype, bool, int64_t>;
/// A number that a compiled kernel is called with.
using KernelScalar = std::variant<bool, int64_t, double>;

/// How a kernel is called. `grid` is the number of threads in all, as in Metal, not of blocks.
struct KernelLaunch {
  std::vector<array> inputs;
  std::vector<Shape> output_shapes;
  std::vector<Dtype> output_dtypes;
  Shape grid, threadgroup;  // three numbers each
  std::vector<std::pair<std::string, TemplateValue>> templates{};
  std::optional<double> init_value{};
};

/// A kernel made from source text. Calling it gives its outputs, lazily. Copies are cheap.
class CudaKernel {
 public:
  CudaKernel(std::string name, std::vector<std::string> input_names, std::vector<std::string> output_names,
             std::string source, std::string header = {}, bool ensure_row_contiguous = true,
             int shared_memory = 0);
  /// Without a stream, the default one of the first CUDA device. Throws Code::value where the launch does not fit the
  /// kernel, Code::runtime where there is no such device.
  std::vector<array> operator()(const KernelLaunch& launch,
                                const std::optional<StreamOrDevice>& s = std::nullopt) const;

  const std::string& name() const { return name_; }
  const std::vector<std::string>& input_names() const { return input_names_; }
  const std::vector<std::string>& output_names() const { return output_names_; }
  const std::string& source() const { return source_; }
  const std::string& header() const { return header_; }
  bool ensure_row_contiguous() const { return row_contiguous_; }
  int shared_memory() const { return shared_memory_; }

 private:
  std::string name_;
  std::vector<std::string> input_names_, output_names_;
  std::string source_, header_;
  bool row_contiguous_;
  int shared_memory_;
};

/// The outputs of a kernel given as PTX or as a cubin, which is called with the inputs, the outputs, and `scalars`.
/// @python manual
std::vector<array> precompiled_cuda_kernel(const std::string& name, const std::string& compiled_source,
                                           const KernelLaunch& launch,
                                           const std::vector<KernelScalar>& scalars, int shared_memory = 0,
                                           bool ensure_row_contiguous = false,
                                           const std::optional<StreamOrDevice>& s = std::nullopt);

/// Throws Code::runtime: Metal is a thing of other machines, and the text says what there is instead.
/// @python manual
[[noreturn]] void metal_kernel(const std::string& name);

}  // namespace fast
}  // namespace melix
