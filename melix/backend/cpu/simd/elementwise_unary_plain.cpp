// Elementwise kernels: one argument of any dtype (abs, tests, logic, bits).
#include "melix/backend/cpu/simd/elementwise_rows.h"

namespace melix::cpu::MELIX_ISA {

ElementwiseFn unary_plain(int row, Dtype dtype) {
  return part_kernel(
      row, dtype, [](Domain domain, int arity) constexpr {
        return arity == 1 && domain != Domain::inexact && domain != Domain::floating;
      });
}

}  // namespace melix::cpu::MELIX_ISA
