// See atomic_file.h.
#include "melix/transforms/export/atomic_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "melix/core/error.h"

namespace melix {

AtomicFile::AtomicFile(std::string_view op, std::string path) : op_(op), path_(std::move(path)) {
  temporary_ = path_ + ".XXXXXX";
  file_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (file_ < 0) fail_with("cannot be written");
  // mkstemp's files are for their owner alone: this one gets the permissions of any new file.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file_, 0666 & ~mask) != 0) fail_with("cannot be written");
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with(const char* what) const {
  const int error = errno;
  if (file_ < 0) ::unlink(temporary_.c_str());
  fail(Code::io, op_, path_, " ", what, ": ", std::strerror(error));
}

void AtomicFile::write(const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(file_, at, std::min(size, size_t(1) << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_with("cannot be written");
    at += n;
    size -= size_t(n);
  }
}

void AtomicFile::commit() {
  if (::fsync(file_) != 0) fail_with("cannot be written");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with("cannot be renamed");
  ::close(file_);
  file_ = -1;
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return;  // the folder may not be read: its entry is the system's to bring to the disk
  ::fsync(opened);
  ::close(opened);
}

}  // namespace melix
