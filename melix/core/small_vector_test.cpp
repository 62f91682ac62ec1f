// SmallVector: random operations beside std::vector, for plain, owning, relocatable and move-only elements.
#include "melix/core/small_vector.h"

#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "melix/core/ref.h"

using namespace melix;

namespace {

struct Shared : RefCounted {
  explicit Shared(int v) : value(v) { ++alive; }
  ~Shared() { --alive; }
  int value;
  static inline int alive = 0;
};

// Knows whether it was moved through its constructor: a pointer to itself breaks when its bytes are copied.
struct SelfPointing {
  explicit SelfPointing(int v) : value(v), self(this) { ++alive; }
  SelfPointing(SelfPointing&& other) noexcept : value(other.value), self(this) { ++alive; }
  SelfPointing(const SelfPointing& other) : value(other.value), self(this) { ++alive; }
  SelfPointing& operator=(const SelfPointing&) = default;
  SelfPointing& operator=(SelfPointing&& other) noexcept {
    value = other.value;
    self = this;
    return *this;
  }
  ~SelfPointing() { --alive; }
  int value;
  SelfPointing* self;
  static inline int alive = 0;
};

struct ThrowingCopy {
  explicit ThrowingCopy(int v) : value(v) { ++alive; }
  ThrowingCopy(ThrowingCopy&& other) noexcept : value(other.value) { ++alive; }
  ThrowingCopy(const ThrowingCopy& other) : value(other.value) {
    if (copies_left-- == 0) throw 1;
    ++alive;
  }
  ThrowingCopy& operator=(ThrowingCopy&&) noexcept = default;
  ~ThrowingCopy() { --alive; }
  int value;
  static inline int alive = 0, copies_left = 0;
};

template <class T>
T make(int v) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::to_string(v) + std::string(size_t(v % 40), 'x');
  } else if constexpr (std::is_same_v<T, std::unique_ptr<int>>) {
    return std::make_unique<int>(v);
  } else if constexpr (std::is_same_v<T, Ref<Shared>>) {
    return make_ref<Shared>(v);
  } else {
    return T(v);
  }
}

template <class T>
int value_of(const T& x) {
  if constexpr (std::is_same_v<T, std::string>)
    return std::stoi(x);
  else if constexpr (std::is_same_v<T, std::unique_ptr<int>>)
    return *x;
  else if constexpr (requires { x->value; })
    return x->value;
  else if constexpr (requires { x.self; })
    return x.self == &x ? x.value : -1;
  else
    return int(x);
}

template <class V>
std::vector<int> values(const V& v) {
  std::vector<int> out;
  for (const auto& x : v) out.push_back(value_of(x));
  return out;
}

// The same random operations on a SmallVector<T, N> and on a std::vector<int> of the values.
template <class T, uint32_t N>
void compare_with_std_vector(uint32_t seed) {
  constexpr bool copies = std::is_copy_constructible_v<T>;
  std::mt19937 random(seed);
  auto below = [&](size_t n) { return size_t(random()) % n; };
  SmallVector<T, N> v;
  std::vector<int> model;
  auto text = [](int x) { return std::is_same_v<T, std::string> ? x % 1000 : x; };
  for (int step = 0; step < 4000; ++step) {
    const int x = text(int(below(100)));
    const size_t at = below(model.size() + 1), to = at + below(model.size() - at + 1);
    switch (below(13)) {
      case 0:
        v.push_back(make<T>(x));
        model.push_back(x);
        break;
      case 1:
        v.emplace_back(make<T>(x));
        model.push_back(x);
        break;
      case 2:
        if (!model.empty()) {
          v.pop_back();
          model.pop_back();
        }
        break;
      case 3:
        CHECK(value_of(*v.insert(v.begin() + at, make<T>(x))) == x);
        model.insert(model.begin() + at, x);
        break;
      case 4:
        CHECK(v.erase(v.begin() + at, v.begin() + to) == v.begin() + at);
        model.erase(model.begin() + at, model.begin() + to);
        break;
      case 5:
        if (at < model.size()) {
          v.erase(v.begin() + at);
          model.erase(model.begin() + at);
        }
        break;
      case 6:
        v.reserve(below(30));
        break;
      case 7: {
        SmallVector<T, N> other = std::move(v);
        CHECK(v.empty());
        v = std::move(other);
      } break;
      case 8: {
        SmallVector<T, N> other;
        other.push_back(make<T>(x));
        v.swap(other);
        v.swap(other);
        CHECK(value_of(other[0]) == x);
      } break;
      case 9:
        if (model.size() > 20) {
          v.clear();
          model.clear();
        }
        break;
      case 10:
        if (!model.empty()) {
          const size_t own = at % model.size();
          v.push_back(std::move(v[own]));
          v[own] = make<T>(x);
          model.push_back(model[own]);
          model[own] = x;
        }
        break;
      default:
        if constexpr (copies) {
          const size_t n = below(12);
          std::vector<T> more;
          std::vector<int> more_values;
          for (size_t i = 0; i < n; ++i) {
            more_values.push_back(text(int(i)));
            more.push_back(make<T>(more_values[i]));
          }
          switch (below(6)) {
            case 0:
              v.insert(v.begin() + at, more.begin(), more.end());
              model.insert(model.begin() + at, more_values.begin(), more_values.end());
              break;
            case 1:
              v.resize(n, make<T>(x));
              model.resize(n, x);
              break;
            case 2:
              v.assign(more.begin(), more.end());
              model = more_values;
              break;
            case 3: {
              SmallVector<T, N> copy(v);
              CHECK(values(copy) == model);
              v.clear();
              v = copy;
            } break;
            case 4:
              if (!model.empty()) {
                v.push_back(v.front());
                model.push_back(model.front());
              }
              break;
            case 5:
              if (!model.empty()) {
                v.insert(v.begin() + at, v.back());
                model.insert(model.begin() + at, model.back());
              }
          }
        }
    }
    REQUIRE(values(v) == model);
    REQUIRE((v.size() <= v.capacity() && v.empty() == model.empty()));
  }
}

}  // namespace

