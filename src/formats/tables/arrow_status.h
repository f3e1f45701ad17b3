// What Arrow reports as this program's errors. For the two files beside it alone.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace tamis {

/// Arrow's messages may quote a file.
inline constexpr size_t kMostOfMessage = 300;

inline ErrorCode code_of(const arrow::Status& status) {
  if (status.IsOutOfMemory()) return ErrorCode::kOutOfMemory;
  // A codec that the library was built without, an encrypted file.
  if (status.IsNotImplemented()) return ErrorCode::kUnsupported;
  return ErrorCode::kCorruptData;
}

/// Throws what `status` reports, if it is no success.
inline void check_arrow(const arrow::Status& status, std::string_view where) {
  if (status.ok()) return;
  fail(code_of(status), where, ": ", std::string_view(status.message()).substr(0, kMostOfMessage));
}

template <typename T>
T take_arrow(arrow::Result<T>&& result, std::string_view where) {
  check_arrow(result.status(), where);
  return std::move(result).ValueUnsafe();
}

/// Runs `work`. Parquet's library throws some of its errors.
template <typename Work>
auto guarded(std::string_view where, const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail(ErrorCode::kCorruptData, where, ": ",
         std::string_view(error.what()).substr(0, kMostOfMessage));
  }
}

}  // namespace tamis
