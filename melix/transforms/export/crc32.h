// CRC-32 (that of zlib and PNG, reversed polynomial 0xEDB88320), eight bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace melix::exporting {

/// The checksum of more bytes behind those that `before` is the checksum of (0: none).
uint32_t crc32(const void* data, size_t size, uint32_t before = 0);

}  // namespace melix::exporting
