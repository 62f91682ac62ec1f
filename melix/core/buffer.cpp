// Buffers: where header and bytes stand, and how they are freed.
#include "melix/core/buffer.h"

#include <algorithm>
#include <new>

#include "melix/core/allocator.h"
#include "melix/core/poison.h"

namespace melix {

static_assert(sizeof(Buffer) == memory::kAlignment, "the bytes behind a header are aligned as it is");

namespace {

// What a size class has beyond the bytes asked for belongs to nobody.
void guard_rest(char* bytes, size_t size, const char* end) {
  poison(bytes + size, size_t(end - (bytes + size)));
}

}  // namespace

Ref<Buffer> Buffer::make_header(Kind kind, size_t nbytes) {
  size_t capacity;
  return Ref<Buffer>::adopt(new (memory::allocate(sizeof(Buffer), &capacity)) Buffer(kind, nbytes));
}

Ref<Buffer> Buffer::allocate(size_t nbytes) {
  Ref<Buffer> out;
  if (nbytes <= kInlineBytes) {
    size_t capacity;
    // At least one byte, so that no other block begins at the address of none.
    char* block =
        static_cast<char*>(memory::allocate(sizeof(Buffer) + std::max<size_t>(nbytes, 1), &capacity));
    out = Ref<Buffer>::adopt(new (block) Buffer(Kind::together, nbytes));
    out->capacity_ = capacity;
    out->data_ = block + sizeof(Buffer);
    guard_rest(static_cast<char*>(out->data_), nbytes, block + capacity);
  } else {
    out = deferred(nbytes);
    out->make_host();
  }
  out->host_updated();
  return out;
}

Ref<Buffer> Buffer::adopt(void* data, size_t nbytes, void (*release)(void*), void* owner, bool writable) {
  Ref<Buffer> out = make_header(Kind::foreign, nbytes);
  out->data_ = data;
  out->release_ = release;
  out->owner_ = owner;
  out->writable_ = writable;
  out->host_updated();
  return out;
}

Ref<Buffer> Buffer::deferred(size_t nbytes) { return make_header(Kind::deferred, nbytes); }

void Buffer::make_host() {
  if (kind_ != Kind::deferred) return;
  data_ = memory::allocate(size_, &capacity_);
  kind_ = Kind::separate;
  char* const bytes = static_cast<char*>(data_);
  guard_rest(bytes, size_, bytes + capacity_);
}

void Buffer::host_written() noexcept {
  host_updated();
  if (!copies_) return;
  for (DeviceCopy& copy : *copies_) copy.valid = false;
}

std::span<const DeviceCopy> Buffer::device_copies() const noexcept {
  return copies_ ? std::span<const DeviceCopy>(*copies_) : std::span<const DeviceCopy>();
}

DeviceCopy* Buffer::on_device(int device) noexcept {
  if (!copies_) return nullptr;
  const auto found =
      std::find_if(copies_->begin(), copies_->end(), [=](const DeviceCopy& c) { return c.device == device; });
  return found == copies_->end() ? nullptr : found;
}

DeviceCopy& Buffer::add_device_copy(const DeviceCopy& copy) {
  if (!copies_) copies_ = std::make_unique<Copies>();
  return copies_->emplace_back(copy);
}

void Buffer::device_written(int device) noexcept {
  for (DeviceCopy& copy : *copies_) copy.valid = copy.device == device;
  host_valid_.store(false, std::memory_order_release);
}

void Buffer::drop_device_copies() noexcept {
  if (!copies_) return;
  for (const DeviceCopy& copy : *copies_) {
    if (copy.release) copy.release(copy, size_);
  }
  copies_.reset();
}

void Buffer::destroy(Buffer* buffer) noexcept {
  buffer->drop_device_copies();
  const Kind kind = buffer->kind_;
  void* const data = buffer->data_;
  const size_t capacity = buffer->capacity_;
  if (kind == Kind::foreign && buffer->release_) buffer->release_(buffer->owner_);
  buffer->~Buffer();
  if (kind == Kind::together) {
    unpoison(buffer, capacity);
    return memory::deallocate(buffer, capacity);
  }
  if (kind == Kind::separate) {
    unpoison(data, capacity);
    memory::deallocate(data, capacity);
  }
  memory::deallocate(buffer, sizeof(Buffer));
}

}  // namespace melix
