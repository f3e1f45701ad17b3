// Whether a request may change what the server serves: load and unload models.
//
// Is: the rule for routes that change state, over HTTP and gRPC alike. Is not: the key itself
// (api_key). May use: http_message, server_options, api_key.
#pragma once

#include <string>

#include "serve/batching/server_options.h"
#include "serve/http/http_message.h"
#include "serve/protocol/api_key.h"

namespace tamis::serve {

/// How a caller reaches the server, for admin_refusal().
struct AdminCaller {
  bool loopback = false;     ///< the peer is this machine
  std::string host = "";     ///< the Host header, or gRPC's authority
  HttpHeaders headers = {};  ///< or gRPC's metadata
  KeyAnswer key = {};        ///< what its API key lets it do
};

/// Why the caller may not change state; empty: it may. Where keys are asked for, its key decides.
/// Without one `--model-control explicit` is needed, from this machine; and no page
/// of another origin, and no proxy, may stand between.
[[nodiscard]] std::string admin_refusal(const AdminCaller& caller, const ServerOptions& options);

}  // namespace tamis::serve
