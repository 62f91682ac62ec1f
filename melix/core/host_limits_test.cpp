// Limits of the process, read from made-up /proc and cgroup trees.
#include "melix/core/host_limits.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

using namespace melix;
namespace fs = std::filesystem;

namespace {

// A root folder that is gone with the object.
struct Tree {
  std::string root;
  Tree() {
    std::string name = (fs::temp_directory_path() / "melix-limits-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    root = name;
  }
  ~Tree() { fs::remove_all(root); }
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
};

const char* const kV2Mount =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const char* const kV1Mounts =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n";

}  // namespace

TEST_CASE("cgroup_limits: version 2, the tightest of the group and those above") {
  Tree tree;
  tree.write("/proc/self/cgroup", "0::/user/app/\n");
  tree.write("/proc/self/mountinfo",
             std::string("22 27 0:21 / /proc rw - proc proc rw\nbroken line\n") + kV2Mount);
  tree.write("/sys/fs/cgroup/user/app/cpu.max", "max 100000\n");
  tree.write("/sys/fs/cgroup/user/app/memory.max", "3000000000\n");
  CHECK(!cgroup_limits(tree.root).cores);
  tree.write("/sys/fs/cgroup/user/cpu.max", "250000 100000\n");
  tree.write("/sys/fs/cgroup/user/memory.max", "2000000000\n");
  CHECK(cgroup_limits(tree.root).cores == 2.5);
  CHECK(cgroup_limits(tree.root).memory == 2000000000u);
}

TEST_CASE("cgroup_limits: version 1") {
  Tree tree;
  tree.write("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,cpuacct:/job\n3:memory:/docker/abc\n0::/\n");
  tree.write("/proc/self/mountinfo", kV1Mounts);
  tree.write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
  tree.write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "50000\n");
  tree.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  tree.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  tree.write("/sys/fs/cgroup/mem ory/memory.limit_in_bytes", "1073741824\n");
  CHECK(cgroup_limits(tree.root).cores == 3.0);
  CHECK(cgroup_limits(tree.root).memory == 1073741824u);
}

TEST_CASE("cgroup_limits: a container that sees a part of the hierarchy") {
  Tree tree;
  tree.write("/proc/self/cgroup", "0::/docker/abc/inner\n");
  tree.write("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
  tree.write("/sys/fs/cgroup/inner/cpu.max", "400000 100000");
  CHECK(cgroup_limits(tree.root).cores == 4.0);
  for (const char* elsewhere :
       {"0::/other/path\n", "0::/../..\n", "0::/docker/abcd/inner\n", "0::/docker/abc/../x\n"}) {
    tree.write("/proc/self/cgroup", elsewhere);
    CHECK(!cgroup_limits(tree.root).cores);
  }
  tree.write("/sys/fs/cgroup/cpu.max", "100000 100000");
  CHECK(cgroup_limits(tree.root).cores == 1.0);
}

TEST_CASE("cgroup_limits: files that make no sense limit nothing") {
  Tree tree;
  CHECK(!cgroup_limits(tree.root).cores);  // no files at all
  tree.write("/proc/self/cgroup", "0::/\n:\n::\n5\n");
  tree.write("/proc/self/mountinfo", std::string("\n - \n1 - cgroup2\n1 2 3 4 5 - cgroup2 a\n") + kV2Mount);
  for (const char* text : {"", "max", "100000", "100000 0", "0 100000", "-5 100000", "a b", "1 2 3",
                           "1e5 100000", "99999999999999999999999 100000", "100000 100000x"}) {
    tree.write("/sys/fs/cgroup/cpu.max", text);
    tree.write("/sys/fs/cgroup/memory.max", text);
    if (std::string(text) != "100000") CHECK(!cgroup_limits(tree.root).memory);
    CHECK(!cgroup_limits(tree.root).cores);
  }
}

TEST_CASE("usable_cores and usable_memory: what this machine says") {
  CHECK(usable_memory() > (size_t(64) << 20));
  const int cores = usable_cores();
  CHECK(cores >= 1);
  std::thread([cores] {  // affinity belongs to a thread: this one has one core
    cpu_set_t mask;
    REQUIRE(sched_getaffinity(0, sizeof mask, &mask) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    if (sched_setaffinity(0, sizeof mask, &mask) == 0) CHECK(usable_cores() == 1);
    CHECK(cores >= 1);
  })
      .join();
}
