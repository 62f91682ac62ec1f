// Size: the one type for lengths, offsets and counts that come from files. Its sums and products cannot wrap: what
// passes 2^64 - 1 is `beyond`, which is larger than every number and stays so, whatever it is multiplied with.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "melix/core/text.h"

namespace melix::io {

class Size {
 public:
  constexpr Size(uint64_t value = 0) : value_(value) {}

  constexpr bool beyond() const { return beyond_; }
  /// The number. Only where it has been compared with a limit: beyond 2^64 - 1 there is none.
  constexpr uint64_t get() const { return value_; }

  friend constexpr Size operator+(Size a, Size b) {
    Size out;
    out.beyond_ = __builtin_add_overflow(a.value_, b.value_, &out.value_) || a.beyond_ || b.beyond_;
    return out.beyond_ ? nothing() : out;
  }
  friend constexpr Size operator*(Size a, Size b) {
    Size out;
    out.beyond_ = __builtin_mul_overflow(a.value_, b.value_, &out.value_) || a.beyond_ || b.beyond_;
    return out.beyond_ ? nothing() : out;
  }
  /// The next multiple of `unit`, which is a power of two.
  constexpr Size rounded_up(uint64_t unit) const {
    Size out = *this + Size(unit - 1);
    return out.beyond_ ? out : Size(out.value_ & ~(unit - 1));
  }
  friend constexpr bool operator==(Size a, Size b) { return a.beyond_ == b.beyond_ && a.value_ == b.value_; }
  friend constexpr std::strong_ordering operator<=>(Size a, Size b) {
    return a.beyond_ != b.beyond_ ? a.beyond_ <=> b.beyond_ : a.value_ <=> b.value_;
  }

 private:
  static constexpr Size nothing() {
    Size out(~uint64_t(0));
    out.beyond_ = true;
    return out;
  }
  uint64_t value_;
  bool beyond_ = false;
};

inline void append(std::string& out, Size size) {
  if (size.beyond()) {
    out += "more than 2^64";
  } else {
    out += std::to_string(size.get());
  }
}

}  // namespace melix::io
