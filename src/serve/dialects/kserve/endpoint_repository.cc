// POST /v2/repository/index, /v2/repository/models/{model}/load and /unload.
#include "serve/batching/current_error.h"
#include "serve/protocol/admin_guard.h"
#include "serve/protocol/call.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

namespace {

// Whoever may reach the port must not be able to change what it serves. True: it was refused.
bool refuse(Call& call) {
  const HttpRequest& request = call.request();
  const AdminCaller caller{request.loopback, std::string(request.header("Host")), request.headers,
                           call.key};
  const std::string refusal = admin_refusal(caller, call.options());
  if (refusal.empty()) return false;
  HttpResponse response =
      error_response(call.dialect(), Error(ErrorCode::kInvalidArgument, refusal));
  response.status = 403;
  call.respond(std::move(response));
  return true;
}

JsonView body_of(const CallPtr& call) {
  const bool empty = call->request().body.find_first_not_of(" \r\n\t") == std::string::npos;
  return empty ? JsonView() : call->json();
}

void check_parameters(const CallPtr& call) {
  const JsonView parameters = Fields("RepositoryRequest", body_of(call)).json("parameters");
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string_view key = parameters.member(i).key;
    if (key == "unload_dependents") continue;
    fail(ErrorCode::kUnsupported, "parameter \"", key,
         "\" is not taken: a model is loaded as it lies in the repository");
  }
}

void on_loader(const CallPtr& call, std::function<void()> work) {
  call->core().loader().post([call, work = std::move(work)] {
    try {
      work();
      HttpResponse response;
      response.content_type.clear();
      call->respond(std::move(response));
    } catch (...) {
      call->respond_error(current_error());
    }
  });
}

}  // namespace

void endpoint_repository_index(const CallPtr& call) {
  const Fields fields("IndexRequest", body_of(call));
  const bool ready_only = fields.flag("ready").value_or(false);
  JsonWriter json;
  json.begin_array();
  for (const IndexEntry& entry : call->core().models().index()) {
    if (ready_only && entry.state != ModelState::kReady) continue;
    json.begin_object().member("name", entry.name);
    if (!entry.version.empty()) json.member("version", entry.version);
    json.member("state", model_state_name(entry.state)).member("reason", entry.reason);
    json.end_object();
  }
  json.end_array();
  call->respond_json(json);
}

void endpoint_repository_load(const CallPtr& call) {
  if (refuse(*call)) return;
  check_parameters(call);
  on_loader(call, [call] { call->core().models().load(call->path_model); });
}

void endpoint_repository_unload(const CallPtr& call) {
  if (refuse(*call)) return;
  check_parameters(call);
  on_loader(call, [call] { call->core().models().unload(call->path_model); });
}

}  // namespace tamis::serve
