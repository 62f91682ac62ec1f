// Fourier transforms of many lanes side by side, per instruction set: Stockham's passes, and lanes to and from memory.
// Every lane is computed alone and without multiply-add, so that a transform has the same bits in any lane, beside any
// neighbours, on any instruction set.
#include "melix/backend/cpu/simd/fft.h"

#include "melix/backend/cpu/simd/lanes.h"
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

// One register at a time: wider vectors would leave the 16 registers of AVX2 and SSE for the stack.
#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kWidth = kBytes / 4;
constexpr int kParts = kFftLanes / kWidth;
using V = Vector<float, kBytes>;

MELIX_INLINE V load(const float* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
MELIX_INLINE void store(float* to, const V& v) { __builtin_memcpy(to, &v, sizeof v); }

struct Complex {
  V re, im;
};
MELIX_INLINE Complex sum(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
MELIX_INLINE Complex difference(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
// a - i b, a + i b
MELIX_INLINE Complex minus_i(const Complex& a, const Complex& b) { return {a.re + b.im, a.im - b.re}; }
MELIX_INLINE Complex plus_i(const Complex& a, const Complex& b) { return {a.re - b.im, a.im + b.re}; }
MELIX_INLINE Complex times(const Complex& a, float factor) { return {a.re * factor, a.im * factor}; }
MELIX_INLINE Complex times(const Complex& a, float re, float im) {
  return {a.re * re - a.im * im, a.re * im + a.im * re};
}

// ---- butterflies: a[k] becomes the sum over m of a[m] * exp(-2 pi i k m / n) ----

struct Radix2 {
  static constexpr int n = 2;
  MELIX_INLINE void run(Complex* a) {
    const Complex b = a[1];
    a[1] = difference(a[0], b);
    a[0] = sum(a[0], b);
  }
};

struct Radix3 {
  static constexpr int n = 3;
  MELIX_INLINE void run(Complex* a) {
    const Complex s = sum(a[1], a[2]), d = times(difference(a[1], a[2]), 0.866025403784438647f);
    const Complex m = difference(a[0], times(s, 0.5f));
    a[0] = sum(a[0], s);
    a[1] = minus_i(m, d);
    a[2] = plus_i(m, d);
  }
};

struct Radix4 {
  static constexpr int n = 4;
  MELIX_INLINE void run(Complex* a) {
    const Complex s0 = sum(a[0], a[2]), d0 = difference(a[0], a[2]);
    const Complex s1 = sum(a[1], a[3]), d1 = difference(a[1], a[3]);
    a[0] = sum(s0, s1);
    a[1] = minus_i(d0, d1);
    a[2] = difference(s0, s1);
    a[3] = plus_i(d0, d1);
  }
};

struct Radix5 {
  static constexpr int n = 5;
  MELIX_INLINE void run(Complex* a) {
    constexpr float c1 = 0.309016994374947424f, c2 = -0.809016994374947424f;
    constexpr float s1 = 0.951056516295153572f, s2 = 0.587785252292473129f;
    const Complex p = sum(a[1], a[4]), q = sum(a[2], a[3]);
    const Complex u = difference(a[1], a[4]), v = difference(a[2], a[3]);
    const Complex m1 = sum(a[0], sum(times(p, c1), times(q, c2)));
    const Complex m2 = sum(a[0], sum(times(p, c2), times(q, c1)));
    const Complex n1 = sum(times(u, s1), times(v, s2)), n2 = difference(times(u, s2), times(v, s1));
    a[0] = sum(a[0], sum(p, q));
    a[1] = minus_i(m1, n1);
    a[2] = minus_i(m2, n2);
    a[3] = plus_i(m2, n2);
    a[4] = plus_i(m1, n1);
  }
};

struct Radix7 {
  static constexpr int n = 7;
  MELIX_INLINE void run(Complex* a) {
    constexpr float c1 = 0.623489801858733531f, c2 = -0.222520933956314404f, c3 = -0.900968867902419126f;
    constexpr float s1 = 0.781831482468029809f, s2 = 0.974927912181823607f, s3 = 0.433883739117558120f;
    const Complex p = sum(a[1], a[6]), q = sum(a[2], a[5]), r = sum(a[3], a[4]);
    const Complex u = difference(a[1], a[6]), v = difference(a[2], a[5]), w = difference(a[3], a[4]);
    const Complex m1 = sum(sum(a[0], times(p, c1)), sum(times(q, c2), times(r, c3)));
    const Complex m2 = sum(sum(a[0], times(p, c2)), sum(times(q, c3), times(r, c1)));
    const Complex m3 = sum(sum(a[0], times(p, c3)), sum(times(q, c1), times(r, c2)));
    const Complex n1 = sum(sum(times(u, s1), times(v, s2)), times(w, s3));
    const Complex n2 = difference(difference(times(u, s2), times(v, s3)), times(w, s1));
    const Complex n3 = sum(difference(times(u, s3), times(v, s1)), times(w, s2));
    a[0] = sum(sum(a[0], p), sum(q, r));
    a[1] = minus_i(m1, n1);
    a[2] = minus_i(m2, n2);
    a[3] = minus_i(m3, n3);
    a[4] = plus_i(m3, n3);
    a[5] = plus_i(m2, n2);
    a[6] = plus_i(m1, n1);
  }
};

struct Radix8 {
  static constexpr int n = 8;
  MELIX_INLINE void run(Complex* a) {
    constexpr float h = 0.707106781186547524f;
    Complex even[4] = {a[0], a[2], a[4], a[6]}, odd[4] = {a[1], a[3], a[5], a[7]};
    Radix4::run(even);
    Radix4::run(odd);
    const Complex o1 = {(odd[1].re + odd[1].im) * h, (odd[1].im - odd[1].re) * h};
    const Complex o3 = {(odd[3].im - odd[3].re) * h, (odd[3].re + odd[3].im) * -h};
    a[0] = sum(even[0], odd[0]);
    a[1] = sum(even[1], o1);
    a[2] = minus_i(even[2], odd[2]);
    a[3] = sum(even[3], o3);
    a[4] = difference(even[0], odd[0]);
    a[5] = difference(even[1], o1);
    a[6] = plus_i(even[2], odd[2]);
    a[7] = difference(even[3], o3);
  }
};

// ---- passes ----

template <class Radix, bool kTwiddles>
void run_pass(const FftPass& f, int64_t width, FftLanes x, FftLanes y) {
  constexpr int n = Radix::n;
  const int64_t span = f.run * width * kFftElement, far = f.count * span;
  for (int64_t p = 0; p < f.count; p++) {
    const float* w = f.twiddles + p * 2 * (n - 1);
    const float *re = x.re + p * span, *im = x.im + p * span;
    float *to_re = y.re + p * n * span, *to_im = y.im + p * n * span;
    for (int64_t q = 0; q < span; q += kFftElement) {
      each(Count<kParts>(), [&]<int part>(Int<part>) MELIX_UNROLLED {
        const int64_t at = q + part * kWidth;
        Complex a[n];
        each(Count<n>(), [&]<int k>(Int<k>) MELIX_UNROLLED {
          a[k] = {load(re + at + k * far), load(im + at + k * far)};
        });
        Radix::run(a);
        each(Count<n>(), [&]<int k>(Int<k>) MELIX_UNROLLED {
          if constexpr (kTwiddles && k > 0) a[k] = times(a[k], w[2 * k - 2], w[2 * k - 1]);
          store(to_re + at + k * span, a[k].re);
          store(to_im + at + k * span, a[k].im);
        });
      });
    }
  }
}

template <class Radix>
MELIX_INLINE void passes_of(const FftPass& f, int64_t width, FftLanes x, FftLanes y) {
  f.count == 1 ? run_pass<Radix, false>(f, width, x, y) : run_pass<Radix, true>(f, width, x, y);
}

// Any odd radix: sums and differences of a[j] and a[n - j] meet real factors.
void run_odd_pass(const FftPass& f, int64_t width, FftLanes x, FftLanes y) {
  const int n = f.radix, half = n / 2;
  const int64_t span = f.run * width * kFftElement, far = f.count * span;
  Complex sums[kFftLargestRadix / 2 + 1], differences[kFftLargestRadix / 2 + 1];
  for (int64_t p = 0; p < f.count; p++) {
    const float* w = f.twiddles + p * 2 * (n - 1);
    for (int64_t q = 0; q < span; q += kFftElement) {
      for (int part = 0; part < kParts; part++) {
        const int64_t at = p * span + q + part * kWidth, to = p * n * span + q + part * kWidth;
        const Complex first = {load(x.re + at), load(x.im + at)};
        Complex all = first;
        for (int j = 1; j <= half; j++) {
          const int64_t low = at + j * far, high = at + (n - j) * far;
          const Complex a = {load(x.re + low), load(x.im + low)}, b = {load(x.re + high), load(x.im + high)};
          sums[j] = sum(a, b);
          differences[j] = difference(a, b);
          all = sum(all, sums[j]);
        }
        store(y.re + to, all.re);
        store(y.im + to, all.im);
        for (int k = 1; k <= half; k++) {
          Complex m = first, d = {V{}, V{}};
          for (int j = 1, root = k; j <= half; j++) {
            m = sum(m, times(sums[j], f.roots[2 * root]));
            d = sum(d, times(differences[j], f.roots[2 * root + 1]));
            root += k;
            root = root >= n ? root - n : root;
          }
          Complex low = minus_i(m, d), high = plus_i(m, d);
          if (f.count > 1) {
            low = times(low, w[2 * k - 2], w[2 * k - 1]);
            high = times(high, w[2 * (n - k) - 2], w[2 * (n - k) - 1]);
          }
          store(y.re + to + k * span, low.re);
          store(y.im + to + k * span, low.im);
          store(y.re + to + (n - k) * span, high.re);
          store(y.im + to + (n - k) * span, high.im);
        }
      }
    }
  }
}

// ---- lanes to and from memory ----

template <int... I>
MELIX_INLINE Complex parted(const V& a, const V& b, Ints<I...>) {
  return {__builtin_shufflevector(a, b, (2 * I)...), __builtin_shufflevector(a, b, (2 * I + 1)...)};
}
template <int... I>
MELIX_INLINE void paired(const Complex& x, V& a, V& b, Ints<I...>) {
  a = __builtin_shufflevector(x.re, x.im, (I / 2 + I % 2 * kWidth)...);
  b = __builtin_shufflevector(x.re, x.im, (kWidth / 2 + I / 2 + I % 2 * kWidth)...);
}

MELIX_INLINE void load_block(const float* from, float* to) {
  each(Count<kParts>(), [&]<int part>(Int<part>) MELIX_UNROLLED {
    const float* pairs = from + 2 * part * kWidth;
    const Complex x = parted(load(pairs), load(pairs + kWidth), Count<kWidth>());
    store(to + part * kWidth, x.re);
    store(to + part * kWidth + kFftLanes, x.im);
  });
}
MELIX_INLINE void store_block(const float* from, float scale, float* to) {
  each(Count<kParts>(), [&]<int part>(Int<part>) MELIX_UNROLLED {
    const Complex x = {load(from + part * kWidth) * scale, load(from + part * kWidth + kFftLanes) * scale};
    V a, b;
    paired(x, a, b, Count<kWidth>());
    store(to + 2 * part * kWidth, a);
    store(to + 2 * part * kWidth + kWidth, b);
  });
}

// Complex numbers as units of 8 bytes, a register of each of as many rows: kSquare x kSquare of them.
using Units = Vector<int64_t, kBytes>;
constexpr int kSquare = kBytes / 8;

template <int D, int... I>
MELIX_INLINE void transpose(Units* v, Ints<I...> lanes) {
  if constexpr (D > 0) {
    each(lanes, [&]<int i>(Int<i>) MELIX_UNROLLED {
      if constexpr ((i & D) == 0) {
        const Units a = v[i], b = v[i + D];
        v[i] = __builtin_shufflevector(a, b, (I & D ? kSquare + I - D : I)...);
        v[i + D] = __builtin_shufflevector(a, b, (I & D ? kSquare + I : I + D)...);
      }
    });
    transpose<D / 2>(v, lanes);
  }
}

MELIX_INLINE void copy(const float* from, int64_t n, float* to) {
  for (int64_t i = 0; i < n; i++) to[i] = from[i];
}

}  // namespace

void fft_pass(const FftPass& f, int64_t width, FftLanes x, FftLanes y) {
  switch (f.radix) {
    case 2:
      return passes_of<Radix2>(f, width, x, y);
    case 3:
      return passes_of<Radix3>(f, width, x, y);
    case 4:
      return passes_of<Radix4>(f, width, x, y);
    case 5:
      return passes_of<Radix5>(f, width, x, y);
    case 7:
      return passes_of<Radix7>(f, width, x, y);
    case 8:
      return passes_of<Radix8>(f, width, x, y);
    default:
      return run_odd_pass(f, width, x, y);
  }
}

void fft_load(const float* from, int64_t stride, int64_t n, int64_t lanes, float* to) {
  for (int64_t j = 0; j < n; j++, from += stride) {
    int64_t l = 0;
    for (; l + kFftLanes <= lanes; l += kFftLanes, to += kFftElement) load_block(from + 2 * l, to);
    if (l == lanes) continue;
    float rest[kFftElement] = {};
    copy(from + 2 * l, 2 * (lanes - l), rest);
    load_block(rest, to);
    to += kFftElement;
  }
}

void fft_store(const float* from, int64_t n, int64_t lanes, float scale, float* to, int64_t stride) {
  for (int64_t j = 0; j < n; j++, to += stride) {
    int64_t l = 0;
    for (; l + kFftLanes <= lanes; l += kFftLanes, from += kFftElement) store_block(from, scale, to + 2 * l);
    if (l == lanes) continue;
    float rest[kFftElement];
    store_block(from, scale, rest);
    copy(rest, 2 * (lanes - l), to + 2 * l);
    from += kFftElement;
  }
}

// Squares of a register from each of kSquare rows; two of them make a register of real parts and one of the others.
void fft_load_rows(const float* from, int64_t stride, int64_t n, int64_t width, float* to) {
  for (int64_t b = 0; b < width; b++, from += kFftLanes * stride) {
    for (int64_t j = 0; j < n; j += kSquare) {
      const bool whole = j + kSquare <= n;
      for (int part = 0; part < kParts; part++) {
        Units v[2 * kSquare];
        each(Count<2 * kSquare>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
          const float* row = from + (part * kWidth + r) * stride + 2 * j;
          if (whole) {
            __builtin_memcpy(&v[r], row, kBytes);
          } else {
            float rest[kWidth] = {};
            copy(row, 2 * (n - j), rest);
            __builtin_memcpy(&v[r], rest, kBytes);
          }
        });
        transpose<kSquare / 2>(v, Count<kSquare>());
        transpose<kSquare / 2>(v + kSquare, Count<kSquare>());
        each(Count<kSquare>(), [&]<int k>(Int<k>) MELIX_UNROLLED {
          if (!whole && j + k >= n) return;
          const Complex x = parted(V(v[k]), V(v[kSquare + k]), Count<kWidth>());
          float* element = to + ((j + k) * width + b) * kFftElement + part * kWidth;
          store(element, x.re);
          store(element + kFftLanes, x.im);
        });
      }
    }
  }
}

void fft_store_rows(const float* from, int64_t n, int64_t width, float scale, float* to, int64_t stride) {
  for (int64_t b = 0; b < width; b++, to += kFftLanes * stride) {
    for (int64_t j = 0; j < n; j += kSquare) {
      const bool whole = j + kSquare <= n;
      for (int part = 0; part < kParts; part++) {
        Units v[2 * kSquare];
        each(Count<kSquare>(), [&]<int k>(Int<k>) MELIX_UNROLLED {
          const int64_t at = whole || j + k < n ? j + k : n - 1;
          const float* element = from + (at * width + b) * kFftElement + part * kWidth;
          V first, second;
          paired({load(element) * scale, load(element + kFftLanes) * scale}, first, second, Count<kWidth>());
          v[k] = Units(first);
          v[kSquare + k] = Units(second);
        });
        transpose<kSquare / 2>(v, Count<kSquare>());
        transpose<kSquare / 2>(v + kSquare, Count<kSquare>());
        each(Count<2 * kSquare>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
          float* row = to + (part * kWidth + r) * stride + 2 * j;
          if (whole) {
            __builtin_memcpy(row, &v[r], kBytes);
          } else {
            float rest[kWidth];
            __builtin_memcpy(rest, &v[r], kBytes);
            copy(rest, 2 * (n - j), row);
          }
        });
      }
    }
  }
}

