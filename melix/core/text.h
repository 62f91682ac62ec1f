// Text made of parts, for messages. No formats: a message is never interpreted.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace melix {

inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, const char* part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
inline void append(std::string& out, bool part) { out += part ? "true" : "false"; }
template <std::integral T>
requires(!std::same_as<T, bool> && !std::same_as<T, char>) void append(std::string& out, T part) {
  out += std::to_string(part);
}
void append(std::string& out, double part);  // shortest digits that read back the same

/// The parts, written one after the other. A type takes part by an `append(std::string&, T)` of its own.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

}  // namespace melix
