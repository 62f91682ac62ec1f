// Completion: the event of a plan in flight. Waiters learn that it is over, not how it went: they look at the nodes.
#pragma once

#include <condition_variable>
#include <mutex>

#include "melix/core/ref.h"

namespace melix {

class Completion : public RefCounted {
 public:
  void signal() {
    std::lock_guard guard(lock_);
    done_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return done_; });
  }
  static void destroy(Completion* completion) noexcept { delete completion; }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool done_ = false;
};

}  // namespace melix
