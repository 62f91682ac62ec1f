// QR, singular values and eigenvalues on LAPACK: qr, svd, eigh, eig.
//
// LAPACK reads a row-major matrix as its transpose. The LQ factors of the transpose are the transposes of the QR
// factors, by the same reflections, so that they need no copy. For the others the matrix is transposed first: graded
// matrices lose digits otherwise (with the largest elements in the first columns, up to a hundred times as many).
// Eigenvectors come out as rows, which is what the operations promise.
//
// LAPACK prints, or does not end, where a matrix has NaN or infinities: such matrices get NaN and are not passed on.
#include <algorithm>
#include <cmath>

#include "melix/backend/cpu/lapack.h"
#include "melix/backend/cpu/matrices.h"
#include "melix/core/error.h"
#include "melix/ops/linalg.h"

namespace melix::cpu {
namespace {

constexpr const char* kNoConvergence = "has no decomposition that the algorithm finds";

// Parts of one block of memory, one after the other, each on a line of its own.
class Parts {
 public:
  template <class T>
  size_t add(int64_t n) {
    const size_t at = size_;
    size_ += (size_t(std::max<int64_t>(n, 1)) * sizeof(T) + 63) / 64 * 64;
    return at;
  }
  int64_t size() const { return int64_t(size_); }

