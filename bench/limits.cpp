// Physical limits of this machine: the bandwidth of memory and the peak of the arithmetic units, with all cores that
// the process may use. Not a model: loops that do nothing else, the best of what the processor offers at run time.
//
//     limits read|copy|add BYTES SECONDS    bytes/s over BYTES in all: one array read; half read, half written; two
//                                           thirds read, one third written
//     limits f32|f64|bf16|int8 0 SECONDS    operations/s of multiply-adds in registers (each counts two)
//
// Prints one number. Compiled by bench/process.py without any option of an instruction set.
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#define FOR(isa) __attribute__((target(isa)))
#endif
#define INLINE [[gnu::always_inline]] inline

namespace {

volatile double sink;  // keeps results alive

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

int cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// ---- memory ----

struct Arrays {
  float *a, *b, *out;
  size_t n;  // elements of each
};

template <int kBytes>
struct Vector {
  typedef float f32 __attribute__((vector_size(kBytes)));
  typedef double f64 __attribute__((vector_size(kBytes)));
};

// Eight chains of additions, so that the latency of one does not count.
template <class V>
INLINE void read_body(const Arrays& x) {
  constexpr size_t kStep = 8 * sizeof(V) / sizeof(float);
  V sums[8] = {};
  for (size_t i = 0; i + kStep <= x.n; i += kStep) {
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) sums[k] += reinterpret_cast<const V*>(x.a + i)[k];
  }
  double total = 0;
  for (auto& sum : sums) total += sum[0];
  sink = total;
}

template <class V, bool two>
INLINE void write_body(const Arrays& x) {
  constexpr size_t kStep = 4 * sizeof(V) / sizeof(float);
  for (size_t i = 0; i + kStep <= x.n; i += kStep) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      V value = reinterpret_cast<const V*>(x.a + i)[k];
      if (two) value += reinterpret_cast<const V*>(x.b + i)[k];
      reinterpret_cast<V*>(x.out + i)[k] = value;
    }
  }
}

using Loop = void (*)(const Arrays&);

#ifdef __x86_64__
// Stores past the caches: what is written is not read first, at the price of losing it from the caches.
template <bool two>
void stream(const Arrays& x) {
  for (size_t i = 0; i + 16 <= x.n; i += 16) {
#pragma GCC unroll 4
    for (int k = 0; k < 16; k += 4) {
      __m128 value = _mm_load_ps(x.a + i + k);
      if (two) value = _mm_add_ps(value, _mm_load_ps(x.b + i + k));
      _mm_stream_ps(x.out + i + k, value);
    }
  }
  _mm_sfence();
}

FOR("avx512f") void read_avx512(const Arrays& x) { read_body<Vector<64>::f32>(x); }
FOR("avx512f") void copy_avx512(const Arrays& x) { write_body<Vector<64>::f32, false>(x); }
FOR("avx512f") void add_avx512(const Arrays& x) { write_body<Vector<64>::f32, true>(x); }
FOR("avx2") void read_avx2(const Arrays& x) { read_body<Vector<32>::f32>(x); }
FOR("avx2") void copy_avx2(const Arrays& x) { write_body<Vector<32>::f32, false>(x); }
FOR("avx2") void add_avx2(const Arrays& x) { write_body<Vector<32>::f32, true>(x); }
#endif
void read_any(const Arrays& x) { read_body<Vector<16>::f32>(x); }
void copy_any(const Arrays& x) { write_body<Vector<16>::f32, false>(x); }
void add_any(const Arrays& x) { write_body<Vector<16>::f32, true>(x); }

std::vector<Loop> memory_loops(const std::string& kind) {
  auto of = [&](Loop read, Loop copy, Loop add) {
    return kind == "read" ? read : kind == "copy" ? copy : add;
  };
  std::vector<Loop> loops;
#ifdef __x86_64__
  if (kind != "read") loops.push_back(of(nullptr, stream<false>, stream<true>));
  if (__builtin_cpu_supports("avx512f")) loops.push_back(of(read_avx512, copy_avx512, add_avx512));
  if (__builtin_cpu_supports("avx2")) loops.push_back(of(read_avx2, copy_avx2, add_avx2));
#endif
  loops.push_back(of(read_any, copy_any, add_any));
  return loops;
}

