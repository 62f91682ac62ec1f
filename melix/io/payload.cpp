// See payload.h.
#include "melix/io/payload.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "melix/core/half.h"
#include "melix/core/threads.h"
#include "melix/io/zip.h"

namespace melix::io {
namespace {

constexpr int64_t kPiece = 1 << 20;  // bytes, or blocks, that one thread changes at a time

template <class Word>
void swap_bytes(std::span<std::byte> bytes) {
  const int64_t n = int64_t(bytes.size() / sizeof(Word));
  parallel_for(n, kPiece, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      Word word;
      std::byte* at = bytes.data() + i * int64_t(sizeof(Word));
      std::memcpy(&word, at, sizeof(Word));
      if constexpr (sizeof(Word) == 2) word = __builtin_bswap16(word);
      if constexpr (sizeof(Word) == 4) word = __builtin_bswap32(word);
      if constexpr (sizeof(Word) == 8) word = __builtin_bswap64(word);
      std::memcpy(at, &word, sizeof(Word));
    }
  });
}

// From the file's bytes to the array's.
void settle(Dtype dtype, bool swap, std::span<std::byte> bytes) {
  if (dtype == bool_) {
    parallel_for(int64_t(bytes.size()), kPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) bytes[size_t(i)] = std::byte(bytes[size_t(i)] != std::byte(0));
    });
  }
  if (!swap) return;
  const size_t unit = is_complex(dtype) ? size_of(dtype) / 2 : size_of(dtype);
  if (unit == 2) swap_bytes<uint16_t>(bytes);
  if (unit == 4) swap_bytes<uint32_t>(bytes);
  if (unit == 8) swap_bytes<uint64_t>(bytes);
}

class Plain final : public Payload {
 public:
  Plain(Ref<Source> source, uint64_t offset, Dtype dtype, bool swap)
      : Payload(std::move(source)), offset_(offset), dtype_(dtype), swap_(swap) {}
  void read(std::span<const std::span<std::byte>> outputs) const override {
    source().read(offset_, outputs[0]);
    settle(dtype_, swap_, outputs[0]);
  }

 private:
  uint64_t offset_;
  Dtype dtype_;
  bool swap_;
};

class Zipped final : public Payload {
 public:
  Zipped(Ref<Source> source, const ZipMember& member, uint64_t skipped, Dtype dtype, bool swap)
      : Payload(std::move(source)), member_(member), skipped_(skipped), dtype_(dtype), swap_(swap) {}
  void read(std::span<const std::span<std::byte>> outputs) const override {
    ZipReader reader(source(), member_);
    std::vector<std::byte> header(size_t(skipped_), std::byte(0));
    reader.read(header);
    reader.read(outputs[0]);
    reader.finish();
    settle(dtype_, swap_, outputs[0]);
  }

 private:
  ZipMember member_;
  uint64_t skipped_;
  Dtype dtype_;
  bool swap_;
};

// One block of 32 values: scale (float16), the minimum if it has one (float16), codes.
//   4 bits   byte i holds code i below and code 16 + i above; ours holds 2i below and 2i + 1 above
//   8 bits   signed; ours has 128 more
struct Blocks {
  int bits;
  bool minimum;
  size_t bytes() const { return (minimum ? 4 : 2) + codes(); }
  size_t codes() const { return size_t(bits) * 4; }

  void unpack(const uint8_t* block, uint8_t* weight, uint16_t* scale, uint16_t* bias) const {
    std::memcpy(scale, block, 2);
    if (minimum) {
      std::memcpy(bias, block + 2, 2);
    } else {
      float16_t step;
      step.bits = *scale;
      *bias = float16_t(float(step) * (bits == 4 ? -8.0f : -128.0f)).bits;
    }
    const uint8_t* from = block + (minimum ? 4 : 2);
    if (bits == 8) {
      for (int i = 0; i < 32; i++) weight[i] = from[i] ^ 0x80;
      return;
    }
    for (int i = 0; i < 8; i++) weight[i] = uint8_t((from[2 * i] & 15) | (from[2 * i + 1] << 4));
    for (int i = 0; i < 8; i++) weight[8 + i] = uint8_t((from[2 * i] >> 4) | (from[2 * i + 1] & 0xF0));
  }
};

class Affine final : public Payload {
 public:
  Affine(Ref<Source> source, uint64_t offset, int bits, bool minimum)
      : Payload(std::move(source)), offset_(offset), blocks_{bits, minimum} {}

  void read(std::span<const std::span<std::byte>> outputs) const override {
    constexpr size_t kAtOnce = size_t(1) << 16;  // blocks in memory
    constexpr int64_t kShare = 2048;             // blocks that a thread unpacks at a time
    auto* weight = reinterpret_cast<uint8_t*>(outputs[0].data());
    auto* scales = reinterpret_cast<uint16_t*>(outputs[1].data());
    auto* biases = reinterpret_cast<uint16_t*>(outputs[2].data());
    const size_t all = outputs[1].size() / 2, bytes = blocks_.bytes();
    std::vector<std::byte> packed(std::min(all, kAtOnce) * bytes);
    for (size_t done = 0; done < all; done += kAtOnce) {
      const size_t n = std::min(kAtOnce, all - done);
      source().read(offset_ + done * bytes, std::span(packed).first(n * bytes));
      const auto* from = reinterpret_cast<const uint8_t*>(packed.data());
      parallel_for(int64_t(n), kShare, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          const size_t at = done + size_t(i);
          blocks_.unpack(from + size_t(i) * bytes, weight + at * blocks_.codes(), scales + at, biases + at);
        }
      });
    }
  }

 private:
  uint64_t offset_;
  Blocks blocks_;
};

}  // namespace

Ref<Payload> plain_payload(Ref<Source> source, uint64_t offset, Dtype dtype, bool swap) {
  return Ref<Payload>::adopt(new Plain(std::move(source), offset, dtype, swap));
}
Ref<Payload> zip_payload(Ref<Source> source, const ZipMember& member, uint64_t skipped, Dtype dtype,
                         bool swap) {
  return Ref<Payload>::adopt(new Zipped(std::move(source), member, skipped, dtype, swap));
}
Ref<Payload> affine_payload(Ref<Source> source, uint64_t offset, int bits, bool minimum) {
  return Ref<Payload>::adopt(new Affine(std::move(source), offset, bits, minimum));
}

}  // namespace melix::io
