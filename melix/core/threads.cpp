// The pool. A caller puts its job into a slot, opens it, and works on its pieces; workers that see an open slot join
// it, as long as it has permits (fewer than pieces, and than threads asked for). A caller that finds no slot free works
// alone. So nobody ever waits, but a caller for the workers inside its own job.
//
//     caller   take slot -> write job -> state = permits -> open |= slot -> pieces -> close -> wait until inside = 0
//     worker   spin or sleep until open != 0 -> state: permits - 1, inside + 1 -> pieces -> inside - 1
//
// The pool is static, needs no destructor and its threads are detached: at exit they end with the process, wherever
// they are. They touch nothing else while they idle.
#include "melix/core/threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <type_traits>

#include "melix/core/host_limits.h"
#include "melix/core/spinlock.h"

namespace melix {
namespace {

using std::memory_order_acq_rel, std::memory_order_acquire, std::memory_order_relaxed,
    std::memory_order_release, std::memory_order_seq_cst;

// How long a thread that has nothing to do keeps its core before it sleeps. Waking it costs 5 to 50 us, and between two
// operations of an eager program there are about 10 us.
constexpr auto kSpin = std::chrono::microseconds(40);
// Sleepers that one thread wakes (1 to 2 us each); those wake as many more, so that a hundred start in three rounds.
constexpr uint32_t kWakeAtOnce = 4;

// Slot::state:  waiting (1 bit) | permits (11 bits) | inside (11 bits)
constexpr uint32_t kInside = 1, kInsideMask = 0x7ff;
constexpr uint32_t kPermit = 0x800, kPermitMask = 0x7ff * kPermit;
constexpr uint32_t kWaiting = 1u << 22;
static_assert(kMaxThreads <= 0x7ff);

// A run of consecutive pieces. Each thread begins with the part that its number names and helps with the others when
// that one is done. So a thread finds in its own cache what it wrote there in the operation before: with one counter
// for all, 1 MiB that two cores go over again and again moves between their caches, and takes three times as long.
struct alignas(64) Part {
  std::atomic<int64_t> next{0};  // the first piece that nobody has begun
  int64_t end = 0;
};
constexpr int kMaxParts = 64;  // where there are more threads, some share a part from the beginning

struct Slot {
  alignas(64) std::atomic<uint32_t> state{0};
  // The job: written by its caller before there are permits, constant until nobody is inside.
  alignas(64) const function_ref<void(int64_t, int64_t)>* body = nullptr;
  int64_t n = 0, grain = 1;
  unsigned parts = 1;
  std::atomic<bool> failed{false};
  std::exception_ptr* exception = nullptr;  // the caller's; written by whoever sets `failed`
  Part part[kMaxParts];
};

struct Pool {
  Slot slots[64];
  alignas(64) std::atomic<uint64_t> taken{0};  // slots that belong to a caller
  alignas(64) std::atomic<uint64_t> open{0};   // slots that workers may join
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<uint32_t> wakes{0};           // what sleepers wait on
  alignas(64) std::atomic<int> threads{0};  // what num_threads() asks for, 0 before the first question
  std::atomic<int> workers{0};              // threads that were started
  std::atomic<int> obtainable{INT_MAX};     // workers that the system gave before it refused one
  std::atomic<bool> spin{false};
  std::mutex starting;  // held while workers are started, and across fork
};
constinit Pool pool;
static_assert(std::is_trivially_destructible_v<Pool>);

thread_local bool inside_body = false;

// ---- waiting ----

void futex_wait(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr,
          0);  // every return is followed by a look
}
void futex_wake(std::atomic<uint32_t>& word, uint32_t count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// Whether `done` came true while this thread had patience; none where threads share cores.
template <class Done>
bool spin_until(Done done) {
  if (done()) return true;
  if (!pool.spin.load(memory_order_relaxed)) return false;
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      cpu_relax();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

void wake_sleepers(uint32_t wanted) {
  // Sequentially consistent, as in sleep(): either the sleeper's count is seen here or the open slot there.
  if (wanted == 0 || pool.sleepers.load(memory_order_seq_cst) == 0) return;
  pool.wakes.fetch_add(1, memory_order_release);
  futex_wake(pool.wakes, std::min(wanted, kWakeAtOnce));
}

void sleep() {
  pool.sleepers.fetch_add(1, memory_order_seq_cst);
  const uint32_t wakes = pool.wakes.load(memory_order_acquire);
  if (pool.open.load(memory_order_seq_cst) == 0) futex_wait(pool.wakes, wakes);
  pool.sleepers.fetch_sub(1, memory_order_relaxed);
}

// ---- work ----

void run_piece(Slot& slot, int64_t piece) noexcept {
  const int64_t begin = piece * slot.grain;
  try {
    (*slot.body)(begin, slot.n - begin > slot.grain ? begin + slot.grain : slot.n);
  } catch (...) {
    if (!slot.failed.exchange(true, memory_order_relaxed)) *slot.exception = std::current_exception();
  }
}

// Works on a job until every piece of it was begun, or one failed. `number` is the thread's; a caller's is 0.
void run_pieces(Slot& slot, unsigned number) noexcept {
  for (unsigned i = 0; i < slot.parts; ++i) {
    Part& part = slot.part[(number + i) % slot.parts];
    while (part.next.load(memory_order_relaxed) <
           part.end) {  // looked at first: reading is cheap for everybody
      const int64_t piece = part.next.fetch_add(1, memory_order_relaxed);
      if (piece >= part.end) break;
      if (slot.failed.load(memory_order_relaxed)) return;
      run_piece(slot, piece);
    }
  }
}

// Helps with one open job. Workers begin to look at different slots, so that they spread over the jobs.
bool join_one(unsigned number, bool woken) {
  const unsigned first = number * 7 % 64;
  for (uint64_t open = std::rotr(pool.open.load(memory_order_acquire), int(first)); open; open &= open - 1) {
    const unsigned index = (unsigned(std::countr_zero(open)) + first) % 64;
    Slot& slot = pool.slots[index];
    uint32_t state = slot.state.load(memory_order_relaxed);
    while (state & kPermitMask) {
      if (!slot.state.compare_exchange_weak(state, state + kInside - kPermit, memory_order_acquire,
                                            memory_order_relaxed))
        continue;
      const uint32_t permits = (state & kPermitMask) / kPermit - 1;
      // From inside: the slot cannot go to another job before this thread leaves.
      if (permits == 0) pool.open.fetch_and(~(uint64_t(1) << index), memory_order_release);
      if (woken) wake_sleepers(permits);
      run_pieces(slot, number);
      const uint32_t before = slot.state.fetch_sub(kInside, memory_order_acq_rel);
      if ((before & kInsideMask) == 1 && (before & kWaiting)) futex_wake(slot.state, 1);
      return true;
    }
  }
  return false;
}

void* work(void* argument) {
  const unsigned number = unsigned(reinterpret_cast<uintptr_t>(argument));
  inside_body = true;  // whatever a worker runs is part of a body
  for (bool woken = true;;) {
    if (join_one(number, woken)) {
      woken = false;
    } else if (!spin_until([] { return pool.open.load(memory_order_relaxed) != 0; })) {
      sleep();
      woken = true;
    }
  }
  return nullptr;
}

// ---- threads ----

bool start_worker(int number) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes)) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals of the process are for the program's own threads; those that a fault raises stay with the thread at fault.
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  const int status = pthread_create(&thread, &attributes, work, reinterpret_cast<void*>(uintptr_t(number)));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (status) return false;
  char name[16];
  std::snprintf(name, sizeof name, "melix-%u", unsigned(number) % 10000);
  pthread_setname_np(thread, name);  // workers never end: the handle is good
  return true;
}

