// See stream.h. Stream 0 is the CPU's default stream; the table of defaults is the one mutable thing here.
#include "melix/core/stream.h"

#include <atomic>
#include <mutex>
#include <vector>

#include "melix/core/error.h"

namespace melix {
namespace {

struct Defaults {
  std::mutex lock;
  std::vector<Stream> streams{Stream{0, Device{}}};  // all that were made, by index
  std::vector<Stream> by_device{Stream{0, Device{}}};
};

Defaults& defaults() {
  static Defaults* instance =
      new Defaults;  // never destroyed: streams may be asked for while the process exits
  return *instance;
}

std::atomic<Device> default_device_{Device{}};

thread_local Stream scoped;
thread_local bool has_scope = false;

void require_device(Device device) {
  if (!is_available(device)) fail(Code::value, "device", device, " is not available on this machine");
}

}  // namespace

int device_count(DeviceType type) { return type == DeviceType::cpu ? 1 : 0; }

bool is_available(Device device) { return device.index >= 0 && device.index < device_count(device.type); }

Device default_device() {
  return has_scope ? scoped.device : default_device_.load(std::memory_order_relaxed);
}

void set_default_device(Device device) {
  require_device(device);
  default_device_.store(device);
}

Stream default_stream(Device device) {
  if (has_scope && scoped.device == device) return scoped;
  require_device(device);
  Defaults& all = defaults();
  std::lock_guard guard(all.lock);
  for (Stream stream : all.by_device) {
    if (stream.device == device) return stream;
  }
  fail(Code::runtime, "default_stream", "no default stream for ", device);
}

void set_default_stream(Stream stream) {
  require_device(stream.device);
  Defaults& all = defaults();
  std::lock_guard guard(all.lock);
  if (stream.index < 0 || stream.index >= int(all.streams.size())) {
    fail(Code::value, "set_default_stream", "there is no ", stream);
  }
  for (Stream& known : all.by_device) {
    if (known.device == stream.device) known = stream;
  }
}

Stream new_stream(Device device) {
  require_device(device);
  Defaults& all = defaults();
  std::lock_guard guard(all.lock);
  all.streams.push_back(Stream{int(all.streams.size()), device});
  return all.streams.back();
}

int stream_count() {
  Defaults& all = defaults();
  std::lock_guard guard(all.lock);
  return int(all.streams.size());
}

Stream StreamOrDevice::resolve() const {
  switch (kind_) {
    case Kind::stream:
      return stream_;
    case Kind::device:
      return default_stream(stream_.device);
    default:
      return has_scope ? scoped : default_stream(default_device());
  }
}

StreamScope::StreamScope(StreamOrDevice to) : before_(scoped), had_before_(has_scope) {
  scoped = to.resolve();
  has_scope = true;
}

StreamScope::~StreamScope() {
  scoped = before_;
  has_scope = had_before_;
}

void append(std::string& out, Device device) {
  out += concat("Device(", device.type == DeviceType::cpu ? "cpu" : "gpu", ", ", device.index, ")");
}

void append(std::string& out, Stream stream) {
  out += concat("Stream(", stream.device, ", ", stream.index, ")");
}

}  // namespace melix
