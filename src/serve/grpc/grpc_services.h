// The services of the gRPC port, each over the host's core.
//
// Is: what a service's methods are registered with, so that no message is read before its method
// asks for it, and the list of services. Is not: a service. May use: grpc_call, grpc_received.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/grpc/grpc_call.h"
#include "serve/grpc/grpc_received.h"

namespace tamis::serve {

/// A service whose methods are told of messages as they came. Paths are literals.
class GrpcService : public grpc::Service {
 protected:
  explicit GrpcService(const GrpcHost& host) : host_(host) {}

  [[nodiscard]] const GrpcHost& host() const { return host_; }

  /// `method(context, in, out)` with a Received<In>& and an Out&, which live until the call ends,
  /// returns a grpc::ServerUnaryReactor*.
  template <typename In, typename Out, typename Method>
  void add_unary(const char* path, Method method) {
    using Handler = grpc::internal::CallbackUnaryHandler<Received<In>, Out>;
    add(path, grpc::internal::RpcMethod::NORMAL_RPC,
        new Handler([method = std::move(method)](grpc::CallbackServerContext* context,
                                                 const Received<In>* in, Out* out) {
          // gRPC made it for this call alone.
          return method(*context, const_cast<Received<In>&>(*in), *out);
        }));
  }
  /// `method(context)` returns a grpc::ServerBidiReactor<Received<In>, Out>*.
  template <typename In, typename Out, typename Method>
  void add_stream(const char* path, Method method) {
    using Handler = grpc::internal::CallbackBidiHandler<Received<In>, Out>;
    add(path, grpc::internal::RpcMethod::BIDI_STREAMING,
        new Handler([method = std::move(method)](grpc::CallbackServerContext* context) {
          return method(*context);
        }));
  }
  /// `method(context, out)` returns a grpc::ServerReadReactor<Received<In>>*.
  template <typename In, typename Out, typename Method>
  void add_reader(const char* path, Method method) {
    using Handler = grpc::internal::CallbackClientStreamingHandler<Received<In>, Out>;
    add(path, grpc::internal::RpcMethod::CLIENT_STREAMING,
        new Handler([method = std::move(method)](grpc::CallbackServerContext* context, Out* out) {
          return method(*context, *out);
        }));
  }
  /// `method(in)` with a Received<In>& returns a grpc::ServerWriteReactor<Out>*.
  template <typename In, typename Out, typename Method>
  void add_writer(const char* path, Method method) {
    using Handler = grpc::internal::CallbackServerStreamingHandler<Received<In>, Out>;
    add(path, grpc::internal::RpcMethod::SERVER_STREAMING,
        new Handler(
            [method = std::move(method)](grpc::CallbackServerContext*, const Received<In>* in) {
              return method(const_cast<Received<In>&>(*in));
            }));
  }

 private:
  // What generated services do, too.
  void add(const char* path, grpc::internal::RpcMethod::RpcType type,
           grpc::internal::MethodHandler* handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(path, type, nullptr));
    MarkMethodCallback(methods_++, handler);
  }

  GrpcHost host_;
  int methods_ = 0;
};

using GrpcServices = std::vector<std::unique_ptr<grpc::Service>>;

/// grpc.health.v1.Health.
void add_health_service(const GrpcHost& host, GrpcServices& services);
/// grpc.reflection, v1 and v1alpha.
void add_reflection_services(const GrpcHost& host, GrpcServices& services);
/// True for a service of this port, by its full name.
[[nodiscard]] bool is_service(const std::string& name);
/// tei.v1: Info, Embed, Predict, Rerank, Tokenize.
void add_tei_services(const GrpcHost& host, GrpcServices& services);
/// inference.GRPCInferenceService.
void add_kserve_service(const GrpcHost& host, GrpcServices& services);

}  // namespace tamis::serve
