// The host's caching allocator: memory of arrays. Freed blocks are kept and handed out again, which saves the page
// faults that make fresh memory several times slower than used memory. Not for the library's own small objects
// (operator new).
#pragma once

#include <cstddef>
#include <cstdint>

namespace melix {

/// Bytes. At rest active + cache is all that the allocator has from the system.
struct MemoryStats {
  size_t active = 0;        // handed out: the sum of the capacities of blocks in use
  size_t peak = 0;          // highest `active` since the start or reset_peak()
  size_t cache = 0;         // freed and kept
  size_t memory_limit = 0;  // of active + cache
  size_t cache_limit = 0;   // of cache
  uint64_t system_allocations =
      0;  // blocks asked of the system so far: those that no cached block could serve
};

/// Any thread may call any of these at any time, in a forked child too.
namespace memory {

MemoryStats stats();
size_t active();
size_t peak();
size_t cache();
/// Peak is 0, until the next allocation sets it to what is active then.
void reset_peak();

/// Limits take effect at once on the cache, and on later allocations. Each returns the limit before.
/// Defaults: 95 % of the memory that the machine or its cgroup gives the process, and a quarter of it for the cache.
size_t set_memory_limit(size_t bytes);
size_t memory_limit();
size_t set_cache_limit(size_t bytes);
size_t cache_limit();

/// Gives every cached block back to the system.
void clear_cache();

/// A block of at least `bytes` (0 is like 1), uninitialised, 64-byte aligned; from kMapThreshold on page aligned, on
/// huge pages where the system has them. Its true size goes to *capacity: the size class, at most 12.5 % (or 63
/// bytes) more than was asked, 25 % where a larger cached block serves a large request.
/// Throws Code::memory, with the state as before, if active would pass the memory limit or the system has no more even
/// after the cache was given back.
void* allocate(size_t bytes, size_t* capacity);

/// Takes back a block and the capacity that came with it; null is ignored. To the cache, or to the system where the
/// cache is full.
void deallocate(void* block, size_t capacity) noexcept;

/// For tests: the n-th allocation from now (1 is the next) throws Code::memory, once, or with `persistent` it and all
/// after it. 0 turns that off.
void fail_allocation(int64_t n, bool persistent = false);

inline constexpr size_t kAlignment = 64;
inline constexpr size_t kMapThreshold = size_t(4) << 20;

}  // namespace memory
}  // namespace melix
