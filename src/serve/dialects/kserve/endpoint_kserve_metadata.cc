// KServe v2: health, server and model metadata, model configuration.
#include "base/version.h"
#include "serve/batching/batch_queue.h"
#include "serve/dialects/kserve/kserve_model.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

namespace {

// KServe's client reads the member, Triton's the status.
void respond_state(const CallPtr& call, std::string_view key, bool state) {
  JsonWriter json;
  json.begin_object().member(key, state).end_object();
  HttpResponse response;
  response.status = state ? 200 : 503;
  response.body = json.take();
  call->respond(std::move(response));
}

KserveTarget target_of(const CallPtr& call) {
  return kserve_target(call->core().models(), call->path_model, call->path_version);
}

void write_specs(std::string_view key, const std::vector<KserveTensorSpec>& specs,
                 JsonWriter& json) {
  json.key(key).begin_array();
  for (const KserveTensorSpec& spec : specs) {
    json.begin_object().member("name", spec.name);
    json.member("datatype", kserve_type_name(spec.type)).key("shape").begin_array();
    for (const int64_t size : spec.shape) json.value(size);
    json.end_array().end_object();
  }
  json.end_array();
}

// Triton's ModelConfig leaves the batch out of the shapes.
void write_config_specs(std::string_view key, const std::vector<KserveTensorSpec>& specs,
                        JsonWriter& json) {
  json.key(key).begin_array();
  for (const KserveTensorSpec& spec : specs) {
    const std::string_view type = kserve_type_name(spec.type);
    json.begin_object().member("name", spec.name);
    json.member("data_type", cat("TYPE_", spec.type == KserveType::kBytes ? "STRING" : type));
    json.key("dims").begin_array();
    for (const int64_t size : spec.shape) json.value(size);
    json.end_array();
    if (spec.optional) json.member("optional", true);
    json.end_object();
  }
  json.end_array();
}

// As the gRPC form of the same message.
void write_batching(JsonWriter& json) {
  json.key("dynamic_batching").begin_object();
  json.member("priority_levels", int64_t{kLastLevel});
  json.member("default_priority_level", int64_t{kDefaultLevel}).end_object();
}

}  // namespace

void endpoint_kserve_live(const CallPtr& call) { respond_state(call, "live", true); }

void endpoint_kserve_ready(const CallPtr& call) {
  respond_state(call, "ready", call->core().why_not_ready().empty());
}

void endpoint_kserve_model_ready(const CallPtr& call) {
  const KserveTarget target = target_of(call);
  JsonWriter json;
  json.begin_object().member("name", target.name).member("ready", true).end_object();
  call->respond_json(json);
}

void endpoint_kserve_server(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().member("name", "tamis").member("version", version());
  json.key("extensions").begin_array();
  for (const std::string& name : kserve_extensions()) json.value(name);
  json.end_array().end_object();
  call->respond_json(json);
}

void endpoint_kserve_model(const CallPtr& call) {
  const KserveMetadata metadata = kserve_metadata(call->core().models(), target_of(call));
  JsonWriter json;
  json.begin_object().member("name", metadata.name).key("versions").begin_array();
  for (const std::string& version : metadata.versions) json.value(version);
  json.end_array().member("platform", metadata.platform);
  write_specs("inputs", metadata.inputs, json);
  write_specs("outputs", metadata.outputs, json);
  json.end_object();
  call->respond_json(json);
}

void endpoint_kserve_config(const CallPtr& call) {
  const KserveMetadata metadata = kserve_metadata(call->core().models(), target_of(call));
  JsonWriter json;
  json.begin_object().member("name", metadata.name).member("platform", metadata.platform);
  json.member("backend", "tamis").member("max_batch_size", 0);
  json.key("version_policy").begin_object().key("latest").begin_object();
  json.member("num_versions", call->options().versions).end_object().end_object();
  write_config_specs("input", metadata.inputs, json);
  write_config_specs("output", metadata.outputs, json);
  write_batching(json);
  json.key("model_transaction_policy").begin_object().member("decoupled", false).end_object();
  json.end_object();
  call->respond_json(json);
}

}  // namespace tamis::serve
