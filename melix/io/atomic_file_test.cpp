// Files appear whole or not at all: with every call of the system failing in turn, with no space, and killed before
// every call. Sources notice files that change under them.
#include "melix/io/atomic_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "melix/io/source.h"
#include "melix/io/system.h"

using namespace melix;
using io::system::Fault;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "melix-files-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    path = name;
  }
  ~Folder() {
    io::system::set_fault({});
    fs::remove_all(path);
  }
  std::string file() const { return path / "file"; }
  size_t entries() const { return size_t(std::distance(fs::directory_iterator(path), {})); }
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// 200 KB: more than one write.
const std::string kOld(1000, 'o'), kNew(200000, 'n');

void save(const std::string& path, const std::string& text) {
  io::AtomicFile file(path);
  for (size_t at = 0; at < text.size(); at += 30000) file.write(std::string_view(text).substr(at, 30000));
  file.commit();
}

int error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const io::FileError& error) {
    CHECK(error.code() == Code::io);
    return error.system_error();
  }
  return 0;
}

int64_t calls_of_a_save(const Folder& folder) {
  save(folder.file(), kOld);
  io::system::set_fault({Fault::Kind::none, -1});
  save(folder.file(), kNew);
  const int64_t n = io::system::calls();
  io::system::set_fault({});
  return n;
}

}  // namespace

TEST_CASE("atomic file: replaces, keeps permissions, follows links") {
  Folder folder;
  save(folder.file(), kOld);
  CHECK(content(folder.file()) == kOld);
  fs::permissions(folder.file(), fs::perms(0640));
  fs::create_symlink("file", folder.path / "link");
  save(folder.path / "link", kNew);
  CHECK(content(folder.file()) == kNew);
  CHECK(fs::is_symlink(folder.path / "link"));
  CHECK(fs::status(folder.file()).permissions() == fs::perms(0640));
  CHECK(folder.entries() == 2);
  { io::AtomicFile dropped(folder.file()); }
  CHECK(content(folder.file()) == kNew);
  CHECK(folder.entries() == 2);
  save(folder.path / std::string(255, 'x'), kNew);
  CHECK(error_of([&] { save(folder.path / std::string(256, 'x'), kNew); }) == ENAMETOOLONG);
  CHECK(error_of([&] { save(folder.path, kNew); }) == EISDIR);
  CHECK(error_of([&] { save(folder.path / "no" / "file", kNew); }) == ENOENT);
  CHECK(error_of([&] { save("/dev/null", kNew); }) == EINVAL);
  CHECK(error_of([&] { save("", kNew); }) == EINVAL);
  CHECK(error_of([&] { save(std::string("a\0b", 3), kNew); }) == EINVAL);
}

TEST_CASE("atomic file: any call may fail, and the old file stays") {
  Folder folder;
  save(folder.file(), kOld);
  const int64_t calls = calls_of_a_save(folder);
  CHECK(calls > 8);
  for (bool persistent : {false, true}) {
    for (int64_t n = 1; n <= calls; n++) {
      save(folder.file(), kOld);
      io::system::set_fault({Fault::Kind::error, n, persistent, ENOSPC});
      const int error = error_of([&] { save(folder.file(), kNew); });
      io::system::set_fault({});
      CAPTURE(n);
      CHECK(error == ENOSPC);
      // Only where the folder could not be synced any more, the new file is there already.
      const std::string now = content(folder.file());
      CHECK((now == kOld || (now == kNew && n > calls - 2)));
      save(folder.file(), kNew);
      CHECK(content(folder.file()) == kNew);
      CHECK(folder.entries() == 1);
    }
  }
}

TEST_CASE("atomic file: short and interrupted calls are gone on with") {
  Folder folder;
  for (Fault::Kind kind : {Fault::Kind::brief, Fault::Kind::interrupt}) {
    const int64_t calls = calls_of_a_save(folder);
    for (int64_t n = 1; n <= calls; n++) {
      save(folder.file(), kOld);
      io::system::set_fault({kind, n});
      save(folder.file(), kNew);
      io::system::set_fault({});
      CHECK(content(folder.file()) == kNew);
    }
  }
}

