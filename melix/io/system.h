// The calls of the operating system that files are read and written with, each in one place where a test can make it
// fail. Nothing else in the library opens, writes or renames a file of the user.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace melix::io::system {

/// What happens at the n-th of the calls below, counted over all threads.
struct Fault {
  enum class Kind : uint8_t {
    none,
    error,      // the call fails with `error`
    kill,       // the process ends as by kill -9, before the call
    brief,      // reads and writes move one byte
    interrupt,  // the call fails with EINTR (once: it is tried again)
  };
  Kind kind = Kind::none;
  int64_t at = 0;           // 1 is the next call; 0 is every call
  bool persistent = false;  // and all calls after it
  int error = 0;
};

/// For tests: from now on this fault, counted from here. A default Fault turns it off.
void set_fault(const Fault& fault);
/// Calls since set_fault.
int64_t calls();

// As the system's functions of the same names; -1 and errno where they fail.
int open(const std::string& path, int flags, mode_t mode = 0666);
ssize_t pread(int fd, void* to, size_t n, int64_t offset);
ssize_t write(int fd, const void* from, size_t n);
int fstat(int fd, struct stat* out);
int stat(const std::string& path, struct stat* out);
int fsync(int fd);
int truncate(int fd);  // to no bytes
int lock(int fd);      // exclusively, waiting; freed when the descriptor is closed
int chmod(int fd, mode_t mode);
int rename(const std::string& from, const std::string& to);
int unlink(const std::string& path);
int close(int fd);

/// errno in words: "No such file or directory".
std::string words(int error);

}  // namespace melix::io::system
