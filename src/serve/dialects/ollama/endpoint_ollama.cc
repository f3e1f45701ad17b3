// Ollama's embeddings and what its clients ask first: POST /api/embed and /api/embeddings, GET
// /api/tags and /api/version. "NAME:latest" is NAME.
#include <ctime>

#include "base/version.h"
#include "serve/protocol/call.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

constexpr int64_t kNanoseconds = 1000;  // of a microsecond

std::optional<std::string_view> model_of(const Fields& fields) {
  auto name = fields.text("model");
  constexpr std::string_view kLatest = ":latest";
  if (name && name->ends_with(kLatest)) name->remove_suffix(kLatest.size());
  return name;
}

Request embed_request(const CallPtr& call, const Fields& fields) {
  return call->new_request(call->route(model_of(fields), {tasks::TaskKind::kEmbed}));
}

void write_times(const Call& call, const Reply& reply, JsonWriter& json) {
  const int64_t total = Clock::steady().now_ns() - call.request().arrived_ns;
  json.member("total_duration", total).member("load_duration", int64_t{0});
  json.member("prompt_eval_count", reply.tokens);
  json.member("prompt_eval_duration", reply.timings.run_us * kNanoseconds);
}

// RFC 3339.
std::string date_of(int64_t unix_seconds) {
  const time_t time = unix_seconds;
  std::tm parts = {};
  gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void write_tag(const ModelVersion& model, JsonWriter& json) {
  const ServableInfo& info = model.info();
  const std::string name = cat(model.name(), ":latest");
  json.begin_object().member("name", name).member("model", name);
  json.member("modified_at", date_of(model.loaded_at_s())).member("size", info.weight_bytes);
  json.member("digest", "").key("details").begin_object().member("parent_model", "");
  json.member("format", "tamis").member("family", info.family);
  json.key("families").begin_array().value(info.family).end_array();
  json.member("parameter_size", "").member("quantization_level", info.precision);
  json.end_object().end_object();
}

}  // namespace

void endpoint_ollama_embed(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("OllamaEmbedRequest", body);
  Request request = embed_request(call, fields);
  add_texts(fields, "input", request);
  tasks::EmbedOptions options;
  options.normalize = true;
  options.dimensions = fields.integer("dimensions");
  options.truncation.enabled = fields.flag("truncate").value_or(call->options().auto_truncate);
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_object().member("model", reply.model).key("embeddings").begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      json.array(std::get<tasks::EmbedResult>(result).embedding);
    }
    json.end_array();
    write_times(self, reply, json);
    json.end_object();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_ollama_embeddings(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("OllamaEmbeddingsRequest", body);
  Request request = embed_request(call, fields);
  request.inputs.push_back({fields.string("prompt").value()});
  tasks::EmbedOptions options;
  options.truncation.enabled = call->options().auto_truncate;
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_object().key("embedding");
    json.array(std::get<tasks::EmbedResult>(reply.results.front()).embedding).end_object();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_ollama_tags(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().key("models").begin_array();
  for (const ModelLease& model : call->core().models().loaded()) write_tag(*model, json);
  json.end_array().end_object();
  call->respond_json(json);
}

void endpoint_ollama_version(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().member("version", version()).end_object();
  call->respond_json(json);
}

}  // namespace tamis::serve