 private:
  size_t size_ = 0;
};

template <class T>
T* part(void* block, size_t at) {
  return reinterpret_cast<T*>(static_cast<char*>(block) + at);
}

// ---- QR ----

template <class T>
void qr_factors(const Call& call) {
  const Lapack<T>& la = lapack<T>("qr");
  const Matrices<T> in(call.inputs[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n);
  T *q = call.outputs[0].as<T>(), *r = call.outputs[1].as<T>();
  T factor(0), product(0);
  la.gelqf(kColumnMajor, int(n), int(m), nullptr, int(n), nullptr, &factor, -1);
  la.orglq(kColumnMajor, int(k), int(m), int(k), nullptr, int(n), nullptr, &product, -1);
  const int lwork = std::max(work_size(factor), work_size(product));
  Parts parts;
  const size_t at_work = parts.add<T>(lwork), at_tau = parts.add<T>(k),
               at_a = parts.add<T>(k < n ? m * n : 0);
  const double work = 4.0 * double(m) * double(n) * double(k);
  for_matrices(in.count(), work, [&](int64_t begin, int64_t end) {
    ThreadMemory memory;
    void* block = memory.bytes(parts.size());
    T *space = part<T>(block, at_work), *tau = part<T>(block, at_tau);
    for (int64_t i = begin; i < end; i++) {
      T *to_q = q + i * m * k, *to_r = r + i * k * n;
      T* a = k < n ? part<T>(block, at_a) : to_q;
      in.load(i, a);
      la.gelqf(kColumnMajor, int(n), int(m), a, int(n), tau, space, lwork);
      for (int64_t row = 0; row < k; row++) {
        std::fill_n(to_r + row * n, row, T(0));
        std::copy(a + row * n + row, a + (row + 1) * n, to_r + row * n + row);
      }
      la.orglq(kColumnMajor, int(k), int(m), int(k), a, int(n), tau, space, lwork);
      for (int64_t row = 0; row < m && a != to_q; row++) std::copy_n(a + row * n, k, to_q + row * k);
    }
  });
}

// ---- singular values ----

template <class T>
class Svd {
 public:
  explicit Svd(const Call& call)
      : la_(lapack<T>("svd")),
        in_(call.inputs[0]),
        m_(in_.rows()),
        n_(in_.columns()),
        k_(std::min(m_, n_)),
        vectors_(attrs_as<SvdAttrs>(call.attrs).vectors),
        full_(attrs_as<SvdAttrs>(call.attrs).full) {
    if (vectors_) u_ = call.outputs[0].as<T>(), vt_ = call.outputs[2].as<T>();
    s_ = call.outputs[vectors_ ? 1 : 0].as<Real>();
    u_columns_ = full_ ? m_ : k_;
    vt_rows_ = full_ ? n_ : k_;
  }

  void run() {
    if (k_ == 0) return empty();
    T answer(0);
    Scratch scratch;
    call_lapack(scratch, nullptr, &answer, -1);
    lwork_ = work_size(answer);
    Parts parts;
    const int64_t most = std::max(m_, n_);
    const int64_t reals = Lapack<T>::kComplex ? k_ * std::max(5 * k_ + 7, 2 * most + 2 * k_ + 1) : 0;
    const size_t at_work = parts.add<T>(lwork_), at_a = parts.add<T>(m_ * n_),
                 at_u = parts.add<T>(vectors_ ? m_ * u_columns_ : 0),
                 at_vt = parts.add<T>(vectors_ ? vt_rows_ * n_ : 0), at_integers = parts.add<int>(8 * k_),
                 at_reals = parts.add<Real>(reals);
    FirstFailure failure;
    const double work = 10.0 * double(m_) * double(n_) * double(k_);
    for_matrices(in_.count(), work, [&](int64_t begin, int64_t end) {
      ThreadMemory memory;
      void* block = memory.bytes(parts.size());
      const Scratch own{part<T>(block, at_a), part<T>(block, at_u), part<T>(block, at_vt),
                        part<Real>(block, at_reals), part<int>(block, at_integers)};
      for (int64_t i = begin; i < end; i++) {
        in_.load(i, own.a, true);
        bool found = false;
        if (all_finite(own.a, m_ * n_)) {
          found = call_lapack(own, s_ + i * k_, part<T>(block, at_work), lwork_) == 0;
          if (!found) failure.add(i);
        }
        store(own, i, found);
      }
    });
    failure.raise("svd", in_.count(), kNoConvergence);
  }

 private:
  using Real = RealOf<T>;

  // All matrices are column-major.
  struct Scratch {
    T *a = nullptr, *u = nullptr, *vt = nullptr;
    Real* reals = nullptr;
    int* integers = nullptr;
  };

  int call_lapack(const Scratch& at, Real* s, T* work, int lwork) const {
    const char job = !vectors_ ? 'N' : full_ ? 'A' : 'S';
    const int m = int(m_), n = int(n_), ld = vectors_ ? int(vt_rows_) : 1;
    if constexpr (Lapack<T>::kComplex) {
      return la_.gesdd(kColumnMajor, job, m, n, at.a, m, s, at.u, m, at.vt, ld, work, lwork, at.reals,
                       at.integers);
    } else {
      return la_.gesdd(kColumnMajor, job, m, n, at.a, m, s, at.u, m, at.vt, ld, work, lwork, at.integers);
    }
  }

  void store(const Scratch& at, int64_t i, bool found) const {
    if (!found) fill_nan(s_ + i * k_, k_);
    if (!vectors_) return;
    T *u = u_ + i * m_ * u_columns_, *vt = vt_ + i * vt_rows_ * n_;
    if (found) {
      copy_transposed(at.u, u_columns_, m_, m_, int64_t(1), u, u_columns_);
      copy_transposed(at.vt, n_, vt_rows_, vt_rows_, int64_t(1), vt, n_);
    } else {
      fill_nan(u, m_ * u_columns_), fill_nan(vt, vt_rows_ * n_);
    }
  }

  // No singular values: the vectors are those of any basis.
  void empty() {
    if (!vectors_ || !full_) return;
    for (int64_t i = 0; i < in_.count(); i++) {
      fill_identity(u_ + i * m_ * m_, m_);
      fill_identity(vt_ + i * n_ * n_, n_);
    }
  }

  const Lapack<T>& la_;
  const Matrices<T> in_;
  const int64_t m_, n_, k_;
  const bool vectors_, full_;
  int64_t u_columns_, vt_rows_;
  T *u_ = nullptr, *vt_ = nullptr;
  Real* s_;
  int lwork_ = 0;
};

// ---- eigenvalues of symmetric matrices ----

// Whether the elements that are read are finite: the triangle with the diagonal.
template <class T>
bool finite_triangle(const T* x, int64_t n, bool upper) {
  for (int64_t i = 0; i < n; i++) {
    if (!(upper ? all_finite(x + i * n + i, n - i) : all_finite(x + i * n, i + 1))) return false;
  }
  return true;
}

template <class T>
struct Eigh {
  using Real = RealOf<T>;
  const Lapack<T>& la;
  int n;
  bool upper, vectors;
  int lwork = -1, lrwork = -1, liwork = -1;

  int run(T* a, Real* w, T* work, [[maybe_unused]] Real* reals, int* integers) const {
    const char job = vectors ? 'V' : 'N', triangle = upper ? 'U' : 'L';
    if constexpr (Lapack<T>::kComplex) {
      return la.syevd(kColumnMajor, job, triangle, n, a, n, w, work, lwork, reals, lrwork, integers, liwork);
    } else {
      return la.syevd(kColumnMajor, job, triangle, n, a, n, w, work, lwork, integers, liwork);
    }
  }
};

template <class T>
void symmetric_eigenvalues(const Call& call) {
  using Real = RealOf<T>;
  const auto& attrs = attrs_as<EighAttrs>(call.attrs);
  const Matrices<T> in(call.inputs[0]);
  const int64_t n = in.rows(), size = n * n;
  Eigh<T> eigh{lapack<T>("eigh"), int(n), attrs.upper, attrs.vectors};
  T work(0);
  Real reals(0);
  int integers = 0;
  eigh.run(nullptr, nullptr, &work, &reals, &integers);
  eigh.lwork = work_size(work), eigh.lrwork = work_size(reals), eigh.liwork = integers;
  Parts parts;
  const size_t at_work = parts.add<T>(eigh.lwork), at_real = parts.add<Real>(eigh.lrwork),
               at_int = parts.add<int>(integers), at_a = parts.add<T>(attrs.vectors ? 0 : size);
  Real* w = call.outputs[0].as<Real>();
  T* vectors = attrs.vectors ? call.outputs[1].as<T>() : nullptr;
  FirstFailure failure;
  for_matrices(in.count(), 9.0 * double(size) * double(n), [&](int64_t begin, int64_t end) {
    ThreadMemory memory;
    void* block = memory.bytes(parts.size());
    for (int64_t i = begin; i < end; i++) {
      T* a = vectors ? vectors + i * size : part<T>(block, at_a);
      in.load(i, a, true);
      bool found = false;
      if (finite_triangle(a, n, !attrs.upper)) {  // of the transpose
        found = eigh.run(a, w + i * n, part<T>(block, at_work), part<Real>(block, at_real),
                         part<int>(block, at_int)) == 0;
        if (!found) failure.add(i);
      }
      if (!found) {
        fill_nan(w + i * n, n);
        fill_nan(a, size);
      }
    }
  });
  failure.raise("eigh", in.count(), kNoConvergence);
}

// ---- eigenvalues ----

// Row j of `out` becomes the eigenvector of eigenvalue j. Real matrices have pairs of conjugate ones, of which LAPACK
// gives the real and the imaginary part in two columns.
template <class Real>
void unpack_pairs(const Real* imaginary, const Real* columns, int64_t n, complex64_t* out) {
  for (int64_t j = 0; j < n; j++) {
    const Real *x = columns + j * n, *y = x + n;
    if (imaginary[j] == 0) {
      for (int64_t r = 0; r < n; r++) out[j * n + r] = complex64_t(float(x[r]), 0);
      continue;
    }
    for (int64_t r = 0; r < n; r++) {
      out[j * n + r] = complex64_t(float(x[r]), float(y[r]));
      out[(j + 1) * n + r] = complex64_t(float(x[r]), -float(y[r]));
    }
    j++;
  }
}

template <class T>
struct Eig {
  using Real = RealOf<T>;
  const Lapack<T>& la;
  int64_t n;
  bool vectors;
  int lwork = -1;

  // a is column-major. w and reals are scratch, w holding 2 n numbers for real matrices.
  int run(T* a, T* w, T* right, T* work, [[maybe_unused]] Real* reals) const {
    const int order = int(n);
    const char job = vectors ? 'V' : 'N';
    if constexpr (Lapack<T>::kComplex) {
      return la.geev(kColumnMajor, 'N', job, order, a, order, w, nullptr, 1, right, order, work, lwork,
                     reals);
    } else {
      T* imaginary = w ? w + n : nullptr;
      return la.geev(kColumnMajor, 'N', job, order, a, order, w, imaginary, nullptr, 1, right, order, work,
                     lwork);
    }
  }

  void store(const T* w, const T* right, complex64_t* values, complex64_t* rows) const {
    if constexpr (Lapack<T>::kComplex) {
      std::copy_n(w, n, values);
      if (vectors) std::copy_n(right, n * n, rows);
    } else {
      for (int64_t j = 0; j < n; j++) values[j] = complex64_t(float(w[j]), float(w[n + j]));
      if (vectors) unpack_pairs(w + n, right, n, rows);
    }
  }
};

template <class T>
void eigenvalues(const Call& call) {
  const bool vectors = attrs_as<EigAttrs>(call.attrs).vectors;
  const Matrices<T> in(call.inputs[0]);
  const int64_t n = in.rows(), size = n * n;
  Eig<T> eig{lapack<T>("eig"), n, vectors};
  T answer(0);
  RealOf<T> unused(0);  // is written to even when only sizes are asked for
  eig.run(nullptr, nullptr, nullptr, &answer, &unused);
  eig.lwork = work_size(answer);
  Parts parts;
  const size_t at_work = parts.add<T>(eig.lwork), at_a = parts.add<T>(size),
               at_right = parts.add<T>(vectors ? size : 0), at_w = parts.add<T>(2 * n),
               at_real = parts.add<RealOf<T>>(2 * n);
  auto *values = call.outputs[0].as<complex64_t>(),
       *rows = vectors ? call.outputs[1].as<complex64_t>() : nullptr;
  FirstFailure failure;
  for_matrices(in.count(), 25.0 * double(size) * double(n), [&](int64_t begin, int64_t end) {
    ThreadMemory memory;
    void* block = memory.bytes(parts.size());
    T *a = part<T>(block, at_a), *w = part<T>(block, at_w), *right = part<T>(block, at_right);
    for (int64_t i = begin; i < end; i++) {
      complex64_t* to = rows ? rows + i * size : nullptr;
      in.load(i, a, true);
      bool found = false;
      if (all_finite(a, size)) {
        found = eig.run(a, w, right, part<T>(block, at_work), part<RealOf<T>>(block, at_real)) == 0;
        if (!found) failure.add(i);
      }
      if (found) {
        eig.store(w, right, values + i * n, to);
      } else {
        fill_nan(values + i * n, n);
        if (to) fill_nan(to, size);
      }
    }
  });
  failure.raise("eig", in.count(), kNoConvergence);
}

}  // namespace

void qr(const Call& call) {
  if (call.inputs[0].size() == 0) return;
  with_field(call.inputs[0].dtype, [&](auto t) { qr_factors<decltype(t)>(call); });
}
void svd(const Call& call) {
  with_field(call.inputs[0].dtype, [&](auto t) { Svd<decltype(t)>(call).run(); });
}
void eigh(const Call& call) {
  if (call.inputs[0].size() == 0) return;
  with_field(call.inputs[0].dtype, [&](auto t) { symmetric_eigenvalues<decltype(t)>(call); });
}
void eig(const Call& call) {
  if (call.inputs[0].size() == 0) return;
  with_field(call.inputs[0].dtype, [&](auto t) { eigenvalues<decltype(t)>(call); });
}

}  // namespace melix::cpu
