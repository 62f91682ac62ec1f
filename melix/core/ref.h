// Intrusive reference counting: RefCounted is the count inside an object, Ref<T> a handle that shares the object.
// Half the size of std::shared_ptr, no control block, and a raw pointer can become a handle again. No weak handles.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace melix {

template <class T>
class Ref;

/// Base of shared objects. Not virtual: T says in `static void destroy(T*) noexcept` how its last handle frees it
/// (where there is none, `delete`). An object starts with one reference, which make_ref or Ref<T>::adopt takes over.
/// Handles of one object may be copied and dropped by any threads at once; one handle object is not to be assigned by
/// two. While it is being destroyed, no handle of an object may be made.
class RefCounted {
 public:
  /// References now. Acquires: whoever reads 1 and holds that reference also sees all that former holders did, so that
  /// a sole owner may write in place.
  uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 protected:
  RefCounted() noexcept = default;
  RefCounted(const RefCounted&) noexcept {}  // a copy is a new object, which nobody shares yet
  RefCounted& operator=(const RefCounted&) noexcept { return *this; }
  ~RefCounted() = default;

 private:
  template <class T>
  friend class Ref;

  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  // Whether that was the last reference. Reading 1 is proof (nobody else could make a second one), and saves the
  // locked subtraction where an object never was shared.
  bool drop() const noexcept {
    return count_.load(std::memory_order_acquire) == 1 || count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  mutable std::atomic<uint32_t> count_{1};  // 2^32 handles would be 32 GiB of handles
};

/// A handle: holds one reference to a T, or is null. T may be incomplete where handles are only declared.
template <class T>
class Ref {
 public:
  using Relocatable = void;  // moving the bytes of a handle moves the handle (small_vector.h)
  using element_type = T;

  constexpr Ref() noexcept = default;
  constexpr Ref(std::nullptr_t) noexcept {}
  /// One more reference to an object that is alive.
  explicit Ref(T* object) noexcept : object_(object) {
    if (object_) count(object_).retain();
  }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> Ref(const Ref<U>& other)
  noexcept : Ref(other.get()) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> Ref(Ref<U>&& other)
  noexcept : object_(other.release()) {}
  ~Ref() { drop(object_); }

  Ref& operator=(const Ref& other) noexcept {
    Ref(other).swap(*this);
    return *this;
  }
  Ref& operator=(Ref&& other) noexcept {
    Ref(std::move(other)).swap(*this);
    return *this;
  }

  /// Takes over a reference that the caller has: the first one of a new object, or one that release() gave.
  static Ref adopt(T* object) noexcept {
    Ref out;
    out.object_ = object;
    return out;
  }
  /// Makes the handle null and gives its reference to the caller, who returns it through adopt.
  [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }
  void reset() noexcept { drop(release()); }
  void swap(Ref& other) noexcept { std::swap(object_, other.object_); }
  friend void swap(Ref& a, Ref& b) noexcept { a.swap(b); }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.object_ == b.object_; }
  friend bool operator==(const Ref& a, std::nullptr_t) noexcept { return a.object_ == nullptr; }
  friend bool operator==(const Ref& a, const T* b) noexcept { return a.object_ == b; }

 private:
  static const RefCounted& count(const T* object) noexcept { return *object; }
  static void drop(T* object) noexcept {
    if (object && count(object).drop()) destroy(const_cast<std::remove_const_t<T>*>(object));
  }
  // Out of line: a drop stays short where it is inlined, and GCC 12 warns of uses after free that it imagines when it
  // sees the deletion through one handle and the count through the next.
  template <class U>
  [[gnu::noinline]] static void destroy(U* object) noexcept {
    if constexpr (requires { U::destroy(object); }) {
      U::destroy(object);
    } else {
      delete object;
    }
  }

  T* object_ = nullptr;
};

/// A new T and its first handle.
template <class T, class... A>
Ref<T> make_ref(A&&... arguments) {
  return Ref<T>::adopt(new T(std::forward<A>(arguments)...));
}

}  // namespace melix

template <class T>
struct std::hash<melix::Ref<T>> {
  size_t operator()(const melix::Ref<T>& ref) const noexcept { return std::hash<T*>()(ref.get()); }
};
