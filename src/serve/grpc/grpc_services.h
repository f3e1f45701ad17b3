// The services of the gRPC port, each over the host's core.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <vector>

#include "serve/grpc/grpc_call.h"

namespace tamis::serve {

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
