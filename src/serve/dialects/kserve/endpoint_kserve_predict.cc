// POST /v1/models/{model}:predict: KServe's first protocol. An instance is what the pipeline of the
// model's task takes, a prediction what it answers.
#include "serve/protocol/call.h"
#include "serve/protocol/pipeline_options.h"
#include "serve/protocol/tasks_json.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

void endpoint_kserve_predict(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("InstancesRequest", body);
  if (!fields.json("instances").is_array()) {
    fail(ErrorCode::kInvalidArgument, "`instances` must be a list");
  }
  const ModelLease model = call->route(std::nullopt, {});
  const JsonView parameters = fields.json("parameters");
  const bool zero_shot = !parameters.get("candidate_labels").is_null();
  const tasks::TaskKind task = zero_shot ? tasks::TaskKind::kZeroShot : model->info().task;
  Request request = call->new_request(model);
  request.options = read_task_options(task, parameters, *call);
  read_items(fields.json("instances"), "instances", reader_of(task), request);
  if (zero_shot) add_labels(parameters, request);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_object().key("predictions").begin_array();
    for (const tasks::TaskResult& result : reply.results) write_pipeline(result, json);
    json.end_array().end_object();
    return tei_response(self, reply, json.take());
  });
}

}  // namespace tamis::serve
