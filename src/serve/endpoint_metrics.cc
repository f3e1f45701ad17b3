// GET /metrics, as Prometheus reads it.
#include "serve/router.h"
#include "serve/server.h"

namespace tamis::serve {

void endpoint_metrics(const CallPtr& call) {
  Server& server = call->server();
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = server.metrics().print(call->core(), server.http().counts());
  call->respond(std::move(response));
}

}  // namespace tamis::serve