// Workers there are, once as many as `wanted` were asked for.
int have_workers(int wanted) {
  const int now = pool.workers.load(memory_order_acquire);
  if (now >= wanted || now >= pool.obtainable.load(memory_order_relaxed)) return now;
  std::lock_guard lock(pool.starting);
  int count = pool.workers.load(memory_order_relaxed);
  for (; count < wanted && start_worker(count + 1); ++count) {
  }
  if (count < wanted) pool.obtainable.store(count, memory_order_relaxed);
  pool.workers.store(count, memory_order_release);
  return count;
}

// Memory for the names of cgroup files may be missing: then the quota is not known.
int cores() noexcept {
  try {
    return std::min(usable_cores(), kMaxThreads);
  } catch (...) {
    return 1;
  }
}

int default_threads(int cores) noexcept {
  int n = 0;
  if (const char* text = std::getenv("MELIX_NUM_THREADS")) {
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), n);
    if (error != std::errc() || *end != 0 || n < 1 || n > kMaxThreads) n = 0;
  }
  return n ? n : cores;
}

int set_threads(int n) {
  const int available = cores();
  if (n <= 0) n = default_threads(available);
  n = std::min(n, kMaxThreads);
  pool.spin.store(n <= available, memory_order_relaxed);
  pool.obtainable.store(INT_MAX, memory_order_relaxed);
  pool.threads.store(n, memory_order_relaxed);
  return n;
}

