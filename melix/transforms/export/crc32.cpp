// See crc32.h. Table k holds what a byte does to the sum from k bytes further on, so that eight look-ups, which do not
// wait for each other, take in eight bytes.
#include "melix/transforms/export/crc32.h"

#include <array>
#include <cstring>

namespace melix::exporting {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables kTables = [] {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t sum = byte;
    for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xEDB88320u : 0);
    tables[0][byte] = sum;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t sum = tables[k - 1][byte];
      tables[k][byte] = (sum >> 8) ^ tables[0][sum & 255];
    }
  }
  return tables;
}();

}  // namespace

uint32_t crc32(const void* data, size_t size, uint32_t before) {
  const unsigned char* at = static_cast<const unsigned char*>(data);
  uint32_t sum = ~before;
  for (; size >= 8; size -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= sum;
    sum = 0;
    for (size_t k = 0; k < 8; k++) sum ^= kTables[7 - k][(word >> (8 * k)) & 255];
  }
  for (; size > 0; size--, at++) sum = (sum >> 8) ^ kTables[0][(sum ^ *at) & 255];
  return ~sum;
}

}  // namespace melix::exporting
