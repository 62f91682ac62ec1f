// Marks memory that the allocators hold, so that AddressSanitizer reports who touches it. Without the sanitizer these
// do nothing.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace melix {

inline void poison([[maybe_unused]] const void* begin, [[maybe_unused]] size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(begin, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const void* begin, [[maybe_unused]] size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

/// Pages from mmap that hold the only pointers to memory from malloc: the leak checker does not look there by itself.
inline void add_leak_root([[maybe_unused]] const void* begin, [[maybe_unused]] size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __lsan_register_root_region(begin, bytes);
#endif
}
inline void remove_leak_root([[maybe_unused]] const void* begin, [[maybe_unused]] size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __lsan_unregister_root_region(begin, bytes);
#endif
}

}  // namespace melix
