// Buffer: the memory of an array. One logical run of bytes that has a host copy and, where a device used it, device
// copies; some of them are current. Shared by handles (Ref<Buffer>); windows on it are views (graph/array.h).
// Knows no dtype, shape or device code: copying between copies is the executor's work.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "melix/core/ref.h"
#include "melix/core/small_vector.h"

namespace melix {

/// The bytes of a buffer in the memory of a device. `release` frees them, on any thread.
struct DeviceCopy {
  int device = 0;
  bool valid = false;  // holds the current bytes
  void* pointer = nullptr;
  void (*release)(const DeviceCopy& copy, size_t nbytes) noexcept = nullptr;
};

class alignas(64) Buffer : public RefCounted {
 public:
  /// Uninitialised host memory, 64-byte aligned, current. Up to kInlineBytes one allocation holds header and bytes.
  /// Throws Code::memory. 0 bytes are allowed; data() is an address of their own then too.
  static Ref<Buffer> allocate(size_t nbytes);

  /// Memory of somebody else, current. release(owner) runs once, when the last handle goes, on whichever thread that
  /// is: an owner that needs a lock (Python) gives a release that puts it into a queue. Null where nobody is to know.
  /// Where this throws (Code::memory), release does not run and the owner stays the caller's.
  static Ref<Buffer> adopt(void* data, size_t nbytes, void (*release)(void*), void* owner, bool writable);

  /// Bytes that only a device will hold: no host memory before make_host(), and no current copy before a device wrote.
  static Ref<Buffer> deferred(size_t nbytes);

  /// The host copy, null where there is none yet. Current while host_valid(); after evaluation it is, as long as
  /// nothing is asked to run on a device. Writing needs writable() and a sole owner, or memory nobody else has seen.
  void* data() noexcept { return data_; }
  const void* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

  /// May be overwritten in place once nobody needs what is in it: ours, and not seen from outside.
  bool reusable() const noexcept { return kind_ != Kind::foreign && !pinned(); }
  /// The same, and this handle is the only one: nobody needs it.
  bool donatable() const noexcept { return use_count() == 1 && reusable(); }
  /// False of foreign memory that may only be read. Foreign memory is never reusable, whatever this says.
  bool writable() const noexcept { return writable_; }
  bool foreign() const noexcept { return kind_ == Kind::foreign; }

  /// Seen from outside (NumPy, DLPack, buffer protocol) as often as pinned and not unpinned: neither overwritten nor,
  /// as the viewer holds a handle, freed.
  void pin() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
  void unpin() noexcept { pins_.fetch_sub(1, std::memory_order_release); }
  bool pinned() const noexcept { return pins_.load(std::memory_order_acquire) != 0; }

  // ---- residency ----
  // At any time at least one copy is current, once the bytes were written. A copy that is current may be read; whoever
  // writes to one makes it the only current one. The functions below that change anything are for who may write or who
  // holds the planning lock; host_valid() may be asked by anybody, and what it promises has been written before.

  bool host_valid() const noexcept { return host_valid_.load(std::memory_order_acquire); }
  /// Gives the host copy memory if it has none. Throws Code::memory. It is not current by that.
  void make_host();
  /// The host copy now has the same bytes as the current ones.
  void host_updated() noexcept { host_valid_.store(true, std::memory_order_release); }
  /// The host copy was written, or may be from now on: it is the only current one.
  void host_written() noexcept;

  std::span<const DeviceCopy> device_copies() const noexcept;
  /// The copy on a device, null where there is none.
  DeviceCopy* on_device(int device) noexcept;
  /// Takes over a copy, which is the first on its device. Where this throws (std::bad_alloc), it stays the caller's.
  DeviceCopy& add_device_copy(const DeviceCopy& copy);
  /// The copy on this device was written: it is the only current one.
  void device_written(int device) noexcept;
  /// Frees the device copies. The host copy has to be current, or the bytes are lost.
  void drop_device_copies() noexcept;

  static void destroy(Buffer* buffer) noexcept;

  static constexpr size_t kInlineBytes = 256;

 private:
  enum class Kind : uint8_t {
    deferred,  // header alone
    together,  // header and bytes in one block, whose capacity is capacity_
    separate,  // bytes in a block of their own
    foreign,
  };
  using Copies = SmallVector<DeviceCopy, 1>;

  explicit Buffer(Kind kind, size_t nbytes) noexcept : size_(nbytes), kind_(kind) {}
  ~Buffer() = default;
  static Ref<Buffer> make_header(Kind kind, size_t nbytes);

  std::atomic<uint32_t> pins_{0};
  void* data_ = nullptr;
  size_t size_;
  size_t capacity_ = 0;
  void (*release_)(void*) = nullptr;
  void* owner_ = nullptr;
  std::unique_ptr<Copies> copies_;  // null while there are none, which on machines without devices is always
  Kind kind_;
  bool writable_ = true;
  std::atomic<bool> host_valid_{false};
};

}  // namespace melix
