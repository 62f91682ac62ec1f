// A lock for a few instructions: one exchange to take it, one store to give it back. Not for anything that may block or
// throw while it is held.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace melix {

/// Tells the core that this thread is waiting in a loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::
                   : "memory");  // `yield` does nothing on most cores; isb waits about as long as x86's pause
#endif
}

/// Meets the requirements of std::lock_guard. Constant-initialised, and destroyed without effect.
class Spinlock {
 public:
  void lock() noexcept {
    while (held_.exchange(1, std::memory_order_acquire)) {
      // The holder is some 20 instructions from the end, unless it lost its core: then this one is given up.
      for (int i = 0; held_.load(std::memory_order_relaxed); ++i) {
        if (i < 100)
          cpu_relax();
        else
          sched_yield();
      }
    }
  }
  void unlock() noexcept { held_.store(0, std::memory_order_release); }

 private:
  std::atomic<uint32_t> held_{0};
};

}  // namespace melix
