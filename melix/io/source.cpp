// See source.h.
#include "melix/io/source.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "melix/io/system.h"

namespace melix::io {
namespace {

constexpr size_t kMostAtOnce = size_t(1) << 30;  // Linux moves at most 2^31 - 4096 bytes a call

class File final : public Source {
 public:
  File(const std::string& path, int fd, const struct stat& status)
      : Source(path, uint64_t(status.st_size)), fd_(fd), opened_(status) {}
  ~File() override { system::close(fd_); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> to) const override {
    for (size_t done = 0; done < to.size();) {
      const size_t n = std::min(to.size() - done, kMostAtOnce);
      const ssize_t got = system::pread(fd_, to.data() + done, n, int64_t(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) broken(offset + done, errno, system::words(errno));
      if (got == 0) {
        broken(offset + done, 0, concat("the file ends here; it had ", size_, " bytes when it was opened"));
      }
      done += size_t(got);
    }
    check_unchanged(offset);
  }

  // Who rewrites a file in place changes its time. (Who replaces it by another, as saving does, leaves us the old one.)
  void check_unchanged(uint64_t offset) const {
    struct stat now;
    while (system::fstat(fd_, &now) != 0) {
      if (errno != EINTR) broken(offset, errno, system::words(errno));
    }
    const bool same = now.st_size == opened_.st_size && now.st_mtim.tv_sec == opened_.st_mtim.tv_sec &&
                      now.st_mtim.tv_nsec == opened_.st_mtim.tv_nsec;
    if (!same) broken(offset, 0, "the file was written to since it was opened");
  }

  [[noreturn]] void broken(uint64_t offset, int error, std::string_view rule) const {
    throw FileError(Code::io, "load", name_, offset, "", rule, error);
  }

  int fd_;
  struct stat opened_;
};

class Memory final : public Source {
 public:
  Memory(std::string name, std::span<const std::byte> bytes, std::shared_ptr<void> owner)
      : Source(std::move(name), bytes.size()), bytes_(bytes), owner_(std::move(owner)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> to) const override {
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + offset, to.size());
  }

  std::span<const std::byte> bytes_;
  std::shared_ptr<void> owner_;
};

}  // namespace

void Source::read(uint64_t offset, std::span<std::byte> to) const {
  if (Size(offset) + Size(to.size()) > Size(size_)) {
    reject(offset, "", to.size(), " bytes are needed here, but the file has ", size_, " bytes");
  }
  read_checked(offset, to);
}

Ref<Source> open_file(const std::string& path) {
  auto refuse = [&](int error, std::string_view rule) {
    throw FileError(Code::io, "load", path, FileError::kNowhere, "", rule, error);
  };
  if (path.find('\0') != std::string::npos) refuse(EINVAL, "a path cannot have a zero byte in it");
  int fd;
  // Opening a pipe would wait for a writer without O_NONBLOCK, which means nothing for regular files.
  while ((fd = system::open(path, O_RDONLY | O_NONBLOCK)) < 0) {
    if (errno != EINTR) refuse(errno, system::words(errno));
  }
  struct stat status;
  int failed;
  while ((failed = system::fstat(fd, &status)) != 0 && errno == EINTR) {
  }
  const int error = failed ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
  if (error || !S_ISREG(status.st_mode)) {
    system::close(fd);
    refuse(error, error ? system::words(error) : std::string("is not a regular file"));
  }
  return Ref<Source>::adopt(new File(path, fd, status));
}

Ref<Source> memory_source(std::string name, std::span<const std::byte> bytes, std::shared_ptr<void> owner) {
  return Ref<Source>::adopt(new Memory(std::move(name), bytes, std::move(owner)));
}

Ref<Source> memory_source(std::string name, std::string bytes) {
  auto owner = std::make_shared<std::string>(std::move(bytes));
  std::span<const std::byte> view(reinterpret_cast<const std::byte*>(owner->data()), owner->size());
  return memory_source(std::move(name), view, owner);
}

}  // namespace melix::io