// ---- fork ----

// The child has none of the workers: it forgets them, and what callers in other threads had begun.
void reset_in_child() {
  for (Slot& slot : pool.slots) slot.state.store(0, memory_order_relaxed);
  pool.taken.store(0, memory_order_relaxed);
  pool.open.store(0, memory_order_relaxed);
  pool.sleepers.store(0, memory_order_relaxed);
  pool.workers.store(0, memory_order_relaxed);
  pool.obtainable.store(INT_MAX, memory_order_relaxed);
  pool.starting.unlock();
}
[[maybe_unused]] const int at_fork =
    pthread_atfork([] { pool.starting.lock(); }, [] { pool.starting.unlock(); }, reset_in_child);

// ---- callers ----

// The index of a slot that now is the caller's, -1 when 64 callers have them all.
int take_slot() {
  uint64_t taken = pool.taken.load(memory_order_relaxed);
  while (~taken) {
    const int index = std::countr_one(taken);
    if (pool.taken.compare_exchange_weak(taken, taken | uint64_t(1) << index, memory_order_acquire,
                                         memory_order_relaxed)) {
      return index;
    }
  }
  return -1;
}

// Gives each part its pieces: consecutive ones, as many as the others have or one more.
void cut(Slot& slot, int64_t pieces, int parts) {
  slot.parts = unsigned(parts);
  const int64_t each = pieces / parts, longer = pieces % parts;
  for (int64_t p = 0, begin = 0; p < parts; ++p) {
    const int64_t end = begin + each + (p < longer);
    slot.part[p].next.store(begin, memory_order_relaxed);
    slot.part[p].end = end;
    begin = end;
  }
}

void wait_for_workers(Slot& slot) {
  const auto empty = [&slot] { return (slot.state.load(memory_order_acquire) & kInsideMask) == 0; };
  if (spin_until(empty)) return;
  for (;;) {
    const uint32_t state = slot.state.fetch_or(kWaiting, memory_order_acq_rel) | kWaiting;
    if ((state & kInsideMask) == 0) return;
    futex_wait(slot.state, state);
  }
}

void run_alone(int64_t n, int64_t grain, function_ref<void(int64_t, int64_t)> body) {
  int64_t begin = 0;
  for (; n - begin > grain; begin += grain) body(begin, begin + grain);
  body(begin, n);
}

}  // namespace

int num_threads() {
  int n = pool.threads.load(memory_order_relaxed);
  if (n == 0) [[unlikely]]
    n = set_threads(0);
  const int obtainable = pool.obtainable.load(memory_order_relaxed);
  return obtainable < n ? obtainable + 1 : n;
}

void set_num_threads(int n) { set_threads(n); }

void parallel_for(int64_t n, int64_t grain, function_ref<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (n <= grain) return body(0, n);
  const int threads = inside_body ? 1 : num_threads();
  const int64_t pieces = (n - 1) / grain + 1;
  const int helpers =
      threads == 1 ? 0 : int(std::min<int64_t>({pieces - 1, threads - 1, have_workers(threads - 1)}));
  const int index = helpers > 0 ? take_slot() : -1;
  if (index < 0) return run_alone(n, grain, body);

  Slot& slot = pool.slots[index];
  const uint64_t bit = uint64_t(1) << index;
  std::exception_ptr exception;
  slot.body = &body;
  slot.n = n, slot.grain = grain;
  slot.exception = &exception;
  slot.failed.store(false, memory_order_relaxed);
  cut(slot, pieces, std::min(helpers + 1, kMaxParts));
  slot.state.store(uint32_t(helpers) * kPermit, memory_order_release);
  pool.open.fetch_or(bit, memory_order_seq_cst);
  // A worker that came by between the two lines above may have taken the last permit and found no bit to clear.
  if ((slot.state.load(memory_order_relaxed) & kPermitMask) == 0)
    pool.open.fetch_and(~bit, memory_order_relaxed);
  wake_sleepers(uint32_t(helpers));

  inside_body = true;
  run_pieces(slot, 0);
  inside_body = false;

  if (pool.open.load(memory_order_relaxed) & bit) pool.open.fetch_and(~bit, memory_order_relaxed);
  slot.state.fetch_and(~kPermitMask, memory_order_relaxed);
  wait_for_workers(slot);
  pool.taken.fetch_and(~bit, memory_order_release);
  if (exception) std::rethrow_exception(std::move(exception));
}

}  // namespace melix
