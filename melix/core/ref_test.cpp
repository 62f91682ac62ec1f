// Ref: counts, sharing between threads, conversions, and the two ways an object is freed.
#include "melix/core/ref.h"

#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "melix/core/small_vector.h"

using namespace melix;

namespace {

struct Counted : RefCounted {
  explicit Counted(std::atomic<int>* alive_now, int v = 0) : alive(alive_now), value(v) { ++*alive; }
  Counted(const Counted& other) : RefCounted(other), alive(other.alive), value(other.value) { ++*alive; }
  ~Counted() { --*alive; }
  std::atomic<int>* alive;
  int value;
};

struct Base : RefCounted {
  virtual ~Base() = default;
  int destroyed_by_hook = 0;
  static inline int hooks = 0;
  static void destroy(Base* object) noexcept {
    ++hooks;
    delete object;
  }
};
struct Derived : Base {
  explicit Derived(bool* gone) : gone_(gone) {}
  ~Derived() override { *gone_ = true; }
  bool* gone_;
};

struct Incomplete;
struct Holder {
  Ref<Incomplete> later;
};
struct Incomplete : RefCounted {
  Holder holder;
};

static_assert(sizeof(Ref<Counted>) == sizeof(void*));
static_assert(is_relocatable<Ref<Counted>> && is_relocatable<SmallVector<Ref<Counted>, 3>>);
static_assert(!std::is_convertible_v<Counted*, Ref<Counted>>);
static_assert(!std::is_convertible_v<Ref<const Counted>, Ref<Counted>>);

}  // namespace

TEST_CASE("Ref: the last handle frees the object") {
  std::atomic<int> alive = 0;
  {
    Ref<Counted> a = make_ref<Counted>(&alive, 5);
    CHECK(a->use_count() == 1);
    Ref<Counted> b = a;
    CHECK((a->use_count() == 2 && a == b && b->value == 5 && (*b).value == 5));
    Ref<Counted> c = std::move(b);
    CHECK((!b && b == nullptr && b.get() == nullptr && c->use_count() == 2));
    a = c;
    CHECK(c->use_count() == 2);
    Ref<Counted>& self = c;
    c = self;
    c = std::move(self);
    CHECK((c && c->use_count() == 2));
    a.reset();
    CHECK((c->use_count() == 1 && alive == 1));
    swap(a, c);
    CHECK((a && !c));
    Ref<Counted> copy = make_ref<Counted>(*a);  // a copy of the object has a count of its own
    CHECK((copy->use_count() == 1 && copy != a && alive == 2));
  }
  CHECK(alive == 0);
}

TEST_CASE("Ref: raw pointers give and take references") {
  std::atomic<int> alive = 0;
  Ref<Counted> a = make_ref<Counted>(&alive);
  Counted* raw = a.get();
  Ref<Counted> b(raw);
  CHECK((raw->use_count() == 2 && b == raw));
  CHECK(b.release() == raw);
  CHECK((!b && raw->use_count() == 2));
  b = Ref<Counted>::adopt(raw);
  CHECK(raw->use_count() == 2);
  Ref<const Counted> constant = a;
  CHECK(raw->use_count() == 3);
  std::unordered_set<Ref<Counted>> set{a, b};
  CHECK((set.size() == 1 && set.contains(a)));
  Ref<Counted> null(static_cast<Counted*>(nullptr));
  CHECK(!null);
}

TEST_CASE("Ref: destroy() of the class frees it, through a base too") {
  bool gone = false;
  Base::hooks = 0;
  {
    Ref<Base> base = make_ref<Derived>(&gone);
    Ref<Base> another = base;
    Ref<const Base> constant = std::move(base);
  }
  CHECK((gone && Base::hooks == 1));
  Holder holder;
  holder.later = make_ref<Incomplete>();
  CHECK(holder.later->use_count() == 1);
}

TEST_CASE("Ref: eight threads copy and drop one object") {
  std::atomic<int> alive = 0;
  for (int round = 0; round < 20; ++round) {
    Ref<Counted> shared = make_ref<Counted>(&alive, round);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([mine = shared, round] {
        for (int i = 0; i < 1000; ++i) {
          Ref<Counted> copy = mine, moved = std::move(copy);
          if (moved->value != round) std::abort();
        }
      });
    }
    shared.reset();  // whichever thread is last frees it
    for (auto& thread : threads) thread.join();
    threads.clear();
    CHECK(alive == 0);
  }
}
