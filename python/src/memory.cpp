// The memory of the library, as Python sees and limits it.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>

#include "melix/core/allocator.h"
#include "melix/core/host_limits.h"
#include "melix/transforms/compile/plan.h"
#include "python/src/devices.h"
#include "python/src/scalars.h"
#include "python/src/to_python.h"
#include "python/src/trees.h"

namespace melix::python {
namespace {

// The processor's name as the system tells it; empty where it does not.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "cpu";
}

const char* architecture() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "unknown";
#endif
}

// Nothing is known of a device that is not there.
nb::dict device_info(nb::handle asked) {
  Device device = default_device();
  DeviceType type;
  if (nb::try_cast(asked, type, false)) {
    device = {type, 0};
  } else if (!asked.is_none() && !nb::try_cast(asked, device, false)) {
    fail(Code::type, "device_info", "a Device or DeviceType is needed, not ", Py_TYPE(asked.ptr())->tp_name);
  }
  nb::dict out;
  if (!is_available(device)) return out;
  out["architecture"] = architecture();
  out["device_name"] = processor_name().c_str();
  out["memory_size"] = usable_memory();
  out["total_memory"] = usable_memory();
  out["instruction_set"] = backend_of(device).description();
  out["cores"] = usable_cores();
  return out;
}

// Host memory is never moved away by us, and the system is not asked to keep it: the limit is remembered alone.
size_t set_wired_limit(size_t limit) {
  static std::atomic<size_t> wired{0};
  return wired.exchange(limit);
}

void clear_caches() {
  clear_constants();
  memory::clear_cache();
}

// Bytes of the different buffers that evaluated arrays in a tree hold.
size_t buffer_size(nb::args trees) {
  std::vector<const Buffer*> buffers;
  for (const array& value : flatten(trees)) {
    if (!value.ready()) fail(Code::value, "get_array_buffer_size", "the arrays must be evaluated first");
    buffers.push_back(value.view().buffer.get());
  }
  std::sort(buffers.begin(), buffers.end());
  buffers.erase(std::unique(buffers.begin(), buffers.end()), buffers.end());
  size_t total = 0;
  for (const Buffer* buffer : buffers) total += buffer->size();
  return total;
}

}  // namespace

void bind_memory(nb::module_& m) {
  m.def("get_active_memory", memory::active, "Bytes in use by arrays.");
  m.def("get_peak_memory", memory::peak, "Most bytes in use at once since the start or reset_peak_memory().");
  m.def("reset_peak_memory", memory::reset_peak, "Starts measuring the peak anew.");
  m.def("get_cache_memory", memory::cache, "Bytes freed by arrays and kept for later ones.");
  m.def("set_memory_limit", memory::set_memory_limit, nb::arg("limit"),
        "Sets the most bytes that may be in use; an allocation beyond is a MemoryError. Returns the limit "
        "before.");
  m.def("get_memory_limit", memory::memory_limit, "The most bytes that may be in use.");
  m.def("set_cache_limit", memory::set_cache_limit, nb::arg("limit"),
        "Sets the most bytes to keep for later arrays. Returns the limit before.");
  m.def("set_wired_limit", set_wired_limit, nb::arg("limit"),
        "Remembers a limit for memory that the system must not move away, and returns the one before. It has "
        "no effect: "
        "memory of the host is not wired.");
  m.def("clear_cache", clear_caches, "Gives freed memory back to the system.");
  m.def("get_array_buffer_size", buffer_size,
        "Bytes of the memory that evaluated arrays hold; shared memory counts once.");
  m.def(
      "device_info", device_info, nb::arg("d") = nb::none(),
      "What is known of a device (the default one): a dict with at least its architecture, name and memory; "
      "empty for one\n"
      "that is not there.");
}

void bind_backends(nb::module_& m) {
  m.def_submodule("cuda", "The CUDA backend.")
      .def(
          "is_available", [] { return device_count(DeviceType::gpu) > 0; },
          "Whether there is a GPU that this build can use.");

  nb::module_ metal = m.def_submodule("metal",
                                      "Deprecated names of memory functions, for programs that use them; "
                                      "melix.core has the same. There is no Metal "
                                      "here.");
  metal.def(
      "is_available", [] { return false; }, "False.");
  for (const char* name : {"get_active_memory", "get_peak_memory", "reset_peak_memory", "get_cache_memory",
                           "set_memory_limit", "set_cache_limit", "set_wired_limit", "clear_cache"}) {
    metal.attr(name) = m.attr(name);
  }
  metal.def(
      "device_info", [] { return device_info(nb::none()); },
      "What is known of the default device: melix.core.device_info().");
  auto no_capture = [](nb::args, nb::kwargs) {
    fail(Code::runtime, "metal",
         "captures need Metal; on Linux, `perf record` shows where a program spends its time");
  };
  metal.def("start_capture", no_capture, "Raises RuntimeError: captures need Metal.");
  metal.def("stop_capture", no_capture, "Raises RuntimeError: captures need Metal.");
}

}  // namespace melix::python
