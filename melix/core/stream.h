// Devices, and streams: queues of work on a device. A device is an argument of an operation, never a property of an
// array.
#pragma once

#include <string>

namespace melix {

enum class DeviceType : unsigned char { cpu, gpu };

struct Device {
  static constexpr DeviceType cpu = DeviceType::cpu, gpu = DeviceType::gpu;

  DeviceType type = DeviceType::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

/// Work given to one stream runs in order; streams of their own run beside each other. Small enough to pass by value.
struct Stream {
  int index = 0;
  Device device;
  bool operator==(const Stream&) const = default;
};

/// What the last argument of every operation takes: nothing (the default stream), a device (its default stream) or a
/// stream.
class StreamOrDevice {
 public:
  StreamOrDevice() = default;
  StreamOrDevice(Stream stream) : kind_(Kind::stream), stream_(stream) {}
  StreamOrDevice(Device device) : kind_(Kind::device), stream_{0, device} {}
  StreamOrDevice(DeviceType type) : StreamOrDevice(Device{type, 0}) {}
  /// The stream meant, resolved on the calling thread.
  Stream resolve() const;

 private:
  enum class Kind : unsigned char { none, device, stream } kind_ = Kind::none;
  Stream stream_;
};

/// Number of devices of a kind that this process can use.
int device_count(DeviceType type);
bool is_available(Device device);

/// The device of operations that name none. Setting one that does not exist throws Code::value.
Device default_device();
void set_default_device(Device device);

/// The stream of operations that name none: of the thread's innermost StreamScope, else the device's default.
Stream default_stream(Device device);
void set_default_stream(Stream stream);
Stream new_stream(Device device);
/// Streams made so far; stream k has index k.
int stream_count();

/// For its lifetime, operations built on this thread that name no stream use this one. Scopes nest.
class StreamScope {
 public:
  explicit StreamScope(StreamOrDevice to);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Stream before_;
  bool had_before_;
};

void append(std::string& out, Device device);  // Device(cpu, 0)
void append(std::string& out, Stream stream);  // Stream(Device(cpu, 0), 1)

}  // namespace melix
