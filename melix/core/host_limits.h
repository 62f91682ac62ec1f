// How much of the machine this process may use: cores and memory, as affinity and cgroups (v1 and v2) leave them.
// Asked once by the pool and by the allocator; nothing here is cached.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace melix {

/// Cores the process may run on: those of its affinity mask, at most the whole cores of its CPU quota; at least 1.
int usable_cores();

/// Bytes of memory the process may use: physical memory, at most the limit of its cgroup.
size_t usable_memory();

/// What the cgroups of this process and the groups above them allow, none where nothing is limited. Files that are
/// missing or make no sense limit nothing. `root` stands before /proc and the mount points (for tests).
struct CgroupLimits {
  std::optional<double> cores;
  std::optional<size_t> memory;
};
CgroupLimits cgroup_limits(const std::string& root = "");

}  // namespace melix
