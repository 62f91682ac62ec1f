// Limits of the process: reads the affinity mask, and the cgroup files found through /proc/self.
#include "melix/core/host_limits.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace melix {
namespace {

// The text of a small file, empty where it cannot be read. A list of mounts may be long; 1 MiB is a thousand of them.
std::string read_text(const std::string& path) {
  std::string out;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  char chunk[4096];
  while (out.size() < (1 << 20)) {
    const ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out.append(chunk, size_t(n));
  }
  close(fd);
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool contains(std::string_view list, std::string_view name) {
  for (std::string_view item : split(list, ',')) {
    if (item == name) return true;
  }
  return false;
}

// A whole number and nothing else, none where it is not one ("max", a sign, garbage).
std::optional<uint64_t> number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Paths in mountinfo have blanks and backslashes as \040.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto digit = [&](size_t k) { return k < text.size() && text[k] >= '0' && text[k] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += char((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

void lower_cores(CgroupLimits& limits, std::optional<uint64_t> quota, std::optional<uint64_t> period) {
  if (quota && period && *quota > 0 && *period > 0) lower(limits.cores, double(*quota) / double(*period));
}
void lower_memory(CgroupLimits& limits, std::optional<uint64_t> bytes) {
  if (bytes && *bytes > 0) lower(limits.memory, size_t(*bytes));
}

// One group's own limits. A hierarchy has only the files of its version and controllers.
void read_group(const std::string& folder, bool v2, CgroupLimits& limits) {
  if (v2) {
    const std::string text = read_text(folder + "/cpu.max");
    const auto fields = split(text, ' ');
    if (fields.size() == 2) lower_cores(limits, number(fields[0]), number(fields[1]));
    lower_memory(limits, number(read_text(folder + "/memory.max")));
  } else {
    lower_cores(limits, number(read_text(folder + "/cpu.cfs_quota_us")),
                number(read_text(folder + "/cpu.cfs_period_us")));
    lower_memory(limits, number(read_text(folder + "/memory.limit_in_bytes")));
  }
}

// The path of this process below a hierarchy's mount point. Where the process sees another part of the hierarchy than
// the one its path names (containers), the mount point itself is its group.
std::string group_below(std::string_view path, std::string_view mounted) {
  if (mounted == "/") mounted = "";
  const bool inside =
      path.starts_with(mounted) && (path.size() == mounted.size() || path[mounted.size()] == '/');
  if (!inside || path.find("..") != std::string_view::npos) return "";
  std::string below(path.substr(mounted.size()));
  while (below.ends_with('/')) below.pop_back();
  return below;
}

// The path of the process in the hierarchy that has this controller ("" is version 2), none where there is none.
std::optional<std::string_view> path_in(std::string_view cgroups, std::string_view controller) {
  for (std::string_view line : split(cgroups, '\n')) {  // "4:cpu,cpuacct:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : contains(controllers, controller))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

CgroupLimits cgroup_limits(const std::string& root) {
  CgroupLimits limits;
  const std::string cgroups = read_text(root + "/proc/self/cgroup");
  const std::string mounts = read_text(root + "/proc/self/mountinfo");
  for (std::string_view line : split(mounts, '\n')) {
    // "31 23 0:28 <root within the hierarchy> <mount point> options [tags] - <type> <source> <its options>"
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto place = split(line.substr(0, dash), ' '), kind = split(line.substr(dash + 3), ' ');
    if (place.size() < 5 || kind.size() < 3) continue;
    const bool v2 = kind[0] == "cgroup2";
    if (!v2 && kind[0] != "cgroup") continue;
    for (std::string_view controller : {"", "cpu", "memory"}) {
      if (v2 != controller.empty() || (!v2 && !contains(kind[2], controller))) continue;
      const auto path = path_in(cgroups, controller);
      if (!path) continue;
      const std::string mount = root + unescape(place[4]);
      std::string below = group_below(*path, unescape(place[3]));
      for (;;) {
        read_group(mount + below, v2, limits);
        if (below.empty()) break;
        below.resize(below.rfind('/'));
      }
    }
  }
  return limits;
}

int usable_cores() {
  int cores = 0;
  // The kernel refuses masks shorter than its own.
  for (int bits = 1024; bits <= (1 << 20) && cores == 0; bits *= 2) {
    cpu_set_t* mask = CPU_ALLOC(bits);
    if (!mask) break;
    const size_t bytes = CPU_ALLOC_SIZE(bits);
    const int status = sched_getaffinity(0, bytes, mask);
    const bool too_short = status != 0 && errno == EINVAL;
    if (status == 0) cores = CPU_COUNT_S(bytes, mask);
    CPU_FREE(mask);
    if (!too_short) break;
  }
  if (cores <= 0) cores = int(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  // A thread beyond the quota does not add speed: it makes the group stop sooner in each period.
  if (const auto quota = cgroup_limits().cores; quota && *quota < cores) cores = std::max(1, int(*quota));
  return cores;
}

size_t usable_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  size_t bytes = pages > 0 && page > 0 ? size_t(pages) * size_t(page) : SIZE_MAX / 2;
  if (const auto limit = cgroup_limits().memory) bytes = std::min(bytes, *limit);
  return bytes;
}

}  // namespace melix
