// See system.h.
#include "melix/io/system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <system_error>

namespace melix::io::system {
namespace {

std::atomic<bool> armed{false};
std::mutex mutex;  // guards the two below; taken only while a test has set a fault
Fault set;
int64_t made = 0;

// What the call that is about to be made shall meet.
Fault meet() {
  if (!armed.load(std::memory_order_acquire)) return {};
  std::lock_guard guard(mutex);
  made++;
  const bool now = set.at == 0 || made == set.at || (set.persistent && made > set.at);
  return now ? set : Fault();
}

// A call under the fault: `function` is made unless the fault takes its place.
template <class Function>
auto call(Function function) -> decltype(function(false)) {
  const Fault fault = meet();
  if (fault.kind == Fault::Kind::kill) ::kill(::getpid(), SIGKILL);
  if (fault.kind == Fault::Kind::error || fault.kind == Fault::Kind::interrupt) {
    errno = fault.kind == Fault::Kind::interrupt ? EINTR : fault.error;
    return -1;
  }
  return function(fault.kind == Fault::Kind::brief);
}

}  // namespace

void set_fault(const Fault& fault) {
  std::lock_guard guard(mutex);
  set = fault;
  made = 0;
  // With nothing to meet, calls are still counted: a test asks first how many there are.
  armed.store(fault.kind != Fault::Kind::none || fault.at != 0, std::memory_order_release);
}

int64_t calls() {
  std::lock_guard guard(mutex);
  return made;
}

int open(const std::string& path, int flags, mode_t mode) {
  return call([&](bool) { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
}
ssize_t pread(int fd, void* to, size_t n, int64_t offset) {
  return call([&](bool brief) { return ::pread(fd, to, brief && n > 0 ? 1 : n, offset); });
}
ssize_t write(int fd, const void* from, size_t n) {
  return call([&](bool brief) { return ::write(fd, from, brief && n > 0 ? 1 : n); });
}
int fstat(int fd, struct stat* out) {
  return call([&](bool) { return ::fstat(fd, out); });
}
int stat(const std::string& path, struct stat* out) {
  return call([&](bool) { return ::stat(path.c_str(), out); });
}
int fsync(int fd) {
  return call([&](bool) { return ::fsync(fd); });
}
int truncate(int fd) {
  return call([&](bool) { return ::ftruncate(fd, 0); });
}
int lock(int fd) {
  return call([&](bool) { return ::flock(fd, LOCK_EX); });
}
int chmod(int fd, mode_t mode) {
  return call([&](bool) { return ::fchmod(fd, mode); });
}
int rename(const std::string& from, const std::string& to) {
  return call([&](bool) { return ::rename(from.c_str(), to.c_str()); });
}
int unlink(const std::string& path) {
  return call([&](bool) { return ::unlink(path.c_str()); });
}
int close(int fd) { return ::close(fd); }

std::string words(int error) { return std::generic_category().message(error); }

}  // namespace melix::io::system
