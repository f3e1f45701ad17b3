// POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}.
#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/tei.h"
#include "serve/protocol/vector_answer.h"

namespace tamis::serve {

namespace {

using math::VectorType;

// Voyage's `output_dtype`, Jina's `embedding_type`, and OpenAI's `encoding_format`.
VectorForm read_form(const Fields& fields) {
  VectorForm form;
  const std::string_view jina = fields.word("embedding_type").value_or("float");
  form.base64 = fields.word("encoding_format").value_or(jina) == "base64";
  const std::string_view type = fields.word("output_dtype").value_or(jina);
  if (fields.has("embedding_type") && jina != "base64" && type != jina) {
    fail(ErrorCode::kInvalidArgument, "`embedding_type` says ", jina, " and `output_dtype` ", type);
  }
  form.type = math::vector_type_from_name(type).value_or(VectorType::kFloat);
  return form;
}

// Each client has its own words: NVIDIA's name the end from which texts are cut.
Truncation read_openai_truncation(const Fields& fields, const Call& call) {
  Truncation truncation;
  truncation.enabled = call.options().auto_truncate;
  for (const std::string_view key : {"truncation", "truncate"}) {
    if (const auto on = fields.flag(key)) truncation.enabled = *on;
  }
  read_truncated_end(fields, truncation);
  read_prompt_tokens(fields, truncation);
  return truncation;
}

tasks::EmbedOptions read_options(const Fields& fields, const Call& call, const ModelLease& model) {
  tasks::EmbedOptions options;
  options.normalize = fields.flag("normalized").value_or(true);
  options.dimensions = fields.integer("dimensions");
  if (!options.dimensions) options.dimensions = fields.integer("output_dimension");
  // `task` is one of the model's own.
  options.prompt_name = fields.string("task");
  if (!options.prompt_name) options.prompt_name = prompt_of_type(fields, model);
  options.truncation = read_openai_truncation(fields, call);
  return options;
}

std::string print(const Reply& reply, VectorForm form, const math::VectorRange& range) {
  JsonWriter json;
  json.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < reply.results.size(); ++i) {
    json.begin_object().member("object", "embedding").member("index", static_cast<int64_t>(i));
    json.key("embedding");
    write_vector(std::get<tasks::EmbedResult>(reply.results[i]).embedding, form, range, json);
    json.end_object();
  }
  json.end_array().member("model", reply.model).key("usage").begin_object();
  json.member("prompt_tokens", reply.tokens).member("total_tokens", reply.tokens);
  json.end_object().end_object();
  return json.take();
}

// Under its own name, or an alias; what `more` writes stands at its end.
template <typename More>
void write_model(std::string_view name, const ModelVersion& model, JsonWriter& json,
                 const More& more) {
  json.begin_object().member("id", name).member("object", "model");
  json.member("created", model.loaded_at_s()).member("owned_by", "tamis");
  if (name != model.name()) json.member("root", model.name());
  // What else the page and curious users look at; OpenAI's own clients ignore it.
  json.member("version", model.version());
  json.member("task", tasks::task_name(model.info().task));
  json.member("precision", model.info().precision);
  json.member("max_model_len", model.info().max_length);
  if (model.info().reads_labels) json.member("reads_labels", true);
  if (const auto& int8 = model.info().int8_agreement) {
    json.key("int8_against_float").begin_object().member("texts", int8->texts);
    if (int8->cosine) json.member("cosine", *int8->cosine);
    if (int8->flip_share) json.member("flips", *int8->flip_share);
    json.member("good", int8->good()).end_object();
  }
  more();
  json.end_object();
}

void write_model(std::string_view name, const ModelVersion& model, JsonWriter& json) {
  write_model(name, model, json, [] {});
}

}  // namespace

void endpoint_openai_embeddings(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("EmbeddingsRequest", body);
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(fields.json("input"), "input", request);
  const VectorForm form = read_form(fields);
  request.options = read_options(fields, *call, model);
  submit_vectors(call, model, std::move(request), needs_range(form.type),
                 [form](Call& self, Reply& reply, const math::VectorRange& range) {
                   return tei_response(self, reply, print(reply, form, range));
                 });
}

void endpoint_openai_models(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().member("object", "list").key("data").begin_array();
  ModelRepository& models = call->core().models();
  for (const ModelLease& model : models.loaded()) {
    write_model(model->name(), *model, json);
    for (const std::string& alias : models.aliases_of(model->name())) {
      write_model(alias, *model, json);
    }
  }
  json.end_array().end_object();
  call->respond_json(json);
}

void endpoint_openai_model(const CallPtr& call) {
  const ModelLease model = call->route(std::nullopt, {});
  const std::string_view asked = call->path_model;
  JsonWriter json;
  const std::string_view name = asked.empty() ? std::string_view(model->name()) : asked;
  // Here KServe's first protocol asks whether a model is ready.
  write_model(name, *model, json, [&] { json.member("name", name).member("ready", true); });
  call->respond_json(json);
}

}  // namespace tamis::serve
