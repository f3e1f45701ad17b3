// GET /openapi.json, and where text-embeddings-inference has it.
#include "serve/openapi.h"
#include "serve/router.h"

namespace tamis::serve {

void endpoint_openapi(const CallPtr& call) {
  static const std::string document = openapi_json();
  HttpResponse response;
  response.body = document;
  call->respond(std::move(response));
}

}  // namespace tamis::serve
