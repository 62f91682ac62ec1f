// Matrix products by packed panels and register tiles: every integer type, and floats where there is no BLAS.
//
//        kPass            columns of a panel            kMr x kNr results stay in registers while
//      +-------+        +--+--+--+--+                   kPass columns of a strip of a meet as many rows of a strip of
// b.
//   kMr|strip 0|        |s |s |s |s | kPass             Strips lie in memory in the order in which they are read.
//      +-------+   x    |0 |1 |2 |3 |
//   kMr|strip 1|        +--+--+--+--+
//      +-------+         kNr each
//
// Each result is a sum over k in order, kPass terms at a time; bits depend on nothing else. complex64 is a real
// product of twice the size: a (m x 2k) as it lies in memory, and for each row of b the row (re, im, ...) and the row
// (-im, re, ...), which give c (m x 2n) as it lies in memory.
#include "melix/backend/cpu/simd/matmul_types.h"
#include "melix/backend/cpu/simd/product.h"

namespace melix::cpu::MELIX_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kMr = 12;  // 24 sums, 2 vectors of b, 1 element of a: 27 of 32 registers
#else
constexpr int kMr = 6;  // 12 + 2 + 1 of 16; without FMA one for a product
#endif
static_assert(kPanelRows % kMr == 0);

template <class T>
constexpr int kNr = 2 * Native<T>::kLanes;

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- packing ----

// kWidth runs of n elements each, contiguous and `step` apart, of which `width` exist, as n groups of kWidth. A cache
// line of each run is taken at a time.
template <class E, int kWidth, class T = typename E::Sum>
void interleave(const typename E::Stored* from, int64_t step, int64_t width, int64_t n, T* to) {
  constexpr int64_t kLine = 16;
  T lines[kWidth][kLine];
  if (width < kWidth) __builtin_memset(lines, 0, sizeof(lines));
  for (int64_t p = 0; p < n; p += kLine, to += kLine * kWidth) {
    int64_t length = min(kLine, n - p);
    if (length == kLine) {
      for (int64_t r = 0; r < width; r++) widen_run<E>(from + r * step + p, lines[r], kLine);
    } else {
      for (int64_t r = 0; r < width; r++) widen_run<E>(from + r * step + p, lines[r], length);
    }
    for (int64_t q = 0; q < length; q++) {
      for (int r = 0; r < kWidth; r++) to[q * kWidth + r] = lines[r][q];
    }
  }
}

// Strips of kWidth columns (or rows) of a factor with `count` of them, each of k elements: `along` is the stride of k,
// `across` that of the columns. The last strip is filled up with zeros.
template <class E, int kWidth>
void pack(const typename E::Stored* from, int64_t along, int64_t across, int64_t k, int64_t count,
          typename E::Sum* to) {
  for (int64_t j = 0; j < count; j += kWidth, to += kWidth * k) {
    const auto* strip = from + j * across;
    int64_t width = min(kWidth, count - j);
    if (along == 1 && k > 1) {
      interleave<E, kWidth>(strip, across, width, k, to);
      continue;
    }
    if (width < kWidth) __builtin_memset(to, 0, size_t(kWidth * k) * sizeof(*to));
    for (int64_t p = 0; p < k; p++) {
      const auto* line = strip + p * along;
      auto* group = to + p * kWidth;
      if (across == 1 && width == kWidth) {
        widen_run<E>(line, group, kWidth);
      } else {
        for (int64_t c = 0; c < width; c++) group[c] = E::widen(line[c * across]);
      }
    }
  }
}

template <class E>
void pack_a(const typename E::Stored* a, int64_t row, int64_t column, int64_t m, int64_t k,
            typename E::Sum* to) {
  pack<E, kMr>(a, column, row, k, m, to);
}
template <class E>
void pack_b(const typename E::Stored* b, int64_t row, int64_t column, int64_t k, int64_t n,
            typename E::Sum* to) {
  pack<E, kNr<typename E::Sum>>(b, row, column, k, n, to);
}

struct Complex {
  using Stored = float;
  using Sum = float;
  using Ops = Arithmetic;
};

template <>
void pack_a<Complex>(const float* a, int64_t row, int64_t column, int64_t m, int64_t k, float* to) {
  for (int64_t i = 0; i < m; i += kMr, to += kMr * k) {
    for (int64_t p = 0; p < k; p++) {
      for (int r = 0; r < kMr; r++) {
        to[p * kMr + r] = i + r < m ? a[2 * ((i + r) * row + p / 2 * column) + p % 2] : 0.0f;
      }
    }
  }
}

