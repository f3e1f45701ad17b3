// How each family of clients wants its errors: status, body, headers.
//
// Is: the table from ErrorCode to HTTP. Is not: a route. May use: http_message.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "serve/http/http_message.h"

namespace tamis::serve {

enum class Dialect : uint8_t {
  kTei,
  kOpenAi,
  kVoyage,  ///< of no route: OpenAI's, for who may be Voyage's client
  kKserve,
  kHuggingFace,
  kCohere,
  kOllama,
  kNative,
};

/// A request with nothing to do, for which text-embeddings-inference has an error of its own.
class EmptyInput : public Error {
 public:
  explicit EmptyInput(std::string_view key)
      : Error(ErrorCode::kInvalidArgument, cat("`", key, "` cannot be empty")) {}
};

[[nodiscard]] int http_status(Dialect dialect, ErrorCode code);

/// `retry_after_ms` counts for kOverloaded and kUnavailable; 0: say nothing.
[[nodiscard]] HttpResponse error_response(Dialect dialect, const Error& error,
                                          int64_t retry_after_ms = 0);

}  // namespace tamis::serve
