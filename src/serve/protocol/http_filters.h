// What happens to every HTTP request before its endpoint and after: CORS, compression, the key, the
// log.
//
// Is: rules that no endpoint repeats. Is not: a route. May use: http_message, server_options.
#pragma once

#include <cstdint>
#include <string>

#include "serve/batching/server_options.h"
#include "serve/http/http_message.h"
#include "serve/protocol/api_key.h"
#include "serve/protocol/dialect.h"

namespace tamis::serve {

/// The answer to OPTIONS, before finish_response(): the methods there are and, for a browser that
/// asks whether it may ask, what `--cors-origin` lets it.
[[nodiscard]] HttpResponse answer_options(const HttpRequest& request,
                                          const std::string& allowed_methods,
                                          const ServerOptions& options);

/// Undoes the request's Content-Encoding. Throws Error as decompress_body.
void decompress_request(HttpRequest& request, const ServerOptions& options);

/// What a key that is not allowed is told, in the dialect's words: 401, or that it has asked too
/// often, and when to come back.
[[nodiscard]] HttpResponse key_refusal(const KeyAnswer& key, Dialect dialect);

/// Adds the headers that every answer has, and compresses the body if the client asked KServe for
/// it or the server was told to.
void finish_response(const HttpRequest& request, Dialect dialect, const std::string& id,
                     const ServerOptions& options, HttpResponse& response);

/// What the log says of a request.
struct RequestLog {
  std::string id;
  std::string key;  ///< the name of the caller's; empty: none, or it has none
  std::string model;
  int64_t tokens = 0;
  int64_t tokenize_us = 0;
  int64_t queue_us = 0;
  int64_t run_us = 0;
  std::string error;
};

/// One line of JSON.
[[nodiscard]] std::string log_line(const HttpRequest& request, const RequestLog& log, int status,
                                   int64_t total_us);

}  // namespace tamis::serve