template <>
void pack_b<Complex>(const float* b, int64_t row, int64_t column, int64_t k, int64_t n, float* to) {
  constexpr int kN = kNr<float>;
  for (int64_t j = 0; j < n; j += kN, to += kN * k) {
    for (int64_t p = 0; p < k; p += 2) {
      float *one = to + p * kN, *two = one + kN;
      for (int64_t c = 0; c < kN; c += 2) {
        const float* z = b + 2 * (p / 2 * row + (j + c) / 2 * column);
        bool inside = j + c < n;
        float re = inside ? z[0] : 0.0f, im = inside ? z[1] : 0.0f;
        one[c] = re, one[c + 1] = im;
        two[c] = -im, two[c + 1] = re;
      }
    }
  }
}

// ---- register tiles ----

// Writes (or adds) m rows of n sums each; sums[r][v] are kV vectors of a row.
template <class E, int kR, int kV, class T = typename E::Sum>
MELIX_PRODUCT void write_sums(const Vector<T> (&sums)[kR][kV], T* c, int64_t c_row, int64_t m, int64_t n,
                              bool first) {
  using Ops = typename E::Ops;
  constexpr int kL = Native<T>::kLanes;
  if (m >= kR && n >= kV * kL) {
#pragma GCC unroll 12
    for (int r = 0; r < kR; r++) {
#pragma GCC unroll 2
      for (int v = 0; v < kV; v++) {
        T* to = c + r * c_row + v * kL;
        store(to, first ? sums[r][v] : Ops::add(load(to), sums[r][v]));
      }
    }
    return;
  }
  for (int r = 0; r < kR && r < m; r++) {
    T row[kV * kL];
    for (int v = 0; v < kV; v++) store(row + v * kL, sums[r][v]);
    T* to = c + r * c_row;
    int64_t length = min(kV * kL, n);
    if (first) {
      __builtin_memcpy(to, row, size_t(length) * sizeof(T));
    } else {
      for (int64_t j = 0; j < length; j++) to[j] = T(Ops::add(to[j], row[j]));
    }
  }
}

template <class E, class T = typename E::Sum>
void packed_tile(const T* a, const T* b, int64_t k, T* c, int64_t c_row, int64_t m, int64_t n, bool first) {
  using Ops = typename E::Ops;
  Vector<T> sums[kMr][2] = {};
  for (int64_t p = 0; p < k; p++, a += kMr, b += kNr<T>) {
    Vector<T> b0 = load(b), b1 = load(b + Native<T>::kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kMr; r++) {
      Vector<T> x = splat(a[r]);
      sums[r][0] = Ops::add_product(sums[r][0], x, b0);
      sums[r][1] = Ops::add_product(sums[r][1], x, b1);
    }
  }
  write_sums<E>(sums, c, c_row, m, n, first);
}

// ---- small products: a is read where it lies, b where its rows are long enough ----

constexpr int kSmallRows = 4;               // 8 sums: as many as 2 units of latency 4 want
constexpr int64_t kSmallBytes = 32 * 1024;  // of b, in L1

template <class E>
bool is_small(int64_t n, int64_t k) {
  return k <= kPass && n * k * int64_t(sizeof(typename E::Sum)) <= kSmallBytes;
}

// kSmallRows rows of a times kV vectors of each row of b. Rows of a that do not exist are the last one again.
template <class E, int kV, class T = typename E::Sum>
void direct_tile(const T* a, int64_t row, int64_t column, const T* b, int64_t b_row, int64_t k, T* c,
                 int64_t c_row, int64_t m, int64_t n, bool first) {
  using Ops = typename E::Ops;
  const T* rows[kSmallRows];
#pragma GCC unroll 8
  for (int r = 0; r < kSmallRows; r++) rows[r] = a + min(r, m - 1) * row;
  Vector<T> sums[kSmallRows][kV] = {};
  for (int64_t p = 0; p < k; p++, b += b_row) {
    const int64_t at = p * column;
    Vector<T> y[kV];
    for (int v = 0; v < kV; v++) y[v] = load(b + v * Native<T>::kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kSmallRows; r++) {
      const Vector<T> x = splat(rows[r][at]);
#pragma GCC unroll 2
      for (int v = 0; v < kV; v++) sums[r][v] = Ops::add_product(sums[r][v], x, y[v]);
    }
  }
  write_sums<E>(sums, c, c_row, m, n, first);
}