void fft_load_real(const float* re, const float* im, int64_t stride, int64_t n, int64_t lanes, float* to) {
  for (int64_t j = 0; j < n; j++, re += stride) {
    for (int64_t l = 0; l < lanes; l += kFftLanes, to += kFftElement) {
      const int64_t count = lanes - l < kFftLanes ? lanes - l : kFftLanes;
      float block[kFftElement] = {};
      copy(re + l, count, block);
      if (im) copy(im + l, count, block + kFftLanes);
      copy(block, kFftElement, to);
    }
    if (im) im += stride;
  }
}

void fft_store_real(const float* from, int64_t n, int64_t lanes, float scale, float* re, float* im,
                    int64_t stride) {
  for (int64_t j = 0; j < n; j++, re += stride) {
    for (int64_t l = 0; l < lanes; l += kFftLanes, from += kFftElement) {
      const int64_t count = lanes - l < kFftLanes ? lanes - l : kFftLanes;
      float block[kFftElement];
      for (int64_t i = 0; i < kFftElement; i++) block[i] = from[i] * scale;
      copy(block, count, re + l);
      if (im) copy(block + kFftLanes, count, im + l);
    }
    if (im) im += stride;
  }
}

void fft_multiply_lanes(const float* table, int64_t n, int64_t width, FftLanes x) {
  for (int64_t j = 0; j < n; j++, table += 2) {
    for (int64_t q = 0; q < width * kParts; q++) {
      const int64_t at = (j * width + q / kParts) * kFftElement + q % kParts * kWidth;
      const Complex y = times({load(x.re + at), load(x.im + at)}, table[0], table[1]);
      store(x.re + at, y.re);
      store(x.im + at, y.im);
    }
  }
}

