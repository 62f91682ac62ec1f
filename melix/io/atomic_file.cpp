// See atomic_file.h.
//
// The temporary has one name for each target, and its writer locks it: after a kill the next save finds the left-over
// and writes over it, so that none ever piles up, and two saves to one path take turns.
#include "melix/io/atomic_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>

#include "melix/io/file_error.h"
#include "melix/io/system.h"

namespace melix::io {
namespace {

constexpr size_t kGather = size_t(1) << 16;
constexpr size_t kMostAtOnce = size_t(1) << 30;
constexpr size_t kLongestName = 200;  // file systems take 255 bytes, and ours needs some of them

// Where links lead; the path itself where nothing is there yet.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (!real) return path;
  std::string out = real;
  ::free(real);
  return out;
}

std::string temporary_name(const std::string& base) {
  if (base.size() <= kLongestName) return concat(".", base, ".melix-tmp");
  return concat(".", base.substr(0, kLongestName), std::hash<std::string>()(base), ".melix-tmp");
}

// A call that is made again while a signal interrupts it.
template <class Function>
int retried(Function function) {
  int result;
  while ((result = function()) < 0 && errno == EINTR) {
  }
  return result;
}

bool knows_no_locks(int error) {
  return error == EOPNOTSUPP || error == ENOLCK || error == ENOSYS || error == EINVAL;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, std::string_view op) : path_(path), op_(op) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    refuse(EINVAL, "a path cannot be empty or have a zero byte in it");
  }
  target_ = resolved(path);
  const size_t slash = target_.rfind('/');
  folder_ = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
  const std::string base = slash == std::string::npos ? target_ : target_.substr(slash + 1);
  if (base.empty()) refuse(EISDIR);
  temporary_ = (slash == std::string::npos ? std::string() : folder_) + temporary_name(base);
  struct stat old;
  if (retried([&] { return system::stat(target_, &old); }) == 0) {
    if (S_ISDIR(old.st_mode)) refuse(EISDIR);
    if (!S_ISREG(old.st_mode)) refuse(EINVAL, "is not a regular file");
    // Renaming would not ask: whoever may write to the folder could replace a file that is read-only.
    if (::access(target_.c_str(), W_OK) != 0) refuse(errno);
    mode_ = old.st_mode & 07777;
  } else if (errno != ENOENT) {
    refuse(errno);
  }
  open_temporary();
}

void AtomicFile::open_temporary() {
  for (;;) {
    fd_ = retried([&] { return system::open(temporary_, O_WRONLY | O_CREAT | O_NOFOLLOW); });
    if (fd_ < 0) refuse(errno);
    const int locked = retried([&] { return system::lock(fd_); });
    if (locked < 0 && knows_no_locks(errno)) {
      // No taking turns on this file system: a name of our own, which a kill leaves behind.
      static std::atomic<uint64_t> number{0};
      system::close(fd_);
      temporary_ = concat(temporary_, ".", ::getpid(), "-", number.fetch_add(1));
      fd_ = retried([&] { return system::open(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW); });
      if (fd_ < 0) refuse(errno);
      return;
    }
    struct stat ours, named;
    const int error = locked < 0 || retried([&] { return system::fstat(fd_, &ours); }) < 0 ? errno : 0;
    if (error) {
      system::close(fd_);
      fd_ = -1;
      refuse(error);
    }
    // Whoever had the lock before us has renamed or removed the file we waited for: then there is another to open.
    const bool there = retried([&] { return system::stat(temporary_, &named); }) == 0;
    if (there && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) break;
    system::close(fd_);
    fd_ = -1;
    if (!there && errno != ENOENT) refuse(errno);
  }
  if (retried([&] { return system::truncate(fd_); }) < 0) refuse_and_remove();
}

void AtomicFile::refuse_and_remove() {
  const int error = errno;
  discard();
  refuse(error);
}

void AtomicFile::discard() noexcept {
  if (fd_ < 0) return;
  retried([&] { return system::unlink(temporary_); });
  system::close(fd_);
  fd_ = -1;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (pending_.size() + bytes.size() > kGather) flush();
  if (bytes.size() >= kGather) {
    put(bytes);
  } else {
    pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void AtomicFile::flush() {
  put(std::span(reinterpret_cast<const std::byte*>(pending_.data()), pending_.size()));
  pending_.clear();
}

void AtomicFile::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = system::write(fd_, bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse(errno);
    if (n == 0) refuse(ENOSPC);
    bytes = bytes.subspan(size_t(n));
    written_ += uint64_t(n);
  }
}

void AtomicFile::commit() {
  flush();
  if (mode_ >= 0 && retried([&] { return system::chmod(fd_, mode_t(mode_)); }) < 0) refuse(errno);
  if (retried([&] { return system::fsync(fd_); }) < 0) refuse(errno);
  if (retried([&] { return system::rename(temporary_, target_); }) < 0) refuse(errno);
  system::close(fd_);  // nothing is left to be written, and there is nothing to remove any more
  fd_ = -1;
  const int folder = retried([&] { return system::open(folder_, O_RDONLY | O_DIRECTORY); });
  if (folder < 0) refuse(errno);
  const int synced = retried([&] { return system::fsync(folder); });
  const int error = errno;
  system::close(folder);
  // Some file systems have nothing to sync in a folder, and say so.
  if (synced < 0 && error != EINVAL && error != EROFS) refuse(error);
}

void AtomicFile::refuse(int error, std::string_view rule) const {
  const std::string text = rule.empty() ? system::words(error) : std::string(rule);
  throw FileError(Code::io, op_, path_, fd_ < 0 ? FileError::kNowhere : written_, "", text, error);
}

}  // namespace melix::io