TEST_CASE("atomic file: killed before any call, the old or the new file is there") {
  Folder folder;
  const int64_t calls = calls_of_a_save(folder);
  for (int64_t n = 1; n <= calls + 1; n++) {
    save(folder.file(), kOld);
    const pid_t child = fork();
    if (child == 0) {
      io::system::set_fault({Fault::Kind::kill, n});
      save(folder.file(), kNew);
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) == (n <= calls));
    const std::string now = content(folder.file());
    CHECK((now == kOld || now == kNew));
    // What a kill leaves behind is used, and gone with, the next save.
    save(folder.file(), kOld + "!");
    CHECK(content(folder.file()) == kOld + "!");
    CHECK(folder.entries() == 1);
  }
}

TEST_CASE("atomic file: without space, the old file stays") {
  Folder folder;
  for (rlim_t limit = 0; limit < kNew.size(); limit += 16384) {
    save(folder.file(), kOld);
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit small{limit, limit};
      setrlimit(RLIMIT_FSIZE, &small);
      _exit(error_of([&] { save(folder.file(), kNew); }) == EFBIG ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(content(folder.file()) == kOld);
    CHECK(folder.entries() == 1);
  }
}

TEST_CASE("atomic file: saves to one path take turns") {
  Folder folder;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 10; k++) save(folder.file(), std::string(100000, char('a' + i)));
    });
  }
  for (std::thread& t : threads) t.join();
  const std::string now = content(folder.file());
  CHECK(now == std::string(100000, now[0]));
  CHECK(folder.entries() == 1);
}

TEST_CASE("source: short and interrupted reads are gone on with, failed ones are errors") {
  Folder folder;
  save(folder.file(), "0123456789");
  auto source = io::open_file(folder.file());
  auto read = [&](uint64_t offset, size_t n) {
    std::string out(n, '?');
    source->read(offset, std::as_writable_bytes(std::span(out)));
    return out;
  };
  for (Fault::Kind kind : {Fault::Kind::brief, Fault::Kind::interrupt}) {
    io::system::set_fault({kind, kind == Fault::Kind::brief ? 0 : 1});
    CHECK(read(2, 5) == "23456");
  }
  io::system::set_fault({Fault::Kind::error, 1, true, EIO});
  CHECK(error_of([&] { read(2, 5); }) == EIO);
  io::system::set_fault({});
  CHECK_THROWS_WITH(read(8, 3), doctest::Contains("3 bytes are needed here, but the file has 10 bytes"));
  CHECK_THROWS(read(~uint64_t(0), 3));
}

TEST_CASE("source: a file that is cut or rewritten is an error, one that is replaced stays what it was") {
  Folder folder;
  auto read = [&](const Ref<io::Source>& source) {
    std::string out(10, '?');
    source->read(0, std::as_writable_bytes(std::span(out)));
    return out;
  };
  save(folder.file(), "0123456789");
  auto replaced = io::open_file(folder.file());
  save(folder.file(), "9876543210");
  CHECK(read(replaced) == "0123456789");

  auto cut = io::open_file(folder.file());
  REQUIRE(::truncate(folder.file().c_str(), 5) == 0);
  CHECK_THROWS_WITH(read(cut), doctest::Contains("the file ends here; it had 10 bytes when it was opened"));

  save(folder.file(), "0123456789");
  auto rewritten = io::open_file(folder.file());
  const timespec times[2] = {{1, 0}, {1, 0}};
  REQUIRE(::utimensat(AT_FDCWD, folder.file().c_str(), times, 0) == 0);
  CHECK_THROWS_WITH(read(rewritten), doctest::Contains("was written to since it was opened"));

  CHECK(error_of([&] { io::open_file(folder.path); }) == EISDIR);
  CHECK(error_of([&] { io::open_file(folder.path / "none"); }) == ENOENT);
  REQUIRE(mkfifo((folder.path / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(io::open_file(folder.path / "pipe"), doctest::Contains("is not a regular file"));
}
