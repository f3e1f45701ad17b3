// What the files of tei.v1's services share. Which model: metadata "model", else the only loaded
// one that can do it.
//
// Is: routing. Is not: a method. May use: grpc_stream, model_route.
#pragma once

#include <initializer_list>

#include "serve/core/model_route.h"
#include "serve/grpc/grpc_services.h"
#include "serve/grpc/grpc_stream.h"
#include "tei.grpc.pb.h"

namespace tamis::serve {

namespace pb = ::tei::v1;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;
using tasks::TaskKind;

inline constexpr GrpcDialect kTeiDialect = GrpcDialect::kTei;

inline ModelLease tei_model(const GrpcCaller& caller, std::initializer_list<TaskKind> tasks) {
  return route_model(caller.core().models(), caller.metadata("model"), "", tasks);
}

template <typename Method>
using StreamOf = GrpcStream<typename Method::In, typename Method::Out>;

/// tei.v1.Tokenize and tei.v1.Info.
void add_tei_tokenize_services(const GrpcHost& host, GrpcServices& services);

}  // namespace tamis::serve
