#include "base/error.h"

namespace tamis {

namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view name;
  int exit_status;
};

constexpr CodeRow kCodeRows[] = {
    {ErrorCode::kInvalidArgument, "kInvalidArgument", 2},
    {ErrorCode::kCorruptData, "kCorruptData", 3},
    {ErrorCode::kNotFound, "kNotFound", 4},
    {ErrorCode::kUnsupported, "kUnsupported", 5},
    {ErrorCode::kOverloaded, "kOverloaded", 6},
    {ErrorCode::kDeadlineExceeded, "kDeadlineExceeded", 7},
    {ErrorCode::kCancelled, "kCancelled", 8},
    {ErrorCode::kUnavailable, "kUnavailable", 9},
    {ErrorCode::kOutOfMemory, "kOutOfMemory", 10},
    {ErrorCode::kInternal, "kInternal", 70},
};

const CodeRow& row_of(ErrorCode code) { return kCodeRows[static_cast<size_t>(code)]; }

}  // namespace

std::string_view error_code_name(ErrorCode code) { return row_of(code).name; }

int exit_status(ErrorCode code) { return row_of(code).exit_status; }

namespace detail {

void check_failed(const char* condition, const char* file, int line) {
  std::string_view name(file);
  const size_t slash = name.rfind("src/");
  if (slash != std::string_view::npos) name.remove_prefix(slash);
  fail(ErrorCode::kInternal, "internal check failed: ", std::string_view(condition), " at ", name,
       ":", line, "; this is a bug in tamis, please report it");
}

}  // namespace detail
}  // namespace tamis
