// See devices.h.
#include "python/src/devices.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "melix/transforms/eval.h"
#include "python/src/foreign.h"
#include "python/src/to_python.h"

namespace melix::python {
namespace {

// A stream of each thread's own, made when the thread first uses it.
struct ThreadLocalStream {
  Device device;
  int id;

  Stream stream() const {
    thread_local std::map<int, Stream> streams;
    auto [at, is_new] = streams.try_emplace(id);
    if (is_new) at->second = new_stream(device);
    return at->second;
  }
};

// `with mx.stream(s):` operations that name no stream use this one. Entered again, it nests.
class StreamContext {
 public:
  explicit StreamContext(StreamOrDevice to) : to_(to) {}
  StreamContext(StreamContext&&) = default;  // (a vector of what cannot be copied says that it can be)
  void enter() { scopes_.push_back(std::make_unique<StreamScope>(to_)); }
  void exit() { scopes_.pop_back(); }

 private:
  StreamOrDevice to_;
  std::vector<std::unique_ptr<StreamScope>> scopes_;
};

template <class T>
nb::object text_of(const T& value) {
  return nb::steal(to_python(concat(value)));
}

Device device_of(nb::handle object) {
  if (Device device; nb::try_cast(object, device, false)) return device;
  if (DeviceType type; nb::try_cast(object, type, false)) return {type, 0};
  fail(Code::type, "Device", "a Device or DeviceType is needed, not ", Py_TYPE(object.ptr())->tp_name);
}

StreamOrDevice target_of(nb::handle object) {
  StreamOrDevice out;
  if (object.is_none() || !stream_from_object(object.ptr(), &out)) {
    fail(Code::type, "stream", "a Stream or a Device is needed, not ", Py_TYPE(object.ptr())->tp_name);
  }
  return out;
}

void bind_classes(nb::module_& m) {
  nb::enum_<DeviceType>(m, "DeviceType", "Kinds of devices.")
      .value("cpu", DeviceType::cpu, "The processor.")
      .value("gpu", DeviceType::gpu, "A graphics processor.")
      .export_values();
  nb::class_<Device>(m, "Device", "One device, on which operations run. Arrays belong to no device.")
      .def(
          "__init__",
          [](Device* self, DeviceType type, int index) {
            new (self) Device{type, index};
          },
          nb::arg("type"), nb::arg("index") = 0)
      .def_ro("type", &Device::type, "The kind of device.")
      .def_ro("index", &Device::index, "Its number among those of the kind.")
      .def("__repr__", text_of<Device>)
      .def("__hash__", [](const Device& self) { return int(self.type) * 64 + self.index; })
      .def("__eq__", [](const Device& self, nb::handle other) {
        if (Device device; nb::try_cast(other, device, false)) return self == device;
        DeviceType type;
        return nb::try_cast(other, type, false) && self == Device{type, 0};
      });
  nb::class_<Stream>(m, "Stream",
                     "A queue of work on a device: in order within, beside each other between streams.")
      .def_ro("device", &Stream::device, "Where it runs.")
      .def_ro("index", &Stream::index, "Its number.")
      .def("__repr__", text_of<Stream>)
      .def("__hash__", [](const Stream& self) { return self.index; })
      .def("__eq__", [](const Stream& self, nb::handle other) {
        Stream stream;
        return nb::try_cast(other, stream, false) && self == stream;
      });
  nb::class_<ThreadLocalStream>(m, "ThreadLocalStream", "Stands for another stream on every thread.")
      .def_ro("device", &ThreadLocalStream::device, "Where its streams run.")
      .def("__repr__",
           [](const ThreadLocalStream& self) {
             return nb::steal(to_python(concat("ThreadLocalStream(", self.device, ", ", self.id, ")")));
           })
      .def("__hash__", [](const ThreadLocalStream& self) { return self.id; })
      .def("__eq__", [](const ThreadLocalStream& self, nb::handle other) {
        ThreadLocalStream* stream = nullptr;
        return nb::try_cast(other, stream, false) && stream && stream->id == self.id;
      });
  nb::class_<StreamContext>(m, "StreamContext",
                            "A context whose operations use one stream, unless they name another.")
      .def(
          "__init__", [](StreamContext* self, nb::handle s) { new (self) StreamContext(target_of(s)); },
          nb::arg("s"))
      .def("__enter__", &StreamContext::enter)
      .def("__exit__", [](StreamContext& self, nb::args) { self.exit(); });
}

}  // namespace

bool stream_from_object(PyObject* object, StreamOrDevice* stream) noexcept {
  *stream = {};
  if (!object || object == Py_None) return true;
  nb::handle handle(object);
  if (Stream s; nb::try_cast(handle, s, false)) {
    *stream = s;
  } else if (Device device; nb::try_cast(handle, device, false)) {
    *stream = device;
  } else if (DeviceType type; nb::try_cast(handle, type, false)) {
    *stream = Device{type, 0};
  } else if (ThreadLocalStream* local = nullptr; nb::try_cast(handle, local, false) && local) {
    *stream = local->stream();
  } else {
    return false;
  }
  return true;
}

void bind_devices(nb::module_& m) {
  bind_classes(m);
  m.def("default_device", default_device, "The device of operations that name none.");
  m.def(
      "set_default_device", [](nb::handle device) { set_default_device(device_of(device)); },
      nb::arg("device"), "Sets the device of operations that name none. ValueError if there is none such.");
  m.def(
      "default_stream", [](nb::handle device) { return default_stream(device_of(device)); },
      nb::arg("device"), "The stream of operations on a device that name none.");
  m.def("set_default_stream", set_default_stream, nb::arg("stream"),
        "Sets the default stream of its device.");
  m.def(
      "new_stream", [](nb::handle device) { return new_stream(device_of(device)); }, nb::arg("device"),
      "A new stream on a device.");
  m.def(
      "new_thread_unsafe_stream", [](nb::handle device) { return new_stream(device_of(device)); },
      nb::arg("device"), "A new stream on a device. (Every stream may be used by any thread.)");
  m.def(
      "new_thread_local_stream",
      [](nb::handle device) {
        static std::atomic<int> made{0};
        return ThreadLocalStream{device_of(device), made++};
      },
      nb::arg("device"), "An object that stands for a stream of each thread's own.");
  m.def(
      "clear_streams",
      [] {
        Unlocked unlocked;
        for (int i = 0; i < stream_count(); i++) synchronize(Stream{i, {}});
      },
      "Waits for the work of all streams. (Idle streams cost nothing: there is nothing to destroy.)");
  m.def(
      "stream", [](nb::handle s) { return StreamContext(target_of(s)); }, nb::arg("s"),
      "A context: `with mx.stream(mx.cpu):` operations that name no stream use this one.");
  m.def(
      "synchronize",
      [](nb::handle stream) {
        std::optional<Stream> to;
        if (!stream.is_none()) to = target_of(stream).resolve();
        Unlocked unlocked;
        synchronize(to);
      },
      nb::arg("stream") = nb::none(), "Waits until all work given to a stream (the default one) is done.");
  m.def("device_count", device_count, nb::arg("device_type"), "Number of devices of a kind.");
  m.def(
      "is_available", [](nb::handle device) { return is_available(device_of(device)); }, nb::arg("device"),
      "Whether this process can use a device.");
}

}  // namespace melix::python
