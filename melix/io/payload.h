// Payload: how the bytes of one array (or of a quantized array and its scales) come out of a file. Made of a checked
// plan; keeps the file open; reads when it is asked to.
#pragma once

#include <span>

#include "melix/core/dtype.h"
#include "melix/core/ref.h"
#include "melix/io/source.h"

namespace melix::io {

struct ZipMember;

class Payload : public RefCounted {
 public:
  explicit Payload(Ref<Source> source) : source_(std::move(source)) {}
  virtual ~Payload() = default;
  static void destroy(const Payload* payload) noexcept { delete payload; }

  const Source& source() const { return *source_; }
  /// Fills the outputs, which have the sizes that the plan said. Throws FileError. Any number of threads may ask.
  virtual void read(std::span<const std::span<std::byte>> outputs) const = 0;

 private:
  Ref<Source> source_;
};

/// Bytes as they stand in the file, in its order (`swap`: the other one). A bool that is not 0 becomes 1.
Ref<Payload> plain_payload(Ref<Source> source, uint64_t offset, Dtype dtype, bool swap);

/// The same out of a member of a zip archive, behind its first `skipped` bytes.
Ref<Payload> zip_payload(Ref<Source> source, const ZipMember& member, uint64_t skipped, Dtype dtype,
                         bool swap);

/// Blocks of GGUF's Q4_0, Q4_1 or Q8_0 (`bits`, and whether they have a `minimum` of their own) as the affine
/// quantization in groups of 32 has them: packed codes, scales and biases (float16). value = scale * code + bias, where
/// bias is the minimum, or -8 (-128) scales.
Ref<Payload> affine_payload(Ref<Source> source, uint64_t offset, int bits, bool minimum);

}  // namespace melix::io
