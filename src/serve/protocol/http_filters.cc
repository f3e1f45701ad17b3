#include "serve/protocol/http_filters.h"

#include <chrono>

#include "base/json.h"
#include "serve/http/compression.h"

namespace tamis::serve {

namespace {

// Less is not worth a header.
constexpr size_t kCompressBytes = 1024;

void add_origin(const HttpRequest& request, const ServerOptions& options, HttpResponse& response) {
  if (options.cors_origin.empty() || !request.has_header("Origin")) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", options.cors_origin);
  // Retry-After, X-Request-Id and others are read by clients in a page, too.
  response.headers.emplace_back("Access-Control-Expose-Headers", "*");
  if (options.cors_origin != "*") response.headers.emplace_back("Vary", "Origin");
}

// W3C Trace Context: tracestate means nothing without its traceparent.
void pass_trace_back(const HttpRequest& request, HttpResponse& response) {
  const std::string_view parent = request.header("traceparent");
  if (parent.empty()) return;
  response.headers.emplace_back("traceparent", parent);
  std::string state;
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "tracestate")) state += cat(state.empty() ? "" : ",", value);
  }
  if (!state.empty()) response.headers.emplace_back("tracestate", std::move(state));
}

}  // namespace

HttpResponse answer_options(const HttpRequest& request, const std::string& allowed_methods,
                            const ServerOptions& options) {
  HttpResponse response;
  response.status = 204;
  response.headers.emplace_back("Allow", allowed_methods);
  const bool browser =
      request.has_header("Origin") && request.has_header("Access-Control-Request-Method");
  if (!browser || options.cors_origin.empty()) return response;
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  std::string asked(request.header("Access-Control-Request-Headers"));
  if (asked.empty()) asked = "*";
  response.headers.emplace_back("Access-Control-Allow-Headers", std::move(asked));
  response.headers.emplace_back("Access-Control-Max-Age", "86400");
  return response;
}

void decompress_request(HttpRequest& request, const ServerOptions& options) {
  // Several fields are one list (RFC 9110 5.3), and no list of two encodings is taken.
  std::string encoding;
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "Content-Encoding")) continue;
    encoding += cat(encoding.empty() ? "" : ", ", value);
  }
  if (encoding.empty() || equal_ignoring_case(encoding, "identity")) return;
  request.body = decompress_body(encoding, request.body,
                                 static_cast<size_t>(options.max_body_bytes), &request.body_charge);
}

HttpResponse key_refusal(const KeyAnswer& key, Dialect dialect) {
  if (key.verdict == KeyAnswer::Verdict::kLimited) {
    return error_response(dialect, key_limit_error(key), key.retry_after_ms);
  }
  HttpResponse response =
      error_response(dialect, Error(ErrorCode::kInvalidArgument,
                                    "the API key is missing or wrong; send it as "
                                    "\"Authorization: Bearer KEY\""));
  response.status = 401;
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

void finish_response(const HttpRequest& request, Dialect dialect, const std::string& id,
                     const ServerOptions& options, HttpResponse& response) {
  response.headers.emplace_back("X-Request-Id", id);
  pass_trace_back(request, response);
  add_origin(request, options, response);
  const bool asked = options.compress || dialect == Dialect::kKserve;
  if (!asked) return;
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (response.body.size() < kCompressBytes) return;
  const std::string_view encoding = accepted_encoding(request.header("Accept-Encoding"));
  if (encoding.empty()) return;
  response.body = compress_body(encoding, response.body);
  response.headers.emplace_back("Content-Encoding", encoding);
}

std::string log_line(const HttpRequest& request, const RequestLog& log, int status,
                     int64_t total_us) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  JsonWriter json;
  json.begin_object();
  json.member("ts_ms", std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  json.member("id", log.id).member("remote", request.remote);
  json.member("method", request.method).member("path", request.path).member("status", status);
  if (!log.key.empty()) json.member("key", log.key);
  if (!log.model.empty()) {
    json.member("model", log.model).member("tokens", log.tokens);
    json.member("tokenize_us", log.tokenize_us).member("queue_us", log.queue_us);
    json.member("run_us", log.run_us);
  }
  json.member("total_us", total_us);
  const std::string_view trace = request.header("traceparent");
  if (!trace.empty()) json.member("traceparent", trace);
  if (!log.error.empty()) json.member("error", log.error);
  json.end_object();
  return json.take();
}

}  // namespace tamis::serve