// In vectors written out: from a plain loop g++ 12 makes vfmaddsub, -ffp-contract=off or not.
void fft_multiply_row(const float* x, const float* table, int64_t n, bool conjugate, float scale, float* y) {
  const float sign = conjugate ? -1.0f : 1.0f;
  float rest[2][2 * kWidth] = {};
  for (int64_t i = 0; i < n; i += kWidth, x += 2 * kWidth, table += 2 * kWidth, y += 2 * kWidth) {
    const float *a = x, *b = table;
    float* to = y;
    if (n - i < kWidth) {
      copy(x, 2 * (n - i), rest[0]);
      copy(table, 2 * (n - i), rest[1]);
      a = to = rest[0];
      b = rest[1];
    }
    const Complex u = parted(load(a), load(a + kWidth), Count<kWidth>());
    const Complex v = parted(load(b), load(b + kWidth), Count<kWidth>());
    const V im = v.im * sign;
    V first, second;
    paired({(u.re * v.re - u.im * im) * scale, (u.re * im + u.im * v.re) * scale}, first, second,
           Count<kWidth>());
    store(to, first);
    store(to + kWidth, second);
    if (to != y) copy(to, 2 * (n - i), y);
  }
}

// The factor of element 16 a + b is outer[a] * inner[b], lane by lane in double, rounded once.
void fft_twist(const double* outer, const double* inner, int64_t n, int64_t width, FftLanes x) {
  const int64_t row = width * kFftElement;
  for (int64_t j = 0; j < n; j++) {
    for (int64_t b = 0; b < width; b++) {
      const double *u = outer + j / 16 * row + b * kFftElement, *v = inner + j % 16 * row + b * kFftElement;
      float *re = x.re + j * row + b * kFftElement, *im = x.im + j * row + b * kFftElement;
      float wr[kFftLanes], wi[kFftLanes];
#pragma GCC ivdep
      for (int l = 0; l < kFftLanes; l++) {
        wr[l] = float(u[l] * v[l] - u[l + kFftLanes] * v[l + kFftLanes]);
        wi[l] = float(u[l] * v[l + kFftLanes] + u[l + kFftLanes] * v[l]);
      }
#pragma GCC ivdep
      for (int l = 0; l < kFftLanes; l++) {
        const float a = re[l], c = im[l];
        re[l] = a * wr[l] - c * wi[l];
        im[l] = a * wi[l] + c * wr[l];
      }
    }
  }
}

}  // namespace melix::cpu::MELIX_ISA
