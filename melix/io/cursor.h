// Cursor: reads a header field by field, little-endian, and never beyond its end. Every length is compared with the
// bytes that are left before anything is allocated or read.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "melix/io/source.h"

namespace melix::io {

class Cursor {
 public:
  /// Over the bytes [begin, end) of the source, which must have them.
  Cursor(const Source& source, uint64_t begin, uint64_t end) : source_(source), at_(begin), end_(end) {}

  /// Bytes from the start of the file to the next field; bytes from there to the end.
  uint64_t offset() const { return at_; }
  uint64_t left() const { return end_ - at_; }

  /// What the next fields belong to, for messages: "key 'general.alignment'".
  void context(std::string what) { context_ = std::move(what); }

  template <class T>
  requires std::integral<T> || std::floating_point<T> T read(std::string_view field) {
    T out;
    std::memcpy(&out, bytes(sizeof(T), field).data(), sizeof(T));
    if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1) {
      std::reverse(reinterpret_cast<char*>(&out), reinterpret_cast<char*>(&out) + sizeof(T));
    }
    return out;
  }

  /// The next n bytes, which hold until the next call.
  std::string_view bytes(Size n, std::string_view field) {
    need(n, field);
    if (at_ < window_begin_ || at_ + n.get() > window_begin_ + window_.size()) fill(n.get());
    const std::string_view out(window_.data() + (at_ - window_begin_), size_t(n.get()));
    at_ += n.get();
    return out;
  }
  void skip(Size n, std::string_view field) {
    need(n, field);
    at_ += n.get();
  }

  /// Throws: the field that starts at `offset` breaks a rule.
  template <class... Parts>
  [[noreturn]] void reject(uint64_t offset, std::string_view field, const Parts&... parts) const {
    source_.reject(offset, context_.empty() ? std::string(field) : concat(context_, ", ", field), parts...);
  }

 private:
  void need(Size n, std::string_view field) const {
    if (n > Size(left())) reject(at_, field, "takes ", n, " bytes, but ", left(), " are left");
  }
  void fill(uint64_t n) {
    constexpr uint64_t kWindow = uint64_t(1) << 16;
    window_.resize(size_t(std::min(std::max(n, kWindow), left())));
    source_.read(at_, std::as_writable_bytes(std::span(window_)));
    window_begin_ = at_;
  }

  const Source& source_;
  uint64_t at_, end_;
  std::vector<char> window_;
  uint64_t window_begin_ = 0;
  std::string context_;
};

}  // namespace melix::io
