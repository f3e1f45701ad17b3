// GET /metrics, as Prometheus reads it.
#include "serve/core/metrics.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

void endpoint_metrics(const CallPtr& call) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = call->host().metrics.print(call->core(), call->host().counts());
  call->respond(std::move(response));
}

}  // namespace tamis::serve
