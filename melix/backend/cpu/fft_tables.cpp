// See fft_tables.h.
#include "melix/backend/cpu/fft_tables.h"

#include <pthread.h>

#include <cmath>
#include <mutex>
#include <numbers>

#include "melix/core/spinlock.h"

namespace melix::cpu {
namespace {

// cos and sin of 2 pi t / n, 0 <= t < n: the argument is reduced exactly to an eighth of the circle first, so that both
// are right to a unit of double, and exact where they are 0, 1 or -1.
void circle(int64_t t, int64_t n, double* c, double* s) {
  const bool below = t > n - t;  // the lower half: mirrored
  if (below) t = n - t;
  // Now an angle of up to a half turn, in units of 1 / (4 n) turns.
  int64_t x = 4 * t;
  const bool left = x > n;  // behind a quarter: turned by half
  if (left) x = 2 * n - x;
  const bool steep = 2 * x > n;
  const double angle = std::numbers::pi / 2 * double(steep ? n - x : x) / double(n);
  double a = std::cos(angle), b = std::sin(angle);
  if (steep) std::swap(a, b);
  *c = left ? -a : a;
  *s = below ? -b : b;
}

int radix_of(int64_t n) {
  for (int radix : {8, 4, 2, 5, 3, 7}) {
    if (n % radix == 0) return radix;
  }
  for (int p = 11; p <= kFftLargestRadix; p += 2) {
    if (n % p == 0) return p;
  }
  return 0;
}

// ---- the cache: few entries, the one that was not asked for the longest makes room ----

class Cache {
 public:
  using Entry = std::shared_ptr<const FftTable>;

  Entry find(int kind, int64_t n) {
    std::lock_guard hold(lock_);
    for (Slot& slot : slots_) {
      if (slot.table && slot.n == n && slot.kind == kind) {
        slot.used = ++clock_;
        return slot.table;
      }
    }
    return nullptr;
  }

  void add(int kind, int64_t n, Entry table) {
    const size_t bytes = table->bytes();
    if (bytes > kMostBytes / 2) return;
    Entry old[kSlots + 1];  // freed when the lock is given back
    Entry* next = old;
    std::lock_guard hold(lock_);
    Slot* place = oldest(false);
    remove(place, next++);
    while (bytes_ + bytes > kMostBytes) remove(oldest(true), next++);
    *place = {std::move(table), bytes, n, ++clock_, kind};
    bytes_ += bytes;
  }

  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

 private:
  static constexpr size_t kSlots = 64, kMostBytes = size_t(48) << 20;
  struct Slot {
    Entry table;
    size_t bytes = 0;
    int64_t n = 0;
    uint64_t used = 0;
    int kind = 0;
  };

  // The slot whose use is the longest ago; a free one was never used.
  Slot* oldest(bool occupied) {
    Slot* found = nullptr;
    for (Slot& slot : slots_) {
      if ((slot.table || !occupied) && (!found || slot.used < found->used)) found = &slot;
    }
    return found;
  }
  void remove(Slot* slot, Entry* table) {
    table->swap(slot->table);
    bytes_ -= slot->bytes;
    *slot = {};
  }

  Spinlock lock_;
  Slot slots_[kSlots];
  size_t bytes_ = 0;
  uint64_t clock_ = 0;
};

Cache& cache() {
  static Cache* const the = new Cache;  // never destroyed: workers may still be running when the process ends
  return *the;
}

// A child begins with the lock free.
[[maybe_unused]] const int at_fork =
    pthread_atfork([] { cache().lock(); }, [] { cache().unlock(); }, [] { cache().unlock(); });

template <class Table>
constexpr int kKind = -1;
template <>
constexpr int kKind<FftPlan> = 0;
template <>
constexpr int kKind<FftRoots> = 1;
template <>
constexpr int kKind<FftHalf> = 2;
template <>
constexpr int kKind<FftChirp> = 3;

}  // namespace

FftPlan::FftPlan(int64_t n) {
  size_t size = 0;
  for (int64_t rest = n; rest > 1;) {
    const int radix = radix_of(rest);
    rest /= radix;
    passes.push_back({radix, rest, n / rest / radix, nullptr, nullptr});
    size += size_t(2 * (rest > 1 ? rest * (radix - 1) : 0) + (radix > 8 ? 2 * radix : 0));
  }
  numbers.reserve(size);
  double c, s;
  for (FftPass& pass : passes) {
    const int64_t length = pass.count * pass.radix;
    if (pass.count > 1) {
      pass.twiddles = numbers.data() + numbers.size();
      for (int64_t p = 0; p < pass.count; p++) {
        for (int k = 1; k < pass.radix; k++) {
          circle(p * k, length, &c, &s);
          numbers.push_back(float(c));
          numbers.push_back(float(-s));
        }
      }
    }
    if (pass.radix <= 8) continue;
    pass.roots = numbers.data() + numbers.size();
    for (int k = 0; k < pass.radix; k++) {
      circle(k, pass.radix, &c, &s);
      numbers.push_back(float(c));
      numbers.push_back(float(s));
    }
  }
}

FftRoots::FftRoots(int64_t length) : n(length), shift(0) {
  while ((int64_t(1) << (2 * shift)) < n) shift++;
  mask = (int64_t(1) << shift) - 1;
  fine = size_t(2 * (mask + 1));
  const int64_t coarse = (n >> shift) + 1;
  numbers.reserve(fine + size_t(2 * coarse));
  double c, s;
  auto add = [&](int64_t t) {
    circle(t % n, n, &c, &s);
    numbers.push_back(c);
    numbers.push_back(-s);
  };
  for (int64_t t = 0; t <= mask; t++) add(t);
  for (int64_t t = 0; t < coarse; t++) add(t << shift);
}

FftHalf::FftHalf(int64_t n) {
  double c, s;
  for (int64_t k = 0; k <= n / 4; k++) {
    circle(k, n, &c, &s);
    numbers.push_back(float(c));
    numbers.push_back(float(-s));
  }
}

bool fft_is_smooth(int64_t n) {
  while (n > 1) {
    const int radix = radix_of(n);
    if (!radix) return false;
    n /= radix;
  }
  return true;
}

int64_t fft_padded(int64_t n) {
  const int64_t least = 2 * n - 1;
  int64_t best = 16;
  while (best < least) best *= 2;
  for (int64_t five = 1; five <= least; five *= 5) {
    for (int64_t odd = five; odd <= least; odd *= 3) {
      int64_t m = 16 * odd;
      while (m < least) m *= 2;
      best = m < best ? m : best;
    }
  }
  return best;
}

int64_t fft_small_factor(int64_t n) {
  int64_t best = 1;
  for (int64_t d = 2; d * d <= n; d++) {
    if (n % d == 0) best = d;
  }
  return best;
}

template <class Table>
std::shared_ptr<const Table> fft_table(int64_t n) {
  if (auto found = cache().find(kKind<Table>, n)) return std::static_pointer_cast<const Table>(found);
  auto made = std::make_shared<const Table>(n);
  cache().add(kKind<Table>, n, made);
  return made;
}
template std::shared_ptr<const FftPlan> fft_table(int64_t);
template std::shared_ptr<const FftRoots> fft_table(int64_t);
template std::shared_ptr<const FftHalf> fft_table(int64_t);
template std::shared_ptr<const FftChirp> fft_table(int64_t);

}  // namespace melix::cpu
