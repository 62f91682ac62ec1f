// Buffers: where the bytes stand, who may overwrite them, foreign owners, device copies.
#include "melix/core/buffer.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "melix/core/allocator.h"
#include "melix/core/error.h"
#include "melix/core/poison.h"

using namespace melix;

namespace {

struct Owner {
  std::atomic<int> released{0};
  std::thread::id thread;
  static void release(void* self) {
    auto* owner = static_cast<Owner*>(self);
    owner->thread = std::this_thread::get_id();
    ++owner->released;
  }
};

// A device whose memory is the host's.
std::vector<int> freed;
DeviceCopy fake_copy(int device, bool valid) {
  return {device, valid, std::malloc(16), [](const DeviceCopy& copy, size_t nbytes) noexcept {
            std::free(copy.pointer);
            freed.push_back(copy.device * 1000 + int(nbytes));
          }};
}

}  // namespace

TEST_CASE("Buffer: memory of every size is aligned, counted and given back") {
  const size_t active = memory::active();
  for (size_t nbytes : {0, 1, 8, 63, 64, 255, 256, 257, 4096, 100000, 5 << 20}) {
    {
      Ref<Buffer> buffer = Buffer::allocate(nbytes);
      CHECK((buffer->size() == nbytes && buffer->data() != nullptr));
      CHECK(reinterpret_cast<uintptr_t>(buffer->data()) % 64 == 0);
      CHECK((buffer->host_valid() && buffer->writable() && !buffer->foreign()));
      std::memset(buffer->data(), 7, nbytes);
      const bool together = static_cast<char*>(buffer->data()) == reinterpret_cast<char*>(buffer.get()) + 64;
      CHECK(together == (nbytes <= Buffer::kInlineBytes));
      CHECK(memory::active() >= active + nbytes + sizeof(Buffer));
      Ref<Buffer> other = Buffer::allocate(nbytes);
      CHECK(other->data() != buffer->data());
    }
    CHECK(memory::active() == active);
  }
}

TEST_CASE("Buffer: donated only by a sole owner, never while pinned or when foreign") {
  Ref<Buffer> buffer = Buffer::allocate(100);
  CHECK((buffer->donatable() && buffer->reusable()));
  {
    Ref<Buffer> second = buffer;
    CHECK((!buffer->donatable() && buffer->reusable()));
  }
  buffer->pin();
  buffer->pin();
  buffer->unpin();
  CHECK((buffer->pinned() && !buffer->donatable() && !buffer->reusable()));
  buffer->unpin();
  CHECK((!buffer->pinned() && buffer->donatable()));
  int value = 5;
  Ref<Buffer> borrowed = Buffer::adopt(&value, sizeof value, nullptr, nullptr, true);
  CHECK((!borrowed->donatable() && !borrowed->reusable() && borrowed->writable() && borrowed->foreign()));
  CHECK((borrowed->data() == &value && borrowed->size() == sizeof value && borrowed->host_valid()));
  CHECK(!Buffer::adopt(&value, sizeof value, nullptr, nullptr, false)->writable());
}

TEST_CASE("Buffer: a foreign owner is released once, by the last handle, on its thread") {
  const size_t active = memory::active();
  Owner owner;
  char bytes[10];
  Ref<Buffer> buffer = Buffer::adopt(bytes, sizeof bytes, Owner::release, &owner, true);
  Ref<Buffer> copy = buffer;
  buffer.reset();
  CHECK(owner.released == 0);
  std::thread thread([last = std::move(copy)]() mutable { last.reset(); });
  const auto id = thread.get_id();
  thread.join();
  CHECK((owner.released == 1 && owner.thread == id && memory::active() == active));
}

