#include "serve/grpc/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/grpc/grpc_services.h"
#include "serve/http/socket_listener.h"

namespace tamis::serve {

namespace {

void forward_log(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    log(LogLevel::kWarning, cat("gRPC: ", args->message));
  }
}

int to_int(int64_t value) {
  return static_cast<int>(std::min<int64_t>(value, std::numeric_limits<int>::max()));
}

std::shared_ptr<grpc::ServerCredentials> credentials(const ServerOptions& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back(
      {read_file(options.tls_key), read_file(options.tls_certificate)});
  return grpc::SslServerCredentials(ssl);
}

// What a client may take of this library, whose own limits are none or generous.
void limit(const ServerOptions& options, grpc::ServerBuilder& builder) {
  // Calls under way on one connection: more than a client of many threads has.
  constexpr int kMaxStreams = 1024;
  // Of all calls' buffers together; below this a handful of large messages would wait for each
  // other.
  constexpr int64_t kLeastQuota = int64_t{64} << 20;
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             to_int(options.header_timeout_ms));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, to_int(options.idle_timeout_ms));
  grpc::ResourceQuota quota("tamis");
  quota.Resize(static_cast<size_t>(std::max(kLeastQuota, options.max_held_bytes)));
  builder.SetResourceQuota(quota);
}

}  // namespace

struct GrpcServer::Impl {
  Impl(Core& core, const ServerOptions& options, ApiKeys& keys)
      : held(static_cast<size_t>(options.max_held_bytes)),
        host{core, options, keys, streams, held},
        listener(
            {{options.host, static_cast<uint16_t>(options.grpc_port), "", options.grpc_sockets},
             static_cast<size_t>(options.max_connections),
             options.header_timeout_ms}) {}

  GrpcStreams streams;
  ByteBudget held;
  GrpcHost host;
  SocketListener listener;
  GrpcServices services;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
  std::mutex mutex;
  std::condition_variable changed;
  std::thread ending;  // gRPC's own shutdown, which waits for every call
  bool ended = false;

  void take(int descriptor) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener.descriptor();
    connection.fd = descriptor;
    acceptor->HandleNewConnection(&connection);
  }

  // False: calls are still under way.
  bool end(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex);
    if (!ending.joinable()) {
      listener.stop();
      streams.end_all();
      ending = std::thread([this, until = std::chrono::system_clock::now() + patience] {
        server->Shutdown(until);
        const std::lock_guard own(mutex);
        ended = true;
        changed.notify_all();
      });
    }
    return changed.wait_for(lock, patience, [&] { return ended; });
  }
};

GrpcServer::GrpcServer(Core& core, const ServerOptions& options, ApiKeys& keys) {
  gpr_set_log_function(forward_log);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  google::protobuf::SetLogHandler(nullptr);  // of messages that are none, whose sender is told
  impl_ = std::make_unique<Impl>(core, options, keys);
  add_health_service(impl_->host, impl_->services);
  add_tei_services(impl_->host, impl_->services);
  add_kserve_service(impl_->host, impl_->services);
  add_reflection_services(impl_->host, impl_->services);

  grpc::ServerBuilder builder;
  impl_->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      credentials(options));
  for (const auto& service : impl_->services) builder.RegisterService(service.get());
  // gRPC's own limit of 4 MiB is less than a request of many texts.
  builder.SetMaxReceiveMessageSize(to_int(options.max_body_bytes));
  builder.SetMaxSendMessageSize(-1);
  // Triton's clients send keep-alive pings as often as their users like.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // A ping with each message, to guess how much is under way, costs a small request a tenth of its
  // time; so much may be under way instead.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  // See is_compressed().
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  limit(options, builder);
  // Nobody can ask for its counters and traces of calls.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  impl_->server = builder.BuildAndStart();
  if (impl_->server == nullptr) fail(ErrorCode::kInternal, "the gRPC server cannot start");
  impl_->listener.start([impl = impl_.get()](int descriptor) { impl->take(descriptor); });
}

GrpcServer::~GrpcServer() {
  (void)impl_->end(std::chrono::milliseconds(0));
  impl_->ending.join();
}

bool GrpcServer::is_built() { return true; }

uint16_t GrpcServer::port() const { return impl_->listener.port(); }

bool GrpcServer::drain(int64_t timeout_ms) {
  return impl_->end(std::chrono::milliseconds(timeout_ms));
}

}  // namespace tamis::serve
