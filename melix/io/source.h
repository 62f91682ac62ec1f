// Source: bytes that a file format is read from: a file, or memory. Parsers and arrays that wait to be read share one;
// the file stays open until the last of them is gone.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "melix/core/ref.h"
#include "melix/io/file_error.h"
#include "melix/io/size.h"

namespace melix::io {

/// Any number of threads may read at once.
class Source : public RefCounted {
 public:
  virtual ~Source() = default;
  static void destroy(const Source* source) noexcept { delete source; }

  /// The path as it was given, or a word for what is not a file. For messages.
  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }

  /// Fills `to` with the bytes from `offset` on. Throws FileError (Code::io) where the file does not have them any
  /// more, was rewritten since it was opened, or cannot be read: never a signal, as nothing is mapped.
  void read(uint64_t offset, std::span<std::byte> to) const;

  /// Throws: this file breaks a rule.
  template <class... Parts>
  [[noreturn]] void reject(uint64_t offset, std::string_view field, const Parts&... parts) const {
    throw FileError(Code::value, "load", name_, offset, field, concat(parts...));
  }

 protected:
  Source(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}
  virtual void read_checked(uint64_t offset, std::span<std::byte> to) const = 0;

  std::string name_;
  uint64_t size_;
};

/// Opens a regular file for reading. Throws FileError (Code::io).
Ref<Source> open_file(const std::string& path);
/// Bytes in memory that `owner` keeps alive.
Ref<Source> memory_source(std::string name, std::span<const std::byte> bytes, std::shared_ptr<void> owner);
Ref<Source> memory_source(std::string name, std::string bytes);

}  // namespace melix::io
