// The loops of the gated delta rule, per instruction set: vectors run along the keys, kTogether rows of the state at a
// time, so that the sums of one hide the latency of the others.
#include "melix/backend/cpu/simd/gated_delta.h"

#include "melix/backend/cpu/simd/sums.h"
#include "melix/backend/cpu/simd/types.h"

namespace melix::cpu::MELIX_ISA {
namespace {

constexpr int kTogether = 4;

template <class T>
struct Lanes {
  static constexpr int64_t count = 64 / int64_t(sizeof(T));
};

template <class T>
MELIX_INLINE void stored(T* to, const Vector<T>& v, int64_t n) {
  T part[Lanes<T>::count];
  stored(part, v);
  __builtin_memcpy(to, part, std::size_t(n) * sizeof(T));
}

/// body(i, load, store) for the vectors of n elements, the last of which may be a part.
template <class T, class Body>
MELIX_INLINE void along(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + Lanes<T>::count <= n; i += Lanes<T>::count) {
    body(
        i, [](const T* from) MELIX_UNROLLED { return loaded(from); },
        [](T* to, const Vector<T>& v) MELIX_UNROLLED { stored(to, v); });
  }
  if (i < n) {
    const int64_t rest = n - i;
    body(
        i, [rest](const T* from) MELIX_UNROLLED { return loaded(from, rest); },
        [rest](T* to, const Vector<T>& v) MELIX_UNROLLED { stored(to, v, rest); });
  }
}

template <class T>
MELIX_INLINE T total(const Vector<T>& of) {
  Vector<T> v = of;
  fold_lanes<AddLanes, int(Lanes<T>::count) / 2>(v, Count<int(Lanes<T>::count)>());
  return v[0];
}

// gamma at key i: a vector, or the same number everywhere.
template <class T, bool kPerKey, class Load>
MELIX_INLINE Vector<T> decay(const T* gamma, int64_t i, Load load) {
  if constexpr (kPerKey) return load(gamma + i);
  return Vector<T>{} + *gamma;
}

template <class T, bool kPerKey, int kRows>
MELIX_INLINE void step_rows(T* state, int64_t keys, const T* q, const T* k, const T* v, const T* gamma,
                            T beta, T* y) {
  using V = Vector<T>;
  V sums[kRows] = {};
  along<T>(keys, [&](int64_t i, auto load, auto store) MELIX_UNROLLED {
    const V by = decay<T, kPerKey>(gamma, i, load), key = load(k + i);
    each(Count<kRows>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
      const V decayed = load(state + r * keys + i) * by;
      store(state + r * keys + i, decayed);
      sums[r] += decayed * key;
    });
  });
  T difference[kRows];
  each(Count<kRows>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
    difference[r] = beta * (v[r] - total<T>(sums[r]));
    sums[r] = V{};
  });
  along<T>(keys, [&](int64_t i, auto load, auto store) MELIX_UNROLLED {
    const V key = load(k + i), query = load(q + i);
    each(Count<kRows>(), [&]<int r>(Int<r>) MELIX_UNROLLED {
      const V next = load(state + r * keys + i) + key * difference[r];
      store(state + r * keys + i, next);
      sums[r] += next * query;
    });
  });
  if (y) each(Count<kRows>(), [&]<int r>(Int<r>) MELIX_UNROLLED { y[r] = total<T>(sums[r]); });
}