// ---- arithmetic: chains of independent multiply-adds in registers, kUnits operations a step ----

using Chain = void (*)(long steps);

// Twelve chains hide a latency of four cycles at two (and of six at two) multiply-adds a cycle.
template <class V>
INLINE void fma_body(long steps) {
  V sums[12], factor = V{} + 1.0000001f, term = V{} + 1e-9f;
  for (auto& sum : sums) sum = factor;
  for (long i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = sum * factor + term;
  }
  double total = 0;
  for (auto& sum : sums) total += sum[0];
  sink = total;
}

void f32_any(long steps) { fma_body<Vector<16>::f32>(steps); }
void f64_any(long steps) { fma_body<Vector<16>::f64>(steps); }

#ifdef __x86_64__
FOR("avx512f") void f32_avx512(long steps) { fma_body<Vector<64>::f32>(steps); }
FOR("avx512f") void f64_avx512(long steps) { fma_body<Vector<64>::f64>(steps); }
FOR("avx2,fma") void f32_avx2(long steps) { fma_body<Vector<32>::f32>(steps); }
FOR("avx2,fma") void f64_avx2(long steps) { fma_body<Vector<32>::f64>(steps); }

// Written as assembly: the compiler may neither drop nor move what has no result.
FOR("avx512f,avx512bf16") void bf16_avx512(long steps) {
  for (long i = 0; i < steps; ++i) {
#define STEP(r) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #r "\n\t"
    asm volatile(STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10)
                     STEP(11)::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm10", "xmm11");
#undef STEP
  }
}
FOR("avx512f,avx512vnni") void int8_avx512(long steps) {
  for (long i = 0; i < steps; ++i) {
#define STEP(r) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #r "\n\t"
    asm volatile(STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10)
                     STEP(11)::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm10", "xmm11");
#undef STEP
  }
}

// Eight tiles of 16 rows of 64 bytes: four sums, two left and two right operands.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

template <bool is_int8>
void amx(long steps) {
  const TileConfig config;
  asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  asm volatile(
      "tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3\n\t"
      "tilezero %tmm4\n\ttilezero %tmm5\n\ttilezero %tmm6\n\ttilezero %tmm7");
  for (long i = 0; i < steps; ++i) {
#define STEP(name)                                                                                     \
  name " %tmm6, %tmm4, %tmm0\n\t" name " %tmm7, %tmm4, %tmm1\n\t" name " %tmm6, %tmm5, %tmm2\n\t" name \
       " %tmm7, %tmm5, %tmm3"
    if (is_int8)
      asm volatile(STEP("tdpbssd"));
    else
      asm volatile(STEP("tdpbf16ps"));
#undef STEP
  }
  asm volatile("tilerelease");
}

// Whether the processor has the tiles (bits of leaf 7: 22 bf16, 24 tiles, 25 int8) and the kernel grants them.
bool has_amx(int bit) {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1) || !(d >> bit & 1)) return false;
  constexpr int kAskPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
}
#endif

struct Peak {
  Chain chain;
  double operations;  // of one step
};

