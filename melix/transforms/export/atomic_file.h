// AtomicFile: a file that appears under its name whole or not at all. Written under a temporary name beside it, brought
// to the disk, then renamed; whatever ends the process before leaves the old file as it was.
#pragma once

#include <string>
#include <string_view>

namespace melix {

class AtomicFile {
 public:
  /// Creates the temporary file. Errors of all functions are Code::io, in the name of `op`, and name the path.
  AtomicFile(std::string_view op, std::string path);
  /// Removes the temporary file, unless it was committed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  /// Gives the file its name, for good.
  void commit();

 private:
  [[noreturn]] void fail_with(const char* what) const;

  std::string op_, path_, temporary_;
  int file_ = -1;
};

}  // namespace melix
