// Devices, streams and memory.
#include "capi/convert.h"
#include "melix/core/allocator.h"
#include "melix/transforms/eval.h"

namespace melix::c {
namespace {

Device device_in(const char* op, melix_device_type type, int32_t index) {
  if (type == MELIX_DEFAULT_DEVICE) return default_device();
  if (type != MELIX_DEVICE_CPU && type != MELIX_DEVICE_GPU)
    fail(Code::value, op, int(type), " is no kind of device");
  return {DeviceType(type), index};
}

}  // namespace
}  // namespace melix::c

using namespace melix;
using namespace melix::c;

int melix_device_count(melix_device_type type) {
  return type == MELIX_DEVICE_CPU || type == MELIX_DEVICE_GPU ? device_count(DeviceType(type)) : 0;
}

melix_status melix_set_default_device(melix_device_type type, int32_t index) {
  return guarded([&] { set_default_device(device_in("set_default_device", type, index)); });
}

melix_status melix_new_stream(melix_stream* out, melix_device_type type, int32_t index) {
  *out = MELIX_DEFAULT;
  return guarded([&] {
    Stream made = new_stream(device_in("new_stream", type, index));
    *out = {made.index, int32_t(made.device.type), made.device.index};
  });
}

melix_status melix_synchronize(melix_stream stream) {
  return guarded([&] { synchronize(in(stream).resolve()); });
}

size_t melix_active_memory(void) { return memory::active(); }
size_t melix_peak_memory(void) { return memory::peak(); }
size_t melix_cache_memory(void) { return memory::cache(); }
void melix_reset_peak_memory(void) { memory::reset_peak(); }
void melix_clear_cache(void) { memory::clear_cache(); }
size_t melix_set_memory_limit(size_t bytes) { return memory::set_memory_limit(bytes); }
size_t melix_set_cache_limit(size_t bytes) { return memory::set_cache_limit(bytes); }
