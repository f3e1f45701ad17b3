// GET /v2/models/stats and /v2/models/{model}[/versions/{version}]/stats.
#include "serve/dialects/kserve/kserve_model.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

namespace {

void write_stat(std::string_view key, const StatDuration& stat, JsonWriter& json) {
  json.key(key).begin_object().member("count", stat.count).member("ns", stat.ns).end_object();
}

void write_batches(const ModelStatsView& stats, JsonWriter& json) {
  json.key("batch_stats").begin_array();
  for (const auto& [rows, batch] : stats.batches) {
    json.begin_object().member("batch_size", rows);
    // Rows are packed and scattered inside the run.
    const StatDuration inside{batch.compute_infer.count, 0};
    write_stat("compute_input", inside, json);
    write_stat("compute_infer", batch.compute_infer, json);
    write_stat("compute_output", inside, json);
    json.end_object();
  }
  json.end_array();
}

// Clients index all eight statistics without asking whether they are there.
void write_target(const KserveTarget& target, JsonWriter& json) {
  const ModelStatsView stats = target.model->stats().view();
  json.begin_object().member("name", target.name).member("version", target.model->version());
  json.member("last_inference", stats.last_inference_ms);
  json.member("inference_count", stats.inference_count);
  json.member("execution_count", stats.execution_count);
  json.key("inference_stats").begin_object();
  write_stat("success", stats.success, json);
  write_stat("fail", stats.fail, json);
  write_stat("queue", stats.queue, json);
  write_stat("compute_input", stats.compute_input, json);
  write_stat("compute_infer", stats.compute_infer, json);
  write_stat("compute_output", stats.compute_output, json);
  write_stat("cache_hit", {}, json);
  write_stat("cache_miss", {}, json);
  json.end_object();
  json.key("response_stats").begin_object().end_object();
  write_batches(stats, json);
  json.key("memory_usage").begin_array().begin_object();
  json.member("type", "CPU").member("id", 0);
  json.member("byte_size", target.model->info().weight_bytes).end_object().end_array();
  json.end_object();
}

}  // namespace

void endpoint_kserve_stats(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().key("model_stats").begin_array();
  for (const KserveTarget& target :
       kserve_targets(call->core().models(), call->path_model, call->path_version)) {
    write_target(target, json);
  }
  json.end_array().end_object();
  call->respond_json(json);
}

}  // namespace tamis::serve
