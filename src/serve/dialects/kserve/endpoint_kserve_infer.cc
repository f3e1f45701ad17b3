// POST /v2/models/{model}[/versions/{version}]/infer: JSON, or JSON with tensors' bytes behind it.
#include "serve/dialects/kserve/kserve_infer.h"
#include "serve/dialects/kserve/kserve_json.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

namespace {

KserveCaller caller_of(const CallPtr& call) {
  KserveCaller caller;
  caller.client = call->request().connection;
  caller.cancelled = call->cancelled();
  caller.reply_on = &call->reply_on();
  caller.log_id = call->id;
  caller.traceparent = call->request().header("traceparent");
  caller.note = [call](const Reply& reply) { call->note(reply); };
  caller.auto_truncate = call->options().auto_truncate;
  return caller;
}

}  // namespace

void endpoint_kserve_infer(const CallPtr& call) {
  std::optional<std::string_view> header_length;
  if (call->request().has_header("Inference-Header-Content-Length")) {
    header_length = call->request().header("Inference-Header-Content-Length");
  }
  const auto body =
      std::make_shared<KserveBody>(parse_kserve_body(call->request().body, header_length));
  body->request.model = call->path_model;
  body->request.version = call->path_version;
  // What the answer needs of the request: how its outputs are to be written.
  const auto form = std::make_shared<KserveBody>();
  form->request.outputs = body->request.outputs;
  form->binary_by_default = body->binary_by_default;
  kserve_infer(call->core(), std::move(body->request), caller_of(call),
               [call, form](KserveResponse&& answer, const std::optional<Error>& error,
                            int64_t retry_after_ms) {
                 if (error) return call->respond_error(*error, retry_after_ms);
                 KserveText text = print_kserve_response(answer, *form);
                 HttpResponse response;
                 response.body = std::move(text.body);
                 if (text.header_length) {
                   response.content_type = "application/octet-stream";
                   response.headers.emplace_back("Inference-Header-Content-Length",
                                                 cat(*text.header_length));
                 }
                 call->respond(std::move(response));
               });
}

}  // namespace tamis::serve
