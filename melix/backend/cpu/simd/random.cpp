// Encrypted counters, per instruction set.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/threefry.h"

namespace melix::cpu::MELIX_ISA {

void threefry(uint32_t k0, uint32_t k1, uint32_t x, uint32_t y, int64_t n, uint32_t* __restrict first,
              uint32_t* __restrict second) {
  uint32_t count = uint32_t(n);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t a = x + i, b = y + i;
    fn::threefry(k0, k1, a, b);
    first[i] = a;
    second[i] = b;
  }
}

}  // namespace melix::cpu::MELIX_ISA
