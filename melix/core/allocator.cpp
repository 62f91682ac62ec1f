// The host's caching allocator. Free blocks up to 64 KiB stand in one list per size class, each under a spinlock of its
// own: a hit costs two locked instructions. Larger ones stand under one mutex, in lists per class and in one list by
// age, whose old end goes back to the system when the cache is over its limit.
//
// Two counters, `mapped` (all that the system gave) and `active` (handed out), are the whole account: cache is their
// difference. A block moves between cache and user by changing `active` alone.
#include "melix/core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>

#include "melix/core/error.h"
#include "melix/core/host_limits.h"
#include "melix/core/poison.h"
#include "melix/core/size_class.h"
#include "melix/core/spinlock.h"

namespace melix::memory {
namespace {

using std::memory_order_relaxed;

constexpr unsigned kSmallClasses = size_class::of(64 << 10) + 1;
// A list of small blocks keeps at most this much; malloc serves the rest. Bounds what 64 lists can hold to 1 GiB.
constexpr size_t kSmallListBytes = size_t(16) << 20;
constexpr size_t kHugePage = size_t(2) << 20;

// The start of a block while it is free.
struct FreeBlock {
  FreeBlock *next, *previous;  // of the class
  FreeBlock *newer, *older;    // of all large blocks
  unsigned index;              // of the class
};
static_assert(sizeof(FreeBlock) <= kAlignment);

struct alignas(64) SmallList {
  Spinlock lock;
  uint32_t count = 0;
  FreeBlock* first = nullptr;
};

// Everything here is constant-initialised and destroyed without effect: it serves from the first static initialiser to
// the last thread alive at exit.
constinit SmallList small[kSmallClasses];
constinit std::mutex large_mutex;  // guards the rest of this group
constinit FreeBlock* large[size_class::kCount] = {};
constinit FreeBlock *newest = nullptr, *oldest = nullptr;

struct alignas(64) Counters {
  std::atomic<size_t> active{0};
  std::atomic<size_t> peak{0};
};
constinit Counters counters;

struct alignas(64) Settings {  // read by every call, written rarely
  std::atomic<size_t> mapped{0};
  std::atomic<size_t> memory_limit{
      0};  // until the defaults are read: no allocation passes it without looking there
  std::atomic<size_t> cache_limit{0};
  std::atomic<int64_t> fault{
      0};  // > 0: allocations until the one that fails; < 0: the same, and all after it
  std::atomic<uint64_t> system_allocations{0};
  std::atomic<bool> have_defaults{false};
};
constinit Settings settings;

size_t cached() {
  const size_t active_now = counters.active.load(memory_order_relaxed),
               mapped_now = settings.mapped.load(memory_order_relaxed);
  return mapped_now > active_now ? mapped_now - active_now : 0;  // the two are not read at one instant
}

void read_defaults() {
  if (settings.have_defaults.load(std::memory_order_acquire)) return;
  const size_t usable = usable_memory();
  std::lock_guard lock(large_mutex);
  if (settings.have_defaults.load(memory_order_relaxed)) return;
  settings.memory_limit.store(usable / 100 * 95, memory_order_relaxed);
  settings.cache_limit.store(usable / 4, memory_order_relaxed);
  settings.have_defaults.store(true, std::memory_order_release);
}

// ---- the system ----

// Pages that begin on a huge page: one fault then brings 2 MiB.
void* map_pages(size_t bytes) {
  constexpr int kProtection = PROT_READ | PROT_WRITE, kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
  void* raw = mmap(nullptr, bytes + kHugePage, kProtection, kFlags, -1, 0);
  if (raw == MAP_FAILED) {
    raw = mmap(nullptr, bytes, kProtection, kFlags, -1, 0);  // there may be room for this and no more
    if (raw == MAP_FAILED) return nullptr;
  } else {
    char* const begin = static_cast<char*>(raw);
    const size_t before = -reinterpret_cast<uintptr_t>(raw) % kHugePage;
    if (before) munmap(begin, before);
    munmap(begin + before + bytes, kHugePage - before);
    raw = begin + before;
  }
  madvise(raw, bytes, MADV_HUGEPAGE);  // refused where the kernel has none: plain pages then
  add_leak_root(raw, bytes);
  return raw;
}

void* system_allocate(size_t bytes) {
  return bytes >= kMapThreshold ? map_pages(bytes) : std::aligned_alloc(kAlignment, bytes);
}

void system_free(void* block, size_t bytes) noexcept {
  unpoison(block, bytes);
  if (bytes >= kMapThreshold) {
    remove_leak_root(block, bytes);
    munmap(block, bytes);
  } else {
    std::free(block);
  }
  settings.mapped.fetch_sub(bytes, memory_order_relaxed);
}

// ---- the cache ----

FreeBlock* to_free_block(void* block, unsigned index) {
  FreeBlock* out = new (block) FreeBlock;
  out->index = index;
  poison(out + 1, size_class::bytes(index) - sizeof(FreeBlock));
  return out;
}

void* pop_small(unsigned index) {
  SmallList& list = small[index];
  std::lock_guard lock(list.lock);
  FreeBlock* block = list.first;
  if (!block) return nullptr;
  list.first = block->next;
  --list.count;
  return block;
}

bool push_small(void* block, unsigned index) {
  SmallList& list = small[index];
  FreeBlock* free_block = to_free_block(block, index);
  std::lock_guard lock(list.lock);
  if (list.count >= kSmallListBytes / size_class::bytes(index)) return false;
  free_block->next = list.first;
  list.first = free_block;
  ++list.count;
  return true;
}

void link_large(FreeBlock* block) {
  FreeBlock*& first = large[block->index];
  block->previous = nullptr;
  block->next = first;
  if (first) first->previous = block;
  first = block;
  block->newer = nullptr;
  block->older = newest;
  (newest ? newest->newer : oldest) = block;
  newest = block;
}

void unlink_large(FreeBlock* block) {
  (block->previous ? block->previous->next : large[block->index]) = block->next;
  if (block->next) block->next->previous = block->previous;
  (block->newer ? block->newer->older : newest) = block->older;
  (block->older ? block->older->newer : oldest) = block->newer;
}

// The smallest block that holds `bytes` with at most a quarter to spare, the last freed of its class (its lines may
// still be in the processor's cache).
void* pop_large(size_t bytes, unsigned& index) {
  const size_t most = bytes + bytes / 4;
  std::lock_guard lock(large_mutex);
  for (unsigned i = index; i < size_class::kCount && size_class::bytes(i) <= most; ++i) {
    if (FreeBlock* block = large[i]) {
      unlink_large(block);
      index = i;
      return block;
    }
  }
  return nullptr;
}

bool evict_oldest() noexcept {
  FreeBlock* block;
  {
    std::lock_guard lock(large_mutex);
    block = oldest;
    if (!block) return false;
    unlink_large(block);
  }
  system_free(block, size_class::bytes(block->index));
  return true;
}

// A block that nobody uses and `active` does not count: to the cache or to the system.
void keep(void* block, unsigned index) noexcept {
  const size_t bytes = size_class::bytes(index), limit = settings.cache_limit.load(memory_order_relaxed);
  if (index < kSmallClasses) {
    if (cached() > limit || !push_small(block, index)) system_free(block, bytes);
    return;
  }
  if (bytes > limit) return system_free(block, bytes);
  FreeBlock* free_block = to_free_block(block, index);
  {
    std::lock_guard lock(large_mutex);
    link_large(free_block);
  }
  while (cached() > limit && evict_oldest()) {
  }
}

// ---- allocation ----

[[noreturn]] void fail_limit(size_t bytes) {
  fail(Code::memory, "allocate", "cannot allocate ", bytes, " bytes: ", active(),
       " are in use and the memory limit is ", memory_limit(), " bytes");
}

[[gnu::noinline]] void count_down_fault(size_t bytes) {
  int64_t n = settings.fault.load(memory_order_relaxed);
  while (n != 0 && n != -1) {
    if (settings.fault.compare_exchange_weak(n, n > 0 ? n - 1 : n + 1, memory_order_relaxed)) break;
  }
  if (n == 1 || n == -1)
    fail(Code::memory, "allocate", "cannot allocate ", bytes, " bytes: a failure that a test asked for");
}

// Counts `bytes` more as mapped, giving cached blocks back where the limit leaves no room beside them.
void reserve_mapped(size_t bytes) {
  bool cleared = false;
  size_t now = settings.mapped.load(memory_order_relaxed);
  for (;;) {
    if (now + bytes <= settings.memory_limit.load(memory_order_relaxed)) {
      if (settings.mapped.compare_exchange_weak(now, now + bytes, memory_order_relaxed)) return;
      continue;
    }
    if (!evict_oldest()) {
      if (cleared) fail_limit(bytes);
      clear_cache();
      cleared = true;
    }
    now = settings.mapped.load(memory_order_relaxed);
  }
}

[[gnu::noinline]] void* allocate_from_system(size_t bytes) {
  for (bool retried = false;; retried = true) {
    reserve_mapped(bytes);
    if (void* block = system_allocate(bytes)) {
      settings.system_allocations.fetch_add(1, memory_order_relaxed);
      return block;
    }
    settings.mapped.fetch_sub(bytes, memory_order_relaxed);
    if (retried)
      fail(Code::memory, "allocate", "cannot allocate ", bytes, " bytes: the system has no more memory");
    clear_cache();
  }
}

// Whether `bytes` more may be active, as far as can be told before there is a block.
bool within_limit(size_t bytes) {
  const size_t wanted = counters.active.load(memory_order_relaxed) + bytes;
  if (wanted <= settings.memory_limit.load(memory_order_relaxed)) [[likely]]
    return true;
  read_defaults();
  return wanted <= settings.memory_limit.load(memory_order_relaxed);
}

bool add_active(size_t bytes) {
  const size_t limit = settings.memory_limit.load(memory_order_relaxed);
  size_t now = counters.active.load(memory_order_relaxed);
  do {
    if (now + bytes > limit) return false;
  } while (!counters.active.compare_exchange_weak(now, now + bytes, memory_order_relaxed));
  now += bytes;
  size_t highest = counters.peak.load(memory_order_relaxed);
  while (highest < now && !counters.peak.compare_exchange_weak(highest, now, memory_order_relaxed)) {
  }
  return true;
}

// ---- fork ----

// A lock that another thread holds would stay locked in the child, with its list half changed: fork waits for all.
void lock_all() {
  for (SmallList& list : small) list.lock.lock();
  large_mutex.lock();
}
void unlock_all() {
  large_mutex.unlock();
  for (SmallList& list : small) list.lock.unlock();
}
[[maybe_unused]] const int at_fork = pthread_atfork(lock_all, unlock_all, unlock_all);

}  // namespace

void* allocate(size_t bytes, size_t* capacity) {
  if (settings.fault.load(memory_order_relaxed) != 0) [[unlikely]]
    count_down_fault(bytes);
  if (bytes > size_class::kMaxBytes) [[unlikely]]
    fail_limit(bytes);
  unsigned index = size_class::of(bytes);
  size_t size = size_class::bytes(index);
  if (!within_limit(size)) [[unlikely]]
    fail_limit(bytes);
  void* block = index < kSmallClasses ? pop_small(index) : pop_large(bytes, index);
  if (block) {
    size = size_class::bytes(index);
    unpoison(block, size);
  } else {
    block = allocate_from_system(size);
  }
  if (!add_active(size)) [[unlikely]] {  // other threads were faster
    keep(block, index);
    fail_limit(bytes);
  }
  *capacity = size;
  return block;
}

void deallocate(void* block, size_t capacity) noexcept {
  if (!block) return;
  counters.active.fetch_sub(capacity, memory_order_relaxed);
  keep(block, size_class::of(capacity));
}

void clear_cache() {
  // Whole lists are taken at once: other threads that free blocks meanwhile do not keep this one here.
  FreeBlock* block;
  {
    std::lock_guard lock(large_mutex);
    block = oldest;
    newest = oldest = nullptr;
    std::fill(std::begin(large), std::end(large), nullptr);
  }
  while (block) {
    FreeBlock* newer = block->newer;
    system_free(block, size_class::bytes(block->index));
    block = newer;
  }
  for (unsigned index = 0; index < kSmallClasses; ++index) {
    {
      std::lock_guard lock(small[index].lock);
      block = small[index].first;
      small[index].first = nullptr;
      small[index].count = 0;
    }
    while (block) {
      FreeBlock* next = block->next;
      system_free(block, size_class::bytes(index));
      block = next;
    }
  }
}

MemoryStats stats() {
  read_defaults();
  return {active(),       peak(),        cache(),
          memory_limit(), cache_limit(), settings.system_allocations.load(memory_order_relaxed)};
}
size_t active() { return counters.active.load(memory_order_relaxed); }
size_t peak() { return counters.peak.load(memory_order_relaxed); }
size_t cache() { return cached(); }
void reset_peak() { counters.peak.store(0, memory_order_relaxed); }

size_t memory_limit() {
  read_defaults();
  return settings.memory_limit.load(memory_order_relaxed);
}
size_t cache_limit() {
  read_defaults();
  return settings.cache_limit.load(memory_order_relaxed);
}
size_t set_memory_limit(size_t bytes) {
  read_defaults();
  const size_t before = settings.memory_limit.exchange(bytes, memory_order_relaxed);
  while (active() + cached() > bytes && evict_oldest()) {
  }
  if (active() + cached() > bytes) clear_cache();
  return before;
}
size_t set_cache_limit(size_t bytes) {
  read_defaults();
  const size_t before = settings.cache_limit.exchange(bytes, memory_order_relaxed);
  while (cached() > bytes && evict_oldest()) {
  }
  if (cached() > bytes) clear_cache();
  return before;
}

void fail_allocation(int64_t n, bool persistent) {
  n = std::max<int64_t>(n, 0);
  settings.fault.store(persistent ? -n : n, memory_order_relaxed);
}

}  // namespace melix::memory
