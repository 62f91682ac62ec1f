// Memory that belongs to somebody else in Python (NumPy, a DLPack exporter). The last array on it may die on any
// thread, with or without the interpreter lock; its owner is always released with it.
#pragma once

#include "python/src/array_object.h"

namespace melix::python {

/// Calls `release(object)` with the interpreter lock: now if this thread holds it, else as soon as the interpreter runs
/// a pending call or drain_releases is called. Never blocks on the lock. After the interpreter has ended, does nothing.
void release_with_lock(void (*release)(void*), void* object) noexcept;

/// Releases what waits. The caller holds the lock. Called wherever the binding takes the lock back.
void drain_releases() noexcept;

/// A buffer over `bytes` at `data`, which `release(object)` gives back in the way above.
Ref<Buffer> foreign_buffer(void* data, size_t bytes, bool writable, void (*release)(void*), void* object);

/// Gives the interpreter lock away for its lifetime, and releases what waits when it has it back.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    PyEval_RestoreThread(state_);
    drain_releases();
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace melix::python
