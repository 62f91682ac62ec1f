// The memory of the library, as Python sees and limits it.
#include <algorithm>
#include <fstream>
#include <string>

#include "melix/core/allocator.h"
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

nb::object device_info() {
  nb::dict out;
  out["architecture"] = architecture();
  out["device_name"] = processor_name().c_str();
  out["memory_size"] = memory::memory_limit();
  return out;
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
  m.def(
      "set_wired_limit",
      [](size_t limit) {
        static size_t wired = 0;
        return std::exchange(wired, limit);
      },
      nb::arg("limit"),
      "Remembers a limit for memory that the system must not move away, and returns the one before. It has "
      "no effect: "
      "memory of the host is not wired.");
  m.def(
      "clear_cache",
      [] {
        clear_constants();
        memory::clear_cache();
      },
      "Gives freed memory back to the system.");
  m.def("get_array_buffer_size", buffer_size,
        "Bytes of the memory that evaluated arrays hold; shared memory counts once.");
  m.def(
      "device_info", [](nb::handle) { return device_info(); }, nb::arg("d") = nb::none(),
      "What is known of a device: a dict with at least its architecture and name.");
}

}  // namespace melix::python
