// Calls from and to Triton: errors to exceptions and back, its clock, its log.
//
// Is: what every function of this library at the border uses. Is not: requests or configs. May use:
// triton_api.
#pragma once

#include <tamis/log.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "integrations/triton/triton_api.h"

namespace tamis::triton {

/// Throws what Triton says, with the code that is nearest to its own. Releases the error.
void check(TRITONSERVER_Error* error);

/// The exception as Triton's error; the caller's to delete.
[[nodiscard]] TRITONSERVER_Error* error_of(const Error& error);
/// The same of the exception that is being handled.
[[nodiscard]] TRITONSERVER_Error* current_error();

/// The body of a function that Triton calls: null, or what it threw.
template <typename Body>
[[nodiscard]] TRITONSERVER_Error* guarded(Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (...) {
    return current_error();
  }
}

/// Writes a line into the server's log. Never throws.
void log_line(LogLevel level, std::string_view message) noexcept;
/// Logs an error that nobody can be told, `what` before its message, and releases it; nothing if
/// there is none. Never throws.
void log_failure(std::string_view what, TRITONSERVER_Error* failed) noexcept;

/// Nanoseconds of the clock that statistics are reported in: the steady one.
[[nodiscard]] uint64_t now_ns();

struct MessageDeleter {
  void operator()(TRITONSERVER_Message* message) const;
};
using MessagePtr = std::unique_ptr<TRITONSERVER_Message, MessageDeleter>;

}  // namespace tamis::triton
