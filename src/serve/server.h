// The server: models, core, HTTP, and what happens when it is told to end.
//
// Is: the one object that `tamis serve` makes. Is not: signals or flags (cli). May use: all of
// serve.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "serve/batching/server_options.h"
#include "serve/batching/worker_pool.h"
#include "serve/core/core.h"
#include "serve/core/metrics.h"
#include "serve/core/model_repository.h"
#include "serve/grpc/grpc_server.h"
#include "serve/http/http_server.h"
#include "serve/protocol/api_key.h"
#include "serve/protocol/call.h"
#include "serve/router.h"
#include "serve/trace/trace_exporter.h"

namespace tamis::serve {

/// Thread-safe, except construction and destruction.
class Server {
 public:
  /// Listens, and answers from then on: not ready until load() has ended. Throws Error as
  /// HttpServer.
  explicit Server(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Loads the models. Throws Error as loading does; those that could be loaded serve on.
  void load();
  /// Readiness off, no new connections; what was accepted is answered. False: the time was not
  /// enough, and the destructor waits for what is still under way.
  [[nodiscard]] bool drain();

  [[nodiscard]] uint16_t http_port() const { return http_->port(); }
  /// 0: there is no gRPC.
  [[nodiscard]] uint16_t grpc_port() const { return grpc_ ? grpc_->port() : uint16_t{0}; }
  [[nodiscard]] Core& core() { return *core_; }
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  [[nodiscard]] HttpServer& http() { return *http_; }

 private:
  [[nodiscard]] ServerCounts counts() const;
  void handle(const HttpExchangePtr& exchange) noexcept;
  void route(const HttpExchangePtr& exchange);
  void dispatch(const CallPtr& call, Endpoint endpoint, HttpRequest& request);

  ServerOptions options_;
  ApiKeys keys_;
  Metrics metrics_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<ModelRepository> models_;
  std::unique_ptr<TraceExporter> traces_;  ///< null: none are sent
  std::unique_ptr<Core> core_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
  std::optional<CallHost> host_;
};

}  // namespace tamis::serve
