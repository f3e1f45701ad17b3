// The gRPC port of a build without gRPC (TAMIS_GRPC): there is none.
#include "base/error.h"
#include "serve/grpc/grpc_server.h"

namespace tamis::serve {

struct GrpcServer::Impl {};

GrpcServer::GrpcServer(Core& /*core*/, const ServerOptions& options, ApiKeys& /*keys*/) {
  fail(ErrorCode::kUnsupported, "--grpc-port ", options.grpc_port,
       ": this program was built without gRPC; accepted is -1");
}

GrpcServer::~GrpcServer() = default;

bool GrpcServer::is_built() { return false; }

uint16_t GrpcServer::port() const { return 0; }

bool GrpcServer::drain(int64_t /*timeout_ms*/) { return true; }

}  // namespace tamis::serve
