// POST /embed: [[float]], a vector a text.
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

void endpoint_tei_embed(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(body.get("inputs"), "inputs", *call, request);
  tasks::EmbedOptions options;
  options.normalize = bool_field(body, "normalize").value_or(true);
  options.dimensions = int_field(body, "dimensions", 1);
  if (const auto name = string_field(body, "prompt_name")) options.prompt_name = std::string(*name);
  options.truncation = read_truncation(body, *call);
  request.options = options;
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      json.array(std::get<tasks::EmbedResult>(result).embedding);
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

}  // namespace tamis::serve
