// Raising errors with a message built from parts, and checks for our own bugs.
//
// Is: the only way the library reports a failure. Is not: logging. May use: nothing.
#pragma once

#include <tamis/error.h>

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace tamis {

namespace detail {

inline void append_part(std::string& out, std::string_view part) { out.append(part); }
inline void append_part(std::string& out, char part) { out.push_back(part); }
template <typename T>
requires std::same_as<T, bool>
void append_part(std::string& out, T part) { out.append(part ? "true" : "false"); }

template <typename T>
requires(!std::same_as<T, bool> &&
         (std::integral<T> || std::floating_point<T>)) void append_part(std::string& out, T part) {
  char buffer[48];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), part).ptr;
  out.append(buffer, end);
}

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace detail

/// The parts (strings, characters, numbers) one after the other.
template <typename... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  std::string out;
  (detail::append_part(out, parts), ...);
  return out;
}

/// Throws Error{code, cat(parts...)}.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, cat(parts...));
}

}  // namespace tamis

/// For our own bugs only: throws Error{kInternal}. If bytes from a user can reach it, it should
/// have been a fail() with a better code.
#define TAMIS_CHECK(condition)                                                       \
  do {                                                                               \
    if (!(condition)) ::tamis::detail::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
