// Rules of CUDA kernels given as source text or machine code.
#include "melix/ops/kernel.h"

#include <algorithm>
#include <cctype>

#include "melix/core/text.h"
#include "melix/ops/elementwise.h"

namespace melix {
namespace {

constexpr const char* kSource = "cuda_kernel";
constexpr const char* kCompiled = "precompiled_cuda_kernel";
constexpr int64_t kMostThreads = 1024;  // of a block, on every CUDA device

void infer(const Attrs* attrs, std::span<const array>, Avals& out) {
  const auto& a = attrs_as<CudaKernelAttrs>(attrs);
  if (a.output_ranks.size() != a.output_dtypes.size())
    fail(Code::value, kSource, a.name, ": ", a.output_ranks.size(), " ranks for ", a.output_dtypes.size(),
         " outputs");
  auto length = a.output_lengths.begin();
  for (uint32_t i = 0; i < a.output_ranks.size(); i++) {
    if (a.output_ranks[i] < 0 || a.output_ranks[i] > a.output_lengths.end() - length)
      fail(Code::value, kSource, a.name, ": the lengths of output ", i, " are not there");
    Shape shape(length, length + a.output_ranks[i]);
    length += a.output_ranks[i];
    elements(kSource, shape);
    if (a.output_dtypes[i] < 0 || a.output_dtypes[i] >= kDtypes)
      fail(Code::value, kSource, a.name, ": there is no dtype of the number ", a.output_dtypes[i]);
    out.push_back({std::move(shape), Dtype(a.output_dtypes[i])});
  }
}

// ---- checks ----

bool is_identifier(const std::string& text) {
  auto letter = [](unsigned char c) { return std::isalpha(c) || c == '_'; };
  return !text.empty() && letter(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) { return letter(c) || std::isdigit(c); });
}

void check_names(const std::string& kernel, const char* what, const std::vector<std::string>& names,
                 std::vector<std::string>& seen) {
  for (const std::string& name : names) {
    if (!is_identifier(name))
      fail(Code::value, kSource, kernel, ": \"", name, "\" in ", what, " is no C++ name");
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      fail(Code::value, kSource, kernel, ": the name ", name, " is there twice");
    seen.push_back(name);
  }
}

void check_threads(const char* op, const std::string& kernel, const char* what, const Shape& n) {
  if (n.size() != 3) fail(Code::value, op, kernel, ": ", what, " must be three numbers, got ", n.size());
  for (int64_t i : n) {
    if (i < 1) fail(Code::value, op, kernel, ": ", what, " must be three positive numbers, got ", n);
  }
}

void check_launch(const char* op, const std::string& kernel, const fast::KernelLaunch& launch) {
  if (launch.output_shapes.size() != launch.output_dtypes.size()) {
    fail(Code::value, op, kernel, ": ", launch.output_shapes.size(), " output_shapes for ",
         launch.output_dtypes.size(), " output_dtypes");
  }
  for (const Shape& shape : launch.output_shapes) elements(op, shape);
  check_threads(op, kernel, "grid", launch.grid);
  check_threads(op, kernel, "threadgroup", launch.threadgroup);
  int64_t threads = 1;
  for (int64_t n : launch.threadgroup) threads *= std::min(n, kMostThreads + 1);
  if (threads > kMostThreads) {
    fail(Code::value, op, kernel, ": a threadgroup of ", launch.threadgroup, " has more than ", kMostThreads,
         " threads");
  }
}

// The stream, which must be one of a CUDA device: by default that of the first.
Stream cuda_stream(const char* op, const std::string& kernel, const std::optional<StreamOrDevice>& s) {
  if (s && s->resolve().device.type != DeviceType::gpu)
    fail(Code::value, op, kernel, " runs on a GPU, and the stream is one of ", s->resolve().device);
  if (device_count(DeviceType::gpu) == 0) {
    fail(Code::runtime, op, kernel,
         " cannot run: no CUDA device is available to this process (device_count(gpu) is 0)."
         " On the CPU, compose operations or add one in C++ (docs/custom-operations.md)");
  }
  return s ? s->resolve() : default_stream(Device{DeviceType::gpu, 0});
}

// ---- attributes ----

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    if (!out.empty()) out += '\n';
    out += text;
  }
  return out;
}

std::string text_of(const fast::TemplateValue& value) {
  return std::visit([](auto v) { return concat(v); }, value);
}

std::vector<array> launched(CudaKernelAttrs a, const fast::KernelLaunch& launch, Stream stream) {
  for (const Shape& shape : launch.output_shapes) {
    a.output_ranks.push_back(int64_t(shape.size()));
    for (int64_t length : shape) a.output_lengths.push_back(length);
  }
  for (Dtype dtype : launch.output_dtypes) a.output_dtypes.push_back(int64_t(dtype));
  a.grid = launch.grid, a.threadgroup = launch.threadgroup;
  a.initialised = launch.init_value.has_value(), a.init_value = launch.init_value.value_or(0);
  const AttrList fields = a.list();
  return make_all(op::cuda_kernel, CudaKernelAttrs::read(fields),
                  Inputs(launch.inputs.begin(), launch.inputs.end()), stream);
}