TEST_CASE("Buffer: a failed allocation leaks nothing and releases nothing") {
  const size_t active = memory::active();
  Owner owner;
  char bytes[10];
  memory::fail_allocation(1);
  CHECK_THROWS_AS(Buffer::adopt(bytes, sizeof bytes, Owner::release, &owner, true), Error);
  CHECK(owner.released == 0);
  for (int n : {1, 2}) {
    memory::fail_allocation(n);
    CHECK_THROWS_AS(Buffer::allocate(10000), Error);
  }
  memory::fail_allocation(1);
  CHECK_THROWS_AS(Buffer::allocate(10), Error);
  CHECK_THROWS_AS(Buffer::allocate(SIZE_MAX), Error);
  CHECK(memory::active() == active);
  CHECK(Buffer::allocate(10000)->size() == 10000);
}

TEST_CASE("Buffer: which copies are current") {
  freed.clear();
  const size_t active = memory::active();
  {
    Ref<Buffer> buffer = Buffer::allocate(16);
    CHECK((buffer->device_copies().empty() && buffer->on_device(0) == nullptr));
    buffer->add_device_copy(fake_copy(0, true));
    buffer->add_device_copy(fake_copy(1, false));
    CHECK(
        (buffer->device_copies().size() == 2 && buffer->on_device(1)->device == 1 && !buffer->on_device(2)));
    buffer->device_written(1);
    CHECK((!buffer->host_valid() && !buffer->on_device(0)->valid && buffer->on_device(1)->valid));
    buffer->host_updated();
    CHECK((buffer->host_valid() && buffer->on_device(1)->valid));
    buffer->host_written();
    CHECK((buffer->host_valid() && !buffer->on_device(0)->valid && !buffer->on_device(1)->valid));
    buffer->drop_device_copies();
    CHECK((buffer->device_copies().empty() && freed == std::vector<int>{16, 1016}));
  }
  {
    Ref<Buffer> result = Buffer::deferred(1000);
    CHECK((result->data() == nullptr && !result->host_valid() && result->size() == 1000 &&
           result->donatable()));
    result->add_device_copy(fake_copy(2, false));
    result->device_written(2);
    result->make_host();
    CHECK((result->data() != nullptr && !result->host_valid()));
    void* const place = result->data();
    result->make_host();
    CHECK(result->data() == place);
    std::memset(result->data(), 0, 1000);
    result->host_updated();
  }
  { Ref<Buffer> never_used = Buffer::deferred(1000); }
  CHECK((freed == std::vector<int>{16, 1016, 3000} && memory::active() == active));
}

TEST_CASE("Buffer: handles, pins and foreign owners from eight threads") {
  const size_t active = memory::active();
  std::vector<Owner> owners(50);
  char bytes[8];
  std::vector<Ref<Buffer>> buffers;
  for (Owner& owner : owners)
    buffers.push_back(Buffer::adopt(bytes, sizeof bytes, Owner::release, &owner, false));
  for (int i = 0; i < 50; ++i) buffers.push_back(Buffer::allocate(size_t(i) * 20));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([mine = buffers]() mutable {
      for (Ref<Buffer>& buffer : mine) {
        Buffer* const raw = buffer.get();
        raw->pin();
        Ref<Buffer> copy = buffer;
        buffer.reset();
        raw->unpin();
      }
    });
  }
  buffers.clear();
  for (auto& thread : threads) thread.join();
  threads.clear();
  for (Owner& owner : owners) CHECK(owner.released == 1);
  CHECK(memory::active() == active);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("Buffer: AddressSanitizer sees the bytes behind the last and those of a freed buffer") {
  for (size_t nbytes : {0, 1, 20, 256, 257, 5000, 5 << 20}) {
    const char* data;
    {
      Ref<Buffer> buffer = Buffer::allocate(nbytes);
      data = static_cast<char*>(buffer->data());
      if (nbytes) CHECK(!__asan_address_is_poisoned(data + nbytes - 1));
      if (nbytes % 64) CHECK(__asan_address_is_poisoned(data + nbytes));
    }
    if (nbytes > 64) CHECK(__asan_address_is_poisoned(data + nbytes - 1));
  }
}
#endif
