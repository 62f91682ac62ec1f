// Groups of processes that compute together. Until there is a way for processes to reach each other, the only group is
// that of this process alone; programs written for several run on it unchanged.
#pragma once

#include <string>
#include <string_view>

namespace melix::distributed {

/// Processes 0 ... size - 1, of which this one is `rank`. A value: copies mean the same group.
class Group {
 public:
  int rank() const { return 0; }
  int size() const { return 1; }
  /// The group of those processes that call it with the same color, ordered by `key`. Throws Code::runtime: a group of
  /// one has no parts.
  Group split(int color, int key = -1) const;
};

/// The ways in which processes may reach each other: "any", "mpi", "ring", "nccl", "jaccl". Whether this library has
/// one of that name ("any": one at all). An unknown name is not there.
bool is_available(std::string_view backend = "any");

/// The group of all processes that were launched together. Where the backend is not available: with `strict` an error
/// (Code::runtime), otherwise a group of one. Throws Code::value for an unknown name.
Group init(bool strict = false, const std::string& backend = "any");

}  // namespace melix::distributed
