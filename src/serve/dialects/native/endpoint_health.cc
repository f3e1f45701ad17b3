// Is the server there, and does it answer?
#include "serve/protocol/call.h"

namespace tamis::serve {

// 200 with no body once every model has answered its self-test; 503 before, while draining, and
// when a batch has stalled.
void endpoint_health(const CallPtr& call) {
  const std::string why = call->core().why_not_ready();
  if (!why.empty()) fail(ErrorCode::kUnavailable, why);
  HttpResponse response;
  response.content_type.clear();
  call->respond(std::move(response));
}

}  // namespace tamis::serve
