// A server with the identity model, for tests of this module.
#pragma once

#include <csignal>
#include <memory>

#include "serve/server.h"

namespace tamis::serve {

/// As the program, which ignores SIGPIPE: OpenSSL's sockets and pipes, of a client in a test too,
/// say EPIPE.
inline const auto kBrokenPipes = std::signal(SIGPIPE, SIG_IGN);

/// Any free port, no gRPC, and time for a machine that stands still for a while.
[[nodiscard]] inline ServerOptions identity_options() {
  ServerOptions options;
  options.identity_model = "id";
  options.port = 0;
  options.grpc_port = -1;
  options.tokenizer_threads = 1;
  options.max_queue_latency_ms = 60'000;
  options.header_timeout_ms = 60'000;
  options.request_timeout_ms = 60'000;
  options.drain_timeout_ms = 60'000;
  return options;
}

[[nodiscard]] inline std::unique_ptr<Server> start(const ServerOptions& options) {
  auto server = std::make_unique<Server>(options);
  server->load();
  return server;
}

}  // namespace tamis::serve
