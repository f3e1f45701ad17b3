#include "integrations/triton/triton_call.h"

#include <chrono>
#include <new>
#include <string>

namespace tamis::triton {

namespace {

TRITONSERVER_Error_Code code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorruptData:
      return TRITONSERVER_ERROR_INVALID_ARG;
    case ErrorCode::kNotFound:
      return TRITONSERVER_ERROR_NOT_FOUND;
    case ErrorCode::kUnsupported:
      return TRITONSERVER_ERROR_UNSUPPORTED;
    case ErrorCode::kOverloaded:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutOfMemory:
      return TRITONSERVER_ERROR_UNAVAILABLE;
    case ErrorCode::kCancelled:
      return TRITONSERVER_ERROR_CANCELLED;
    case ErrorCode::kInternal:
      return TRITONSERVER_ERROR_INTERNAL;
  }
  return TRITONSERVER_ERROR_UNKNOWN;
}

ErrorCode code_of(TRITONSERVER_Error_Code code) {
  switch (code) {
    case TRITONSERVER_ERROR_NOT_FOUND:
      return ErrorCode::kNotFound;
    case TRITONSERVER_ERROR_INVALID_ARG:
    case TRITONSERVER_ERROR_ALREADY_EXISTS:
      return ErrorCode::kInvalidArgument;
    case TRITONSERVER_ERROR_UNAVAILABLE:
      return ErrorCode::kUnavailable;
    case TRITONSERVER_ERROR_UNSUPPORTED:
      return ErrorCode::kUnsupported;
    case TRITONSERVER_ERROR_CANCELLED:
      return ErrorCode::kCancelled;
    case TRITONSERVER_ERROR_UNKNOWN:
    case TRITONSERVER_ERROR_INTERNAL:
      return ErrorCode::kInternal;
  }
  return ErrorCode::kInternal;
}

TRITONSERVER_LogLevel level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return TRITONSERVER_LOG_VERBOSE;
    case LogLevel::kInfo:
      return TRITONSERVER_LOG_INFO;
    case LogLevel::kWarning:
      return TRITONSERVER_LOG_WARN;
    case LogLevel::kError:
      return TRITONSERVER_LOG_ERROR;
  }
  return TRITONSERVER_LOG_ERROR;
}

}  // namespace

void check(TRITONSERVER_Error* error) {
  if (error == nullptr) return;
  const Error thrown(code_of(TRITONSERVER_ErrorCode(error)), TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  throw thrown;
}

TRITONSERVER_Error* error_of(const Error& error) {
  return TRITONSERVER_ErrorNew(code_of(error.code()), error.what());
}

TRITONSERVER_Error* current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error_of(error);
  } catch (const std::bad_alloc&) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "out of memory");
  } catch (const std::exception& error) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, error.what());
  }
}

void log_line(LogLevel level, std::string_view message) noexcept {
  try {
    const std::string line = cat("tamis: ", message);
    TRITONSERVER_Error* const failed =
        TRITONSERVER_LogMessage(level_of(level), __FILE_NAME__, __LINE__, line.c_str());
    if (failed != nullptr) TRITONSERVER_ErrorDelete(failed);
  } catch (...) {
    return;  // a line that finds no memory is lost
  }
}

void log_failure(std::string_view what, TRITONSERVER_Error* failed) noexcept {
  if (failed == nullptr) return;
  try {
    log_line(LogLevel::kError,
             cat(what, ": ", std::string_view(TRITONSERVER_ErrorMessage(failed))));
  } catch (...) {
    log_line(LogLevel::kError, what);  // no memory for the whole of it
  }
  TRITONSERVER_ErrorDelete(failed);
}

uint64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

void MessageDeleter::operator()(TRITONSERVER_Message* message) const {
  log_failure("a message was not deleted", TRITONSERVER_MessageDelete(message));
}

}  // namespace tamis::triton
