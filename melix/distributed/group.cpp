// See group.h.
#include "melix/distributed/group.h"

#include <algorithm>

#include "melix/core/error.h"

namespace melix::distributed {
namespace {

constexpr std::string_view kBackends[] = {"any", "mpi", "ring", "nccl", "jaccl"};

}  // namespace

Group Group::split(int, int) const {
  fail(Code::runtime, "split", "a group of one process cannot be split further");
}

bool is_available(std::string_view) { return false; }

Group init(bool strict, const std::string& backend) {
  if (std::find(std::begin(kBackends), std::end(kBackends), backend) == std::end(kBackends)) {
    fail(Code::value, "init", "the backend must be any, mpi, ring, nccl or jaccl, not ", backend);
  }
  if (strict) {
    fail(Code::runtime, "init", "the backend ", backend,
         " is not available: this library has no way to reach other processes");
  }
  return {};
}

}  // namespace melix::distributed
