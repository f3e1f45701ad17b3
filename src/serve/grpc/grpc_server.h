// The gRPC port: KServe v2, text-embeddings-inference and health checks over one core.
//
// Is: the listener's life. Is not: a service (grpc_kserve, grpc_tei, grpc_health). May use: core.
#pragma once

#include <cstdint>
#include <memory>

#include "serve/batching/server_options.h"
#include "serve/core/core.h"

namespace tamis::serve {

class ApiKeys;

/// Thread-safe.
class GrpcServer {
 public:
  /// Listens on options.host and options.grpc_port and answers from then on. Throws Error:
  /// kInvalidArgument (an address or certificate that is none), kUnavailable (the port is in use or
  /// forbidden), kUnsupported (is_built() is false). What it is given outlives it.
  GrpcServer(Core& core, const ServerOptions& options, ApiKeys& keys);
  /// Ends what is still open.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  /// False for a build without gRPC (TAMIS_GRPC).
  [[nodiscard]] static bool is_built();

  [[nodiscard]] uint16_t port() const;
  /// Takes no new calls, and returns once those under way have ended. False: the time was not
  /// enough; those that wait for something are told to give up, and the destructor waits for all.
  [[nodiscard]] bool drain(int64_t timeout_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::serve
