// The one exception type of Tamis and its codes.
//
// Thrown by loading, optimizing, planning and request validation. Kernels never throw.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace tamis {

/// Whose mistake it was and what a caller can do about it. The command line's exit status and the
/// server's HTTP and gRPC statuses follow from it.
enum class ErrorCode {
  kInvalidArgument,   ///< the caller's argument; exit 2
  kCorruptData,       ///< a file's or request's bytes; exit 3
  kNotFound,          ///< no such file, model or tensor; exit 4
  kUnsupported,       ///< well formed, but not built; exit 5
  kOverloaded,        ///< try again later; exit 6
  kDeadlineExceeded,  ///< exit 7
  kCancelled,         ///< exit 8
  kUnavailable,       ///< exit 9
  kOutOfMemory,       ///< exit 10
  kInternal,          ///< our bug; exit 70
};

/// The code's name, "kCorruptData" for instance.
[[nodiscard]] std::string_view error_code_name(ErrorCode code);

/// The process exit status that stands for the code.
[[nodiscard]] int exit_status(ErrorCode code);

/// What went wrong, where (file, tensor, node, offset) and what would be accepted.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace tamis
