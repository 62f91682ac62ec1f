// See worker.h. Workers are never destroyed: threads may be posting while the process exits.
#include "melix/transforms/worker.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <system_error>
#include <thread>

namespace melix {
namespace {

PlanningLock* planning_lock = nullptr;

class StreamWorker final : public Worker {
 public:
  void post(std::function<void()> job) override {
    {
      std::lock_guard guard(lock_);
      if (start()) {
        jobs_.push_back(std::move(job));
        changed_.notify_all();
        return;
      }
    }
    job();
  }

  void drain() override {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return jobs_.empty() && !busy_; });
  }

 private:
  bool start() {
    if (started_) return true;
    try {
      std::thread([this] { loop(); }).detach();
      started_ = true;
    } catch (const std::system_error&) {
    }
    return started_;
  }

  void loop() {
    std::unique_lock guard(lock_);
    for (;;) {
      changed_.wait(guard, [&] { return !jobs_.empty(); });
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      busy_ = true;
      guard.unlock();
      job();
      job = nullptr;
      guard.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool started_ = false, busy_ = false;
};

struct Workers {
  std::mutex lock;
  std::map<int, StreamWorker*> by_stream;
};

Workers* workers = new Workers;

// A fork copies the calling thread alone: the child starts with unlocked locks and no workers (theirs are leaked).
void before_fork() {
  if (planning_lock) planning_lock->lock();
  workers->lock.lock();
}
void after_fork_parent() {
  workers->lock.unlock();
  if (planning_lock) planning_lock->unlock();
}
void after_fork_child() {
  workers = new Workers;
  if (planning_lock) planning_lock->unlock();
}

[[maybe_unused]] const int fork_handlers = pthread_atfork(before_fork, after_fork_parent, after_fork_child);

}  // namespace

PlanningLock::PlanningLock() { planning_lock = this; }

PlanningLock& planning() {
  static PlanningLock* lock = new PlanningLock;
  return *lock;
}

Worker& worker_of(Stream stream) {
  std::lock_guard guard(workers->lock);
  StreamWorker*& worker = workers->by_stream[stream.index];
  if (!worker) worker = new StreamWorker;
  return *worker;
}

}  // namespace melix
