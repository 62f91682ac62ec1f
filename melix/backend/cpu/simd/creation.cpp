// Rows of numbers at equal distances, per instruction set.
#include "melix/backend/cpu/simd/types.h"
#include "melix/scalar/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// Integers of one width, whatever their sign: sums wrap. Short ones are computed in 32 bits.
template <class T, class Wide>
void whole(uint64_t start, uint64_t step, int64_t n, void* out) {
  T* to = static_cast<T*>(out);
  Wide first = Wide(start), by = Wide(step);
  for (int64_t i = 0; i < n; i++) to[i] = T(first + Wide(i) * by);
}

// Numbers of elements are exact in double; the inner count is short, as 64-bit integers are slow to convert.
constexpr int64_t kRun = int64_t(1) << 30;

template <class Store>
void real(double start, double step, int64_t first, int64_t n, Store store) {
  for (int64_t run = 0; run < n; run += kRun) {
    double base = double(first + run);
    int32_t count = int32_t(n - run < kRun ? n - run : kRun);
    for (int32_t i = 0; i < count; i++) store(run + i, start + (base + double(i)) * step);
  }
}

}  // namespace

void range_whole(int bytes, uint64_t start, uint64_t step, int64_t n, void* out) {
  switch (bytes) {
    case 1:
      return whole<uint8_t, uint32_t>(start, step, n, out);
    case 2:
      return whole<uint16_t, uint32_t>(start, step, n, out);
    case 4:
      return whole<uint32_t, uint32_t>(start, step, n, out);
    default:
      return whole<uint64_t, uint64_t>(start, step, n, out);
  }
}

void range_real(Dtype dtype, double start, double step, int64_t first, int64_t n, void* out) {
  if (dtype == Dtype::float64) {
    double* to = static_cast<double*>(out);
    real(
        start, step, first,
        n, [to](int64_t i, double value) __attribute__((always_inline)) { to[i] = value; });
  } else if (dtype == Dtype::complex64) {
    fn::Complex64* to = static_cast<fn::Complex64*>(out);
    real(
        start, step, first, n, [to](int64_t i, double value) __attribute__((always_inline)) {
          to[i] = {float(value), 0.0f};
        });
  } else {
    float* to = static_cast<float*>(out);
    real(
        start, step, first,
        n, [to](int64_t i, double value) __attribute__((always_inline)) { to[i] = float(value); });
  }
}

}  // namespace melix::cpu::MELIX_ISA