template <class T, bool kPerKey>
void forward(const DeltaSteps& of) {
  for (int64_t t = 0; t < of.steps; t++) {
    const T *q = static_cast<const T*>(of.q) + t * of.key_step,
            *k = static_cast<const T*>(of.k) + t * of.key_step,
            *v = static_cast<const T*>(of.v) + t * of.value_step,
            *gamma = static_cast<const T*>(of.gamma) + t * of.gamma_step;
    const T beta = static_cast<const T*>(of.beta)[t * of.beta_step];
    T *y = of.y ? static_cast<T*>(of.y) + t * of.value_step : nullptr, *state = static_cast<T*>(of.state);
    if (of.mask && !of.mask[t * of.mask_step]) {
      for (int64_t r = 0; y && r < of.rows; r++) y[r] = T(0);
      continue;
    }
    int64_t r = 0;
    for (; r + kTogether <= of.rows; r += kTogether)
      step_rows<T, kPerKey, kTogether>(state + r * of.keys, of.keys, q, k, v + r, gamma, beta,
                                       y ? y + r : nullptr);
    for (; r < of.rows; r++)
      step_rows<T, kPerKey, 1>(state + r * of.keys, of.keys, q, k, v + r, gamma, beta, y ? y + r : nullptr);
  }
}

// One step back, row by row. With A = gamma * S, d = beta * (v - A . k), N = A + d k, y = N . q:
//   dN += dy q,  dq += dy N,  dd = dN . k,  dk += d dN,  dv = beta dd,  dbeta += dd (v - A . k)
//   dA = dN - dv k,  dk -= dv A,  dgamma += dA S,  dS = gamma dA
template <class T, bool kPerKey>
void backward(const DeltaSteps& of, const DeltaSlopes& to) {
  using V = Vector<T>;
  const T *q = static_cast<const T*>(of.q), *k = static_cast<const T*>(of.k),
          *v = static_cast<const T*>(of.v), *gamma = static_cast<const T*>(of.gamma),
          beta = *static_cast<const T*>(of.beta), *dy = static_cast<const T*>(to.y);
  T *dq = static_cast<T*>(to.q), *dk = static_cast<T*>(to.k), *dv = static_cast<T*>(to.v),
    *dgamma = static_cast<T*>(to.gamma), dbeta = T(0);
  for (int64_t r = 0; r < of.rows; r++) {
    const T* state = static_cast<const T*>(of.state) + r * of.keys;
    T* slope = static_cast<T*>(to.state) + r * of.keys;
    V predicted{}, back{};
    along<T>(of.keys, [&](int64_t i, auto load, auto store) MELIX_UNROLLED {
      const V key = load(k + i), next = load(slope + i) + load(q + i) * dy[r];
      predicted += load(state + i) * decay<T, kPerKey>(gamma, i, load) * key;
      back += next * key;
      store(slope + i, next);
    });
    const T error = v[r] - total<T>(predicted), dd = total<T>(back), difference = beta * error;
    dv[r] = beta * dd;
    dbeta += dd * error;
    along<T>(of.keys, [&](int64_t i, auto load, auto store) MELIX_UNROLLED {
      const V by = decay<T, kPerKey>(gamma, i, load), key = load(k + i), before = load(state + i),
              decayed = before * by, after = load(slope + i), inner = after - key * dv[r];
      store(dq + i, load(dq + i) + (decayed + key * difference) * dy[r]);
      store(dk + i, load(dk + i) + (after * difference - decayed * dv[r]));
      store(dgamma + i, load(dgamma + i) + inner * before);
      store(slope + i, inner * by);
    });
  }
  *static_cast<T*>(to.beta) = dbeta;
}

}  // namespace

void gated_delta_steps(Dtype dtype, const DeltaSteps& steps) {
  if (dtype == Dtype::float64)
    (steps.gamma_per_key ? forward<double, true> : forward<double, false>)(steps);
  else
    (steps.gamma_per_key ? forward<float, true> : forward<float, false>)(steps);
}

void gated_delta_back(Dtype dtype, const DeltaSteps& step, const DeltaSlopes& slopes) {
  if (dtype == Dtype::float64)
    (step.gamma_per_key ? backward<double, true> : backward<double, false>)(step, slopes);
  else
    (step.gamma_per_key ? backward<float, true> : backward<float, false>)(step, slopes);
}

}  // namespace melix::cpu::MELIX_ISA
