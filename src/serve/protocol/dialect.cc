#include "serve/protocol/dialect.h"

#include <algorithm>

#include "base/json.h"
#include "serve/batching/status_error.h"

namespace tamis::serve {

namespace {

struct ErrorRow {
  ErrorCode code;
  int status;                ///< unless the dialect says otherwise
  std::string_view tei;      ///< error_type of text-embeddings-inference, CamelCase on its wire
  std::string_view open_ai;  ///< type of OpenAI's errors
  std::string_view native;
};

constexpr ErrorRow kRows[] = {
    {ErrorCode::kInvalidArgument, 400, "Validation", "invalid_request_error", "invalid_argument"},
    {ErrorCode::kCorruptData, 400, "Validation", "invalid_request_error", "corrupt_data"},
    {ErrorCode::kNotFound, 404, "Validation", "invalid_request_error", "not_found"},
    {ErrorCode::kUnsupported, 501, "Backend", "invalid_request_error", "unsupported"},
    {ErrorCode::kOverloaded, 429, "Overloaded", "rate_limit_error", "overloaded"},
    {ErrorCode::kDeadlineExceeded, 504, "Backend", "timeout", "deadline_exceeded"},
    {ErrorCode::kCancelled, 499, "Backend", "cancelled", "cancelled"},
    {ErrorCode::kUnavailable, 503, "Unhealthy", "service_unavailable", "unavailable"},
    {ErrorCode::kOutOfMemory, 503, "Backend", "service_unavailable", "out_of_memory"},
    {ErrorCode::kInternal, 500, "Backend", "server_error", "internal"},
};

const ErrorRow& row_of(ErrorCode code) {
  const auto* const at = std::find_if(std::begin(kRows), std::end(kRows),
                                      [&](const ErrorRow& row) { return row.code == code; });
  return at == std::end(kRows) ? kRows[std::size(kRows) - 1] : *at;
}

/// What OpenAI's errors say beside the message, by code and how the message begins.
struct OpenAiRow {
  ErrorCode code;
  std::string_view message;
  std::string_view param;     ///< empty: null
  std::string_view own_code;  ///< OpenAI's word; empty: the native one
};

constexpr OpenAiRow kOpenAiRows[] = {
    {ErrorCode::kNotFound, "model ", "model", "model_not_found"},
    {ErrorCode::kInvalidArgument, "the API key ", "", "invalid_api_key"},
    {ErrorCode::kInvalidArgument, "several models ", "model", ""},
    {ErrorCode::kInvalidArgument, "dimensions ", "dimensions", ""},
    {ErrorCode::kInvalidArgument, "the body ", "", ""},
    // Not finite, for this text.
    {ErrorCode::kUnsupported, "the model's output ", "input", ""},
    // What the model refuses is in its texts or ids.
    {ErrorCode::kInvalidArgument, "", "input", ""},
};

// The message of one of several inputs without its number (api::InputError).
std::string_view reason_of(std::string_view message) {
  constexpr std::string_view kNumbered = ", counted from 0: ";
  const size_t end = message.find(kNumbered);
  const bool numbered = message.starts_with("input ") && end != message.npos;
  return numbered ? message.substr(end + kNumbered.size()) : message;
}

// The field that a message begins with: "`input` is missing".
std::string_view field_of(std::string_view message) {
  if (!message.starts_with('`')) return {};
  message.remove_prefix(1);
  const size_t end = message.find('`');
  return end == message.npos ? std::string_view() : message.substr(0, end);
}

void write_open_ai(const Error& error, const ErrorRow& row, JsonWriter& json) {
  const std::string_view message = error.what();
  const std::string_view reason = reason_of(message);
  std::string_view param = field_of(reason);
  std::string_view code = row.native;
  const auto* const own =
      std::find_if(std::begin(kOpenAiRows), std::end(kOpenAiRows), [&](const OpenAiRow& item) {
        return item.code == error.code() && reason.starts_with(item.message);
      });
  if (param.empty() && own != std::end(kOpenAiRows)) {
    param = own->param;
    if (!own->own_code.empty()) code = own->own_code;
  }
  json.key("error").begin_object();
  json.member("message", message).member("type", row.open_ai);
  if (param.empty()) {
    json.key("param").null();
  } else {
    json.member("param", param);
  }
  json.member("code", code).end_object();
}

}  // namespace

int http_status(Dialect dialect, ErrorCode code) {
  if (dialect == Dialect::kKserve && code == ErrorCode::kOverloaded) return 503;
  if (dialect == Dialect::kTei) {
    if (code == ErrorCode::kInvalidArgument) return 422;
    if (code == ErrorCode::kUnsupported || code == ErrorCode::kInternal) return 424;
  }
  // Clients try again what was answered with 500 or more, and here it is their choice of model.
  if (dialect != Dialect::kKserve && code == ErrorCode::kUnsupported) return 400;
  return row_of(code).status;
}

HttpResponse error_response(Dialect dialect, const Error& error, int64_t retry_after_ms) {
  const ErrorRow& row = row_of(error.code());
  HttpResponse response;
  response.status = http_status(dialect, error.code());
  const bool empty = dialect == Dialect::kTei && dynamic_cast<const EmptyInput*>(&error) != nullptr;
  if (empty) response.status = 400;
  if (const auto* own = dynamic_cast<const StatusError*>(&error)) response.status = own->status();
  JsonWriter json;
  json.begin_object();
  switch (dialect) {
    case Dialect::kTei:
    case Dialect::kHuggingFace:
      json.member("error", error.what()).member("error_type", empty ? "Empty" : row.tei);
      break;
    case Dialect::kOpenAi:
      write_open_ai(error, row, json);
      break;
    case Dialect::kVoyage:
      write_open_ai(error, row, json);
      json.member("detail", error.what());
      break;
    case Dialect::kKserve:
    case Dialect::kOllama:
      json.member("error", error.what());
      break;
    case Dialect::kCohere:
      // Cohere's clients read "message", Jina's "detail".
      json.member("message", error.what()).member("detail", error.what());
      break;
    case Dialect::kNative:
      json.key("error").begin_object();
      json.member("code", row.native).member("message", error.what()).end_object();
      break;
  }
  json.end_object();
  response.body = json.take();
  if (retry_after_ms > 0 &&
      (error.code() == ErrorCode::kOverloaded || error.code() == ErrorCode::kUnavailable)) {
    response.headers.emplace_back("Retry-After", cat((retry_after_ms + 999) / 1000));
    response.headers.emplace_back("retry-after-ms", cat(retry_after_ms));
  }
  return response;
}

}  // namespace tamis::serve
