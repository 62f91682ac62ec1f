// Workers: one thread per stream for work that the caller does not wait for. Started at first use, idle ones sleep.
#pragma once

#include <functional>
#include <mutex>

#include "melix/core/stream.h"

namespace melix {

/// A mutex that a forked child finds unlocked.
class PlanningLock {
 public:
  PlanningLock();
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/// Serialises planning and publishing. Nothing runs, waits or frees foreign memory while it is held.
PlanningLock& planning();

class Worker {
 public:
  /// Runs `job` after everything posted before. Jobs do not throw. Runs it here if no thread can be started.
  virtual void post(std::function<void()> job) = 0;
  /// Waits until everything posted before is done.
  virtual void drain() = 0;

 protected:
  ~Worker() = default;
};

Worker& worker_of(Stream stream);

}  // namespace melix