// ---- what there is not ----

std::vector<MaybeArray> vjp(const VjpContext& c) {
  fail(Code::value, kSource, attrs_as<CudaKernelAttrs>(c.attrs).name,
       " has no derivative: give it one with custom_function");
}
std::vector<array> vmap(const VmapContext& c) {
  fail(Code::value, kSource, attrs_as<CudaKernelAttrs>(c.attrs).name,
       " cannot be vectorised by vmap: give it a rule with custom_function");
}
std::vector<array> decompose(const Attrs* attrs, std::span<const array>) {
  fail(Code::runtime, kSource, attrs_as<CudaKernelAttrs>(attrs).name, " runs on CUDA devices only");
}

}  // namespace

namespace op {
const Op cuda_kernel{.name = "cuda_kernel",
                     .infer = infer,
                     .vjp = vjp,
                     .vmap = vmap,
                     .decompose = decompose,
                     .read_attrs = CudaKernelAttrs::read,
                     .layout = InputLayout::any};
}  // namespace op

namespace fast {

CudaKernel::CudaKernel(std::string name, std::vector<std::string> input_names,
                       std::vector<std::string> output_names, std::string source, std::string header,
                       bool ensure_row_contiguous, int shared_memory)
    : name_(std::move(name)),
      input_names_(std::move(input_names)),
      output_names_(std::move(output_names)),
      source_(std::move(source)),
      header_(std::move(header)),
      row_contiguous_(ensure_row_contiguous),
      shared_memory_(shared_memory) {
  if (!is_identifier(name_)) fail(Code::value, kSource, "the name \"", name_, "\" is no C++ name");
  if (output_names_.empty()) fail(Code::value, kSource, name_, ": a kernel needs at least one output");
  if (source_.empty()) fail(Code::value, kSource, name_, ": the source is empty");
  if (shared_memory_ < 0)
    fail(Code::value, kSource, name_, ": shared_memory must not be negative, got ", shared_memory_);
  std::vector<std::string> seen;
  check_names(name_, "input_names", input_names_, seen);
  check_names(name_, "output_names", output_names_, seen);
}

std::vector<array> CudaKernel::operator()(const KernelLaunch& launch,
                                          const std::optional<StreamOrDevice>& s) const {
  if (launch.inputs.size() != input_names_.size())
    fail(Code::value, kSource, name_, ": got ", launch.inputs.size(), " inputs for ", input_names_.size(),
         " input_names");
  if (launch.output_shapes.size() != output_names_.size()) {
    fail(Code::value, kSource, name_, ": got ", launch.output_shapes.size(), " output_shapes for ",
         output_names_.size(), " output_names");
  }
  check_launch(kSource, name_, launch);
  std::vector<std::string> templates, seen;
  for (const auto& [name, value] : launch.templates) {
    check_names(name_, "template", {name}, seen);
    templates.push_back(concat(name, '=', text_of(value)));
  }
  const Stream stream = cuda_stream(kSource, name_, s);
  CudaKernelAttrs a;
  a.name = name_, a.compiled = false, a.source = source_, a.header = header_;
  a.input_names = joined(input_names_), a.output_names = joined(output_names_),
  a.templates = joined(templates);
  a.shared_memory = shared_memory_, a.row_contiguous = row_contiguous_;
  return launched(std::move(a), launch, stream);
}

std::vector<array> precompiled_cuda_kernel(const std::string& name, const std::string& compiled_source,
                                           const KernelLaunch& launch,
                                           const std::vector<KernelScalar>& scalars, int shared_memory,
                                           bool ensure_row_contiguous,
                                           const std::optional<StreamOrDevice>& s) {
  if (!is_identifier(name)) fail(Code::value, kCompiled, "the name \"", name, "\" is no C++ name");
  if (compiled_source.empty()) fail(Code::value, kCompiled, name, ": the compiled source is empty");
  if (launch.output_shapes.empty())
    fail(Code::value, kCompiled, name, ": a kernel needs at least one output");
  if (shared_memory < 0)
    fail(Code::value, kCompiled, name, ": shared_memory must not be negative, got ", shared_memory);
  check_launch(kCompiled, name, launch);
  const Stream stream = cuda_stream(kCompiled, name, s);
  CudaKernelAttrs a;
  a.name = name, a.compiled = true, a.source = compiled_source;
  std::vector<std::string> types;
  for (const KernelScalar& scalar : scalars) {
    types.push_back(scalar.index() == 0 ? "bool" : scalar.index() == 1 ? "int64" : "float64");
    a.scalars.push_back(std::visit([](auto v) { return double(v); }, scalar));
  }
  a.scalar_types = joined(types);
  a.shared_memory = shared_memory, a.row_contiguous = ensure_row_contiguous;
  return launched(std::move(a), launch, stream);
}

void metal_kernel(const std::string& name) {
  fail(Code::runtime, "metal_kernel", name,
       ": there is no Metal on this machine. Write the kernel in CUDA for "
       "fast.cuda_kernel, compose operations, or add one in C++ (docs/custom-operations.md)");
}

}  // namespace fast
}  // namespace melix
