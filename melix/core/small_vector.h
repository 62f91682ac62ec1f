// SmallVector<T, N>: a contiguous vector whose first N elements stand inside the object, so that shapes, inputs and
// other short lists cost no allocation. Not for long lists (at most 2^32 - 1 elements) nor for types whose moves throw.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace melix {

/// Whether copying the bytes of a T to another place, and forgetting the first place, moves it. True of handles such as
/// Ref, which say so by `using Relocatable = void;` in the class.
template <class T>
inline constexpr bool is_relocatable = std::is_trivially_copyable_v<T> || requires {
  typename T::Relocatable;
};

/// Meanings, exceptions and invalidation are those of std::vector, except that
///  - moving or swapping a vector moves elements that are inside it: pointers to them do not survive;
///  - T moves and is destroyed without exceptions;
///  - a length beyond 2^32 - 1 is std::length_error.
/// Converts to std::span<const T> (and <T>) as any contiguous range does.
///
///     | size_ | capacity_ |  N elements, or (when capacity_ > N) a pointer to the elements  |
template <class T, uint32_t N>
class SmallVector {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>);

 public:
  using value_type = T;
  using size_type = size_t;
  using difference_type = ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() noexcept {}
  explicit SmallVector(size_t n) : SmallVector() { resize(n); }
  SmallVector(size_t n, const T& value) : SmallVector() { resize(n, value); }
  SmallVector(std::initializer_list<T> values) : SmallVector() { append(values.begin(), values.end()); }
  explicit SmallVector(std::span<const T> values) : SmallVector() { append(values.begin(), values.end()); }
  template <std::input_iterator It>
  SmallVector(It first, It last) : SmallVector() {
    append(first, last);
  }
  SmallVector(const SmallVector& other) : SmallVector() {
    if (std::is_trivially_copyable_v<T> && other.is_inline()) {
      take_inline(other);
    } else {
      append(other.begin(), other.end());
    }
  }
  SmallVector(SmallVector&& other) noexcept { take(other); }
  ~SmallVector() { free_all(); }

  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this != &other) {
      free_all();
      take(other);
    }
    return *this;
  }
  SmallVector& operator=(std::initializer_list<T> values) {
    assign(values.begin(), values.end());
    return *this;
  }

  T* data() noexcept { return is_inline() ? inline_elements() : heap_; }
  const T* data() const noexcept { return const_cast<SmallVector*>(this)->data(); }
  T* begin() noexcept { return data(); }
  const T* begin() const noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  const T* end() const noexcept { return data() + size_; }
  auto rbegin() noexcept { return std::reverse_iterator(end()); }
  auto rbegin() const noexcept { return std::reverse_iterator(end()); }
  auto rend() noexcept { return std::reverse_iterator(begin()); }
  auto rend() const noexcept { return std::reverse_iterator(begin()); }
  size_t size() const noexcept { return size_; }
  size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](size_t i) noexcept { return data()[i]; }
  const T& operator[](size_t i) const noexcept { return data()[i]; }
  T& front() noexcept { return *data(); }
  const T& front() const noexcept { return *data(); }
  T& back() noexcept { return data()[size_ - 1]; }
  const T& back() const noexcept { return data()[size_ - 1]; }

  template <class... A>
  T& emplace_back(A&&... arguments) {
    if (size_ == capacity_) [[unlikely]] {
      T value(std::forward<A>(arguments)...);  // first, as the arguments may be elements of this vector
      grow(size_t(size_) + 1);
      return add(std::move(value));
    }
    return add(std::forward<A>(arguments)...);
  }
  void push_back(const T& value) { emplace_back(value); }
  void push_back(T&& value) { emplace_back(std::move(value)); }
  void pop_back() noexcept { std::destroy_at(data() + --size_); }
  void clear() noexcept {
    std::destroy_n(data(), size_);
    size_ = 0;
  }
  void reserve(size_t n) {
    if (n > capacity_) move_to(n);
  }
  /// New elements are value-initialised, or copies of `value`.
  void resize(size_t n) {
    shrink(n);
    if (n > capacity_) grow(n);
    while (size_ < n) add();
  }
  void resize(size_t n, const T& value) {
    if (n > capacity_) return resize_slow(n, value);
    shrink(n);
    while (size_ < n) add(value);
  }
  void assign(size_t n, const T& value) {
    SmallVector copies(n, value);  // before the old elements go, as `value` may be one of them
    *this = std::move(copies);
  }
  /// The range is not one of this vector's own, here and in append and insert.
  template <std::input_iterator It>
  void assign(It first, It last) {
    clear();
    append(first, last);
  }
  void assign(std::initializer_list<T> values) { assign(values.begin(), values.end()); }

  template <std::input_iterator It>
  void append(It first, It last) {
    if constexpr (std::forward_iterator<It>) {
      const size_t n = size_t(std::distance(first, last));
      if (n > size_t(capacity_) - size_) grow(size_ + n);
      std::uninitialized_copy(first, last, end());
      size_ += uint32_t(n);
    } else {
      for (; first != last; ++first) emplace_back(*first);
    }
  }

  T* insert(const T* at, const T& value) { return emplace(at, value); }
  T* insert(const T* at, T&& value) { return emplace(at, std::move(value)); }
  template <std::input_iterator It>
  T* insert(const T* at, It first, It last) {
    const size_t index = size_t(at - data()), old_size = size_;
    append(first, last);  // all that may throw, before any element moves
    std::rotate(data() + index, data() + old_size, end());
    return data() + index;
  }
  T* insert(const T* at, std::initializer_list<T> values) { return insert(at, values.begin(), values.end()); }
  template <class... A>
  T* emplace(const T* at, A&&... arguments) {
    const size_t index = size_t(at - data());
    T value(std::forward<A>(arguments)...);
    if (size_ == capacity_) grow(size_t(size_) + 1);
    T* place = data() + index;
    if constexpr (is_relocatable<T>) {
      std::memmove(static_cast<void*>(place + 1), place, (size_ - index) * sizeof(T));
    } else {
      for (T* p = end(); p != place; --p) {
        std::construct_at(p, std::move(p[-1]));
        std::destroy_at(p - 1);
      }
    }
    ++size_;
    return std::construct_at(place, std::move(value));
  }

  T* erase(const T* at) noexcept { return erase(at, at + 1); }
  T* erase(const T* first, const T* last) noexcept {
    T *to = data() + (first - data()), *from = data() + (last - data());
    const size_t gone = size_t(from - to), behind = size_t(end() - from);
    if constexpr (is_relocatable<T>) {
      std::destroy_n(to, gone);
      std::memmove(static_cast<void*>(to), from, behind * sizeof(T));
    } else if (gone) {  // a self-move may change an element
      std::move(from, end(), to);
      std::destroy_n(end() - gone, gone);
    }
    size_ -= uint32_t(gone);
    return to;
  }

  void swap(SmallVector& other) noexcept { std::swap(*this, other); }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }
  friend bool operator<(const SmallVector& a, const SmallVector& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  }
  friend bool operator>(const SmallVector& a, const SmallVector& b) { return b < a; }

 private:
  static constexpr size_t kInlineBytes = N * sizeof(T);

  bool is_inline() const noexcept { return capacity_ <= N; }
  T* inline_elements() noexcept { return reinterpret_cast<T*>(inline_); }

  template <class... A>
  T& add(A&&... arguments) {
    T* place = std::construct_at(data() + size_, std::forward<A>(arguments)...);
    ++size_;
    return *place;
  }

  void shrink(size_t n) noexcept {
    while (size_ > n) pop_back();
  }
  [[gnu::noinline]] void resize_slow(size_t n, const T& value) {
    T copy(value);  // `value` may be an element, which growing moves
    grow(n);
    while (size_ < n) add(copy);
  }

  // Room for n elements, at least twice what there was.
  [[gnu::noinline]] void grow(size_t n) {
    move_to(std::max(n, std::min(size_t(capacity_) * 2, size_t(UINT32_MAX))));
  }

  [[gnu::noinline]] void move_to(size_t new_capacity) {
    if (new_capacity > UINT32_MAX) throw std::length_error("SmallVector: more than 2^32 - 1 elements");
    T* to = std::allocator<T>().allocate(new_capacity);
    relocate(data(), size_, to);
    free_heap();
    heap_ = to;
    capacity_ = uint32_t(new_capacity);
  }

  static void relocate(T* from, size_t n, T* to) noexcept {
    if constexpr (is_relocatable<T>) {
      if (n) std::memcpy(static_cast<void*>(to), from, n * sizeof(T));
    } else {
      std::uninitialized_move_n(from, n, to);
      std::destroy_n(from, n);
    }
  }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wmaybe-uninitialized"  // the bytes behind the last element are, and are not read
  // The bytes of inline elements: all of them where that is a few vector moves, else those in use.
  void take_inline(const SmallVector& other) noexcept {
    size_ = other.size_;
    const size_t bytes = kInlineBytes <= 64 ? kInlineBytes : size_ * sizeof(T);
    std::memcpy(inline_, other.inline_, bytes);
  }

  // Becomes what `other` was and leaves it empty. This vector holds nothing.
  void take(SmallVector& other) noexcept {
    if (!other.is_inline()) {
      heap_ = other.heap_;
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, N);
      return;
    }
    if constexpr (is_relocatable<T>) {
      take_inline(other);
    } else {
      size_ = other.size_;
      relocate(other.inline_elements(), size_, inline_elements());
    }
    other.size_ = 0;
  }
#pragma GCC diagnostic pop

  void free_heap() noexcept {
    if (!is_inline()) std::allocator<T>().deallocate(heap_, capacity_);
  }
  void free_all() noexcept {
    clear();
    free_heap();
    capacity_ = N;
  }

  uint32_t size_ = 0;
  uint32_t capacity_ = N;
  union {
    T* heap_ =
        nullptr;  // the store costs nothing, and keeps GCC from warning of a read that it only speculates
    alignas(T) unsigned char inline_[N ? N * sizeof(T) : 1];
  };
};

// No member points into the object itself, so a vector moves as its elements do.
template <class T, uint32_t N>
inline constexpr bool is_relocatable<SmallVector<T, N>> = is_relocatable<T>;

}  // namespace melix
