// Sink: where a file format is written to. AtomicFile: the sink that is the only way to make a file: whatever happens
// (full disk, kill -9, power loss), its path leads to the old file or to the whole new one.
//
//   .name.melix-tmp   write ... write, fsync       the path still leads to the old file
//   rename to name                                 from here on to the new one
//   fsync of the folder                            and after a power loss too
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace melix::io {

/// Takes bytes in order.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(std::span<const std::byte> bytes) = 0;
  void write(std::string_view text) {
    write(std::span(reinterpret_cast<const std::byte*>(text.data()), text.size()));
  }
};

/// A file that appears under its path when commit() returns, and otherwise not at all. Links are followed: the file
/// that they lead to is replaced. The new file has the permissions of the old one. All functions throw FileError
/// (Code::io) with the old file as it was, unless only the last fsync failed.
class AtomicFile final : public Sink {
 public:
  /// `op` is who saves, for messages.
  explicit AtomicFile(const std::string& path, std::string_view op = "save");
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  using Sink::write;
  void write(std::span<const std::byte> bytes) override;
  void commit();

 private:
  void open_temporary();
  void flush();
  void put(std::span<const std::byte> bytes);
  void discard() noexcept;
  [[noreturn]] void refuse_and_remove();
  [[noreturn]] void refuse(int error, std::string_view rule = {}) const;

  std::string path_, op_;  // as given, for messages
  std::string target_, folder_, temporary_;
  std::string pending_;  // small writes, gathered
  uint64_t written_ = 0;
  int fd_ = -1;
  int64_t mode_ = -1;  // of the old file
};

}  // namespace melix::io
