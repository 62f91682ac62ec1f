// See foreign.h.
#include "python/src/foreign.h"

#include <atomic>
#include <mutex>
#include <vector>

namespace melix::python {
namespace {

struct Release {
  void (*release)(void*);
  void* object;
};

// Never destroyed: a worker may drop an array while the process ends.
struct Queue {
  std::mutex lock;
  std::vector<Release> waiting;
  std::atomic<bool> any{false};
};
Queue& queue() {
  static Queue* const made = new Queue;
  return *made;
}

bool interpreter_ended() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

int drain_pending(void*) {
  drain_releases();
  return 0;
}

// What a buffer of foreign memory remembers.
void release_owner(void* owner) {
  auto* held = static_cast<Release*>(owner);
  release_with_lock(held->release, held->object);
  delete held;
}

}  // namespace

Ref<Buffer> foreign_buffer(void* data, size_t bytes, bool writable, void (*release)(void*), void* object) {
  return Buffer::adopt(data, bytes, release_owner, new Release{release, object}, writable);
}

void release_with_lock(void (*release)(void*), void* object) noexcept {
  if (interpreter_ended()) return;
  if (PyGILState_Check()) return release(object);
  Queue& q = queue();
  try {
    std::lock_guard guard(q.lock);
    q.waiting.push_back({release, object});
  } catch (...) {
    return;  // no memory to remember it: the owner is not released, which is no worse than keeping it
  }
  // The main thread takes the call up between two bytecodes. When its list is full, the next drain finds it.
  if (!q.any.exchange(true)) Py_AddPendingCall(drain_pending, nullptr);
}

void drain_releases() noexcept {
  Queue& q = queue();
  if (!q.any.load(std::memory_order_acquire)) return;
  std::vector<Release> taken;
  {
    std::lock_guard guard(q.lock);
    taken.swap(q.waiting);
    q.any.store(false, std::memory_order_release);
  }
  // Releasing runs Python, which must not see an error that is on its way.
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  for (Release& r : taken) r.release(r.object);
  PyErr_Restore(type, value, trace);
}

}  // namespace melix::python
