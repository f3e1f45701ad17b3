// What Infinity's clients ask under /infinity beside its embeddings (OpenAI's) and rerank: health,
// models, classify.
#include <algorithm>

#include "serve/core/model_route.h"
#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/tasks_json.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

std::string_view capability_of(tasks::TaskKind task) {
  switch (task) {
    case tasks::TaskKind::kEmbed:
      return "embed";
    case tasks::TaskKind::kRerank:
      return "rerank";
    case tasks::TaskKind::kClassify:
      return "classify";
    case tasks::TaskKind::kNer:
    case tasks::TaskKind::kQa:
    case tasks::TaskKind::kFillMask:
    case tasks::TaskKind::kZeroShot:
    case tasks::TaskKind::kEmbedSparse:
    case tasks::TaskKind::kEmbedMulti:
    case tasks::TaskKind::kEmbedAll:
      break;
  }
  return "";
}

void write_model(ModelVersion& model, JsonWriter& json) {
  const Batcher& batcher = model.batcher();
  const int64_t waiting = batcher.queued_jobs();
  const auto most = static_cast<double>(std::max<int64_t>(batcher.budget().tokens, 1));
  json.begin_object().member("id", model.name()).member("object", "model");
  json.key("stats").begin_object();
  json.member("queue_fraction", static_cast<double>(batcher.queued_tokens()) / most);
  json.member("queue_absolute", waiting).member("results_pending", waiting);
  json.member("batch_size", batcher.budget().rows).end_object();
  // The only owner that its clients know.
  json.member("owned_by", "infinity").member("created", model.loaded_at_s());
  json.member("backend", "tamis").key("capabilities").begin_array();
  const std::string_view capability = capability_of(model.info().task);
  if (!capability.empty()) json.value(capability);
  json.end_array().end_object();
}

}  // namespace

void endpoint_infinity_health(const CallPtr& call) {
  const std::string why = call->core().why_not_ready();
  if (!why.empty()) fail(ErrorCode::kUnavailable, why);
  JsonWriter json;
  json.begin_object().member("unix", unix_seconds()).end_object();
  call->respond_json(json);
}

void endpoint_infinity_models(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().key("data").begin_array();
  for (const ModelLease& model : call->core().models().loaded()) write_model(*model, json);
  json.end_array().member("object", "list").end_object();
  call->respond_json(json);
}

void endpoint_infinity_classify(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("InfinityClassifyRequest", body);
  const ModelLease model = call->route_by_turns(fields.text("model"), kClassifyTasks);
  Request request = call->new_request(model);
  add_texts(fields, "input", request);
  tasks::ClassifyOptions options;
  options.function = score_or_number(fields.flag("raw_scores").value_or(false), model);
  options.truncation.enabled = call->options().auto_truncate;
  request.options = options;
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_object().member("object", "classify").key("data").begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      write_labels(std::get<tasks::ClassifyResult>(result).scores, json);
    }
    json.end_array().member("model", reply.model).key("usage").begin_object();
    json.member("prompt_tokens", reply.tokens).member("total_tokens", reply.tokens);
    json.end_object().member("id", self.id).member("created", unix_seconds()).end_object();
    return tei_response(self, reply, json.take());
  });
}

}  // namespace tamis::serve
