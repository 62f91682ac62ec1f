// Threefry-2x32 with 20 rounds: a block cipher whose encrypted counters are the random bits. Every word is computed
// from its own counter, so any part of a stream can be made anywhere.
#pragma once

#include "melix/scalar/types.h"

namespace melix::fn {

MELIX_FN uint32_t rotate_left(uint32_t x, int by) { return x << by | x >> (32 - by); }

/// Encrypts the counter (x, y) in place with the key (k0, k1).
MELIX_FN void threefry(uint32_t k0, uint32_t k1, uint32_t& x, uint32_t& y) {
  const uint32_t k2 = k0 ^ k1 ^ 0x1BD11BDAu;
  uint32_t a = x + k0, b = y + k1;
#define MELIX_ROUND(by) \
  a += b;               \
  b = rotate_left(b, by) ^ a;
// Four rounds, then a part of the key and the number of the group.
#define MELIX_ROUNDS(r0, r1, r2, r3, ka, kb, number) \
  MELIX_ROUND(r0)                                    \
  MELIX_ROUND(r1)                                    \
  MELIX_ROUND(r2)                                    \
  MELIX_ROUND(r3)                                    \
  a += ka;                                           \
  b += kb + number;
  MELIX_ROUNDS(13, 15, 26, 6, k1, k2, 1u)
  MELIX_ROUNDS(17, 29, 16, 24, k2, k0, 2u)
  MELIX_ROUNDS(13, 15, 26, 6, k0, k1, 3u)
  MELIX_ROUNDS(17, 29, 16, 24, k1, k2, 4u)
  MELIX_ROUNDS(13, 15, 26, 6, k2, k0, 5u)
#undef MELIX_ROUNDS
#undef MELIX_ROUND
  x = a;
  y = b;
}

}  // namespace melix::fn
