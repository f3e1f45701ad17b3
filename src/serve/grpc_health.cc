// Health checks as Kubernetes' gRPC probes send them. Answered without an API key.
#include "health.grpc.pb.h"
#include "serve/grpc_services.h"

namespace tamis::serve {

namespace {

namespace health = grpc::health::v1;

class HealthService final : public health::Health::CallbackService {
 public:
  explicit HealthService(const GrpcHost& host) : host_(host) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const health::HealthCheckRequest* request,
                                  health::HealthCheckResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    // A service is a model's name, or one of the services here; all are ready together.
    const std::string& service = request->service();
    const bool model = !service.empty() && service.find('.') == service.npos;
    if (model && host_.core.models().find(service) == nullptr) {
      reactor->Finish({grpc::StatusCode::NOT_FOUND, cat("unknown service \"", service, "\"")});
      return reactor;
    }
    response->set_status(host_.core.why_not_ready().empty()
                             ? health::HealthCheckResponse::SERVING
                             : health::HealthCheckResponse::NOT_SERVING);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  GrpcHost host_;
};

}  // namespace

void add_health_service(const GrpcHost& host, GrpcServices& services) {
  services.push_back(std::make_unique<HealthService>(host));
}

}  // namespace tamis::serve
