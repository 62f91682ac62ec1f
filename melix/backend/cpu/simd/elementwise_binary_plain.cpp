// Elementwise kernels: two arguments of any dtype (arithmetic, comparisons, logic, bits).
#include "melix/backend/cpu/simd/elementwise_rows.h"

namespace melix::cpu::MELIX_ISA {

ElementwiseFn binary_plain(int row, Dtype dtype) {
  return part_kernel(
      row, dtype, [](Domain domain, int arity) constexpr {
        return arity == 2 && domain != Domain::inexact && domain != Domain::floating;
      });
}

}  // namespace melix::cpu::MELIX_ISA