// Types without a unit of their own are computed in f32, so the peak of f32 is theirs too.
std::vector<Peak> arithmetic(const std::string& kind) {
  const bool f64 = kind == "f64";
  std::vector<Peak> peaks;
  auto fma = [&](Chain single, Chain wide, int bytes) {
    peaks.push_back({f64 ? wide : single, 12.0 * 2 * bytes / (f64 ? 8 : 4)});
  };
  fma(f32_any, f64_any, 16);
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) fma(f32_avx2, f64_avx2, 32);
  if (__builtin_cpu_supports("avx512f")) fma(f32_avx512, f64_avx512, 64);
  if (kind == "bf16" && __builtin_cpu_supports("avx512bf16")) peaks.push_back({bf16_avx512, 12.0 * 2 * 32});
  if (kind == "int8" && __builtin_cpu_supports("avx512vnni")) peaks.push_back({int8_avx512, 12.0 * 2 * 64});
  if (kind == "bf16" && has_amx(22)) peaks.push_back({amx<false>, 4.0 * 2 * 16 * 16 * 32});
  if (kind == "int8" && has_amx(25)) peaks.push_back({amx<true>, 4.0 * 2 * 16 * 16 * 64});
#endif
  return peaks;
}

// ---- timing ----

// The shortest time of `body(thread)` on all cores, from a common start to the last one's end, within `seconds`.
double best_seconds(double seconds, const std::function<void(int)>& body) {
  const int count = cores();
  const double end = now() + seconds;
  double best = 1e9;
  bool going = true;  // written by thread 0 alone, between two barriers
  std::barrier<> barrier(count);
  auto run = [&](int thread) {
    for (int round = 0; going; ++round) {
      barrier.arrive_and_wait();
      const double start = now();
      body(thread);
      barrier.arrive_and_wait();
      const double passed = now() - start;
      if (thread == 0) {
        if (round > 0) best = std::min(best, passed);
        going = round < 4 || now() < end;
      }
      barrier.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < count; ++thread) others.emplace_back(run, thread);
  run(0);
  for (auto& thread : others) thread.join();
  return best;
}

float* pages(size_t bytes) {
  constexpr size_t kHuge = size_t(2) << 20;
  bytes = (bytes + kHuge - 1) / kHuge * kHuge;
  auto* memory = static_cast<float*>(std::aligned_alloc(kHuge, bytes));
  if (!memory) std::exit(1);
  madvise(memory, bytes, MADV_HUGEPAGE);
  std::fill(memory, memory + bytes / sizeof(float), 1.0f);
  return memory;
}

double bandwidth(const std::string& kind, double bytes, double seconds) {
  const int arrays = kind == "read" ? 1 : kind == "copy" ? 2 : 3, count = cores();
  // Each thread has a stretch of its own, of whole steps of the widest loop.
  const size_t n = std::max<size_t>(128, size_t(bytes / arrays / sizeof(float) / count) / 128 * 128);
  std::vector<float*> memory;
  for (int i = 0; i < 3; ++i) memory.push_back(pages(i < arrays ? n * count * sizeof(float) : 4096));
  const auto loops = memory_loops(kind);
  double best = 0;
  for (const Loop loop : loops) {
    const double passed = best_seconds(seconds / double(loops.size()), [&](int thread) {
      auto at = [&](int i) { return memory[i] + n * thread; };
      loop(kind == "copy" ? Arrays{at(0), nullptr, at(1), n} : Arrays{at(0), at(1), at(2), n});
    });
    best = std::max(best, double(n) * count * sizeof(float) * arrays / passed);
  }
  return best;
}

double operations(const std::string& kind, double seconds) {
  double best = 0;
  const auto peaks = arithmetic(kind);
  for (const Peak& peak : peaks) {
    constexpr long kSteps = 100000;
    const double passed = best_seconds(seconds / double(peaks.size()), [&](int) { peak.chain(kSteps); });
    best = std::max(best, peak.operations * kSteps * cores() / passed);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc == 4 ? argv[1] : "";
  const bool memory = kind == "read" || kind == "copy" || kind == "add";
  if (!memory && kind != "f32" && kind != "f64" && kind != "bf16" && kind != "int8") {
    std::fprintf(stderr, "limits read|copy|add|f32|f64|bf16|int8 BYTES SECONDS\n");
    return 2;
  }
  const double seconds = std::atof(argv[3]);
  std::printf("%.6g\n", memory ? bandwidth(kind, std::atof(argv[2]), seconds) : operations(kind, seconds));
}