TEST_CASE("SmallVector: random operations agree with std::vector") {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    compare_with_std_vector<int64_t, 4>(seed);
    compare_with_std_vector<int8_t, 3>(seed);
    compare_with_std_vector<int, 0>(seed);
    compare_with_std_vector<int64_t, 20>(seed);  // more than is copied whole
    compare_with_std_vector<std::string, 2>(seed);
    compare_with_std_vector<std::unique_ptr<int>, 3>(seed);
    compare_with_std_vector<Ref<Shared>, 3>(seed);
    compare_with_std_vector<SelfPointing, 2>(seed);
  }
  CHECK(Shared::alive == 0);
  CHECK(SelfPointing::alive == 0);
}

TEST_CASE("SmallVector: constructors and comparisons") {
  using V = SmallVector<int64_t, 4>;
  static_assert(sizeof(V) == 40);
  static_assert(sizeof(SmallVector<int, 0>) == 16);
  static_assert(std::is_convertible_v<const V&, std::span<const int64_t>>);
  static_assert(std::is_convertible_v<V&, std::span<int64_t>>);
  static_assert(std::is_nothrow_move_constructible_v<V> && std::is_nothrow_move_assignable_v<V>);
  static_assert(is_relocatable<V> && !is_relocatable<SmallVector<std::string, 2>>);
  CHECK(values(V(3)) == std::vector<int>{0, 0, 0});
  CHECK(values(V(2, 3)) == std::vector<int>{3, 3});
  CHECK(values(V{2, 3}) == std::vector<int>{2, 3});
  std::list<int> list{1, 2, 3, 4, 5};
  CHECK(values(V(list.begin(), list.end())) == std::vector<int>{1, 2, 3, 4, 5});
  std::istringstream stream("7 8 9");
  CHECK(values(V(std::istream_iterator<int>(stream), std::istream_iterator<int>())) ==
        std::vector<int>{7, 8, 9});
  V a{1, 2, 3};
  std::span<const int64_t> span = a;
  CHECK((span.data() == a.data() && values(V(span)) == std::vector<int>{1, 2, 3}));
  CHECK((a == V{1, 2, 3} && a != V{1, 2} && a != V{1, 2, 4}));
  CHECK((V{1, 2} < a && a < V{1, 3} && V{2} > a && !(a < a)));
  a = {9, 8, 7, 6, 5};
  CHECK((a.front() == 9 && a.back() == 5 && a[2] == 7 && *a.rbegin() == 5));
  a.assign(6, a[1]);
  CHECK(values(a) == std::vector<int>(6, 8));
  a.insert(a.begin() + 1, {1, 2});
  CHECK(values(a) == std::vector<int>{8, 1, 2, 8, 8, 8, 8, 8});
  V& self = a;
  a = self;
  CHECK(a.size() == 8);
}

TEST_CASE("SmallVector: elements inside it move with it, elements outside keep their place") {
  SmallVector<std::string, 2> a{"first", "second"};
  SmallVector<std::string, 2> b = std::move(a);
  CHECK((a.empty() && b[1] == "second"));
  b.push_back("third");
  const std::string* place = b.data();
  a = std::move(b);
  CHECK((a.data() == place && b.empty() && b.capacity() == 2));
  b = {"usable", "again", "after a move"};
  CHECK(b.size() == 3);
}

TEST_CASE("SmallVector: a length beyond 32 bits is an error, and changes nothing") {
  SmallVector<char, 8> v{'a'};
  CHECK_THROWS_AS(v.reserve(size_t(1) << 32), std::length_error);
  CHECK_THROWS_AS(v.resize((size_t(1) << 32) + 1), std::length_error);
  CHECK_THROWS_AS(v.resize(SIZE_MAX, 'x'), std::length_error);
  CHECK((v.size() == 1 && v[0] == 'a'));
}

TEST_CASE("SmallVector: a copy that throws leaks nothing") {
  using V = SmallVector<ThrowingCopy, 2>;
  {
    V v;
    for (int i = 0; i < 5; ++i) v.emplace_back(i);
    for (int n = 0; n < 5; ++n) {
      ThrowingCopy::copies_left = n;
      CHECK_THROWS_AS(V copy(v), int);
      V other;
      other.emplace_back(7);
      ThrowingCopy::copies_left = n;
      CHECK_THROWS_AS(other.insert(other.begin(), v.begin(), v.end()), int);
      CHECK((other.size() == 1 && other[0].value == 7));
      ThrowingCopy::copies_left = n;
      CHECK_THROWS_AS(other.resize(9, v[0]), int);
    }
    CHECK(v.size() == 5);
  }
  CHECK(ThrowingCopy::alive == 0);
}

TEST_CASE("SmallVector: over-aligned elements are aligned in both places") {
  struct alignas(64) Line {
    char bytes[64];
  };
  SmallVector<Line, 1> v;
  for (int i = 0; i < 5; ++i) {
    v.emplace_back();
    CHECK(reinterpret_cast<uintptr_t>(v.data()) % 64 == 0);
  }
}