template <class E>
void small_product(const ProductTile& t, int64_t m, int64_t n, int64_t k) {
  using T = typename E::Sum;
  constexpr int64_t kL = Native<T>::kLanes;
  const T *a = static_cast<const T*>(t.a), *b = static_cast<const T*>(t.b);
  T *c = static_cast<T*>(t.c), *panel = static_cast<T*>(t.panels);
  for (int64_t j = 0; j < n; j += kNr<T>) {
    int64_t width = min(kNr<T>, n - j), b_row = t.b_row;
    const T* strip = b + j * t.b_column;
    bool in_place = t.b_column == 1 && (width == kNr<T> || width == kL);
    if (!in_place) {
      pack_b<E>(strip, t.b_row, t.b_column, k, width, panel);
      strip = panel;
      b_row = kNr<T>;
    }
    for (int64_t i = 0; i < m; i += kSmallRows) {
      auto tile = width <= kL ? direct_tile<E, 1> : direct_tile<E, 2>;
      tile(a + i * t.a_row, t.a_row, t.a_column, strip, b_row, k, c + i * t.c_row + j, t.c_row, m - i, width,
           !t.add);
    }
  }
}

template <class E>
void product(const ProductTile& t, int64_t m, int64_t n, int64_t k) {
  using T = typename E::Sum;
  using S = typename E::Stored;
  constexpr bool kComplex = __is_same(E, Complex);
  if constexpr (!kComplex && __is_same(S, T)) {
    if (is_small<E>(n, k)) return small_product<E>(t, m, n, k);
  }
  constexpr int64_t kStep = kPanelOfB / kPass / int64_t(sizeof(T));  // columns of a panel of b
  static_assert(kStep % kNr<T> == 0);
  // Elements of memory before row i or column j of an operand: a complex element is two of them.
  auto at = [](const void* base, int64_t i, int64_t row, int64_t j, int64_t column) {
    if (kComplex) return static_cast<const S*>(base) + 2 * (i * row + j * column);
    return static_cast<const S*>(base) + i * row + j * column;
  };
  constexpr int64_t kOne = kComplex ? 2 : 1;
  T* panel_b = static_cast<T*>(t.panels);
  T* panel_a = panel_b + kPanelOfB / int64_t(sizeof(T));
  T* c = static_cast<T*>(t.c);
  for (int64_t j = 0; j < n; j += kStep) {
    int64_t width = min(kStep, n - j);
    for (int64_t p = 0; p < k; p += kPass) {
      int64_t depth = min(kPass, k - p);
      pack_b<E>(at(t.b, p / kOne, t.b_row, j / kOne, t.b_column), t.b_row, t.b_column, depth, width, panel_b);
      if constexpr (!kComplex && __is_same(S, T)) {
        if (t.a_column == 1) {
          const T* slab = at(t.a, 0, t.a_row, p, 1);
          for (int64_t jj = 0; jj < width; jj += kNr<T>) {
            for (int64_t ii = 0; ii < m; ii += kSmallRows) {
              direct_tile<E, 2>(slab + ii * t.a_row, t.a_row, 1, panel_b + jj * depth, kNr<T>, depth,
                                c + ii * t.c_row + j + jj, t.c_row, m - ii, width - jj, p == 0 && !t.add);
            }
          }
          continue;
        }
      }
      for (int64_t i = 0; i < m; i += kPanelRows) {
        int64_t height = min(kPanelRows, m - i);
        pack_a<E>(at(t.a, i, t.a_row, p / kOne, t.a_column), t.a_row, t.a_column, height, depth, panel_a);
        for (int64_t jj = 0; jj < width; jj += kNr<T>) {
          for (int64_t ii = 0; ii < height; ii += kMr) {
            packed_tile<E>(panel_a + ii * depth, panel_b + jj * depth, depth,
                           c + (i + ii) * t.c_row * kOne + j + jj, t.c_row * kOne, height - ii, width - jj,
                           p == 0 && !t.add);
          }
        }
      }
    }
  }
}

}  // namespace

void product_tile(Dtype dtype, const ProductTile& t) {
  if (dtype == complex64) return product<Complex>(t, t.m, 2 * t.n, 2 * t.k);
  with_element(dtype, [&](auto element) { product<decltype(element)>(t, t.m, t.n, t.k); });
}

}  // namespace melix::cpu::MELIX_ISA
