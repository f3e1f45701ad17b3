// POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}.
#include <algorithm>

#include "base/base64.h"
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

namespace {

// True for base64, which the official clients ask for.
bool wants_base64(const Fields& fields) {
  const auto format = fields.word("encoding_format");
  return (format ? *format : fields.word("embedding_type").value_or("float")) == "base64";
}

// Each client has its own words: NVIDIA's name the end from which texts are cut.
Truncation read_openai_truncation(const Fields& fields, const Call& call) {
  Truncation truncation;
  truncation.enabled = call.options().auto_truncate;
  for (const std::string_view key : {"truncation", "truncate"}) {
    if (const auto on = fields.flag(key)) truncation.enabled = *on;
  }
  if (const auto word = fields.word("truncate")) {
    truncation.enabled = *word != "none";
    if (*word == "start") truncation.side = Side::kLeft;
    if (*word == "end") truncation.side = Side::kRight;
  }
  if (const auto most = fields.integer("truncate_prompt_tokens")) {
    if (*most == 0) {
      fail(ErrorCode::kInvalidArgument,
           "`truncate_prompt_tokens` must be -1 (the model's length) or at least 1");
    }
    truncation.enabled = true;
    truncation.max_length = std::max<int64_t>(*most, 0);
  }
  return truncation;
}

// `input_type` chooses a prompt if the model has it, as models without prompts need none; `task`
// is one of the model's own.
std::optional<std::string> read_prompt(const Fields& fields, const ModelLease& model) {
  if (auto task = fields.string("task")) return task;
  auto type = fields.string("input_type");
  const tasks::TaskModel* const known = model->model().task_model();
  if (!type || known == nullptr || !known->prompts.contains(*type)) return std::nullopt;
  return type;
}

tasks::EmbedOptions read_options(const Fields& fields, const Call& call, const ModelLease& model) {
  tasks::EmbedOptions options;
  options.normalize = fields.flag("normalized").value_or(true);
  options.dimensions = fields.integer("dimensions");
  if (!options.dimensions) options.dimensions = fields.integer("output_dimension");
  options.prompt_name = read_prompt(fields, model);
  options.truncation = read_openai_truncation(fields, call);
  return options;
}

void write_embedding(const std::vector<float>& row, bool base64, JsonWriter& json) {
  json.key("embedding");
  if (base64) {
    json.value(
        encode_base64({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)}));
  } else {
    json.array(row);
  }
}

std::string print(const Reply& reply, bool base64) {
  JsonWriter json;
  json.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < reply.results.size(); ++i) {
    json.begin_object().member("object", "embedding").member("index", static_cast<int64_t>(i));
    write_embedding(std::get<tasks::EmbedResult>(reply.results[i]).embedding, base64, json);
    json.end_object();
  }
  json.end_array().member("model", reply.model).key("usage").begin_object();
  json.member("prompt_tokens", reply.tokens).member("total_tokens", reply.tokens);
  json.end_object().end_object();
  return json.take();
}

void write_model(const ModelVersion& model, JsonWriter& json) {
  json.begin_object().member("id", model.name()).member("object", "model");
  json.member("created", model.loaded_at_s()).member("owned_by", "tamis");
  // What else the page and curious users look at; OpenAI's own clients ignore it.
  json.member("version", model.version());
  json.member("task", tasks::task_name(model.info().task));
  json.member("precision", model.info().precision);
  json.member("max_model_len", model.info().max_length);
  if (const auto& int8 = model.info().int8_agreement) {
    json.key("int8_against_float").begin_object().member("texts", int8->texts);
    if (int8->cosine) json.member("cosine", *int8->cosine);
    if (int8->flip_share) json.member("flips", *int8->flip_share);
    json.member("good", int8->good()).end_object();
  }
  json.end_object();
}

}  // namespace

void endpoint_openai_embeddings(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("EmbeddingsRequest", body);
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(fields.json("input"), "input", request);
  const bool base64 = wants_base64(fields);
  request.options = read_options(fields, *call, model);
  call->submit(std::move(request), [base64](Call& self, Reply& reply) {
    return tei_response(self, reply, print(reply, base64));
  });
}

void endpoint_openai_models(const CallPtr& call) {
  JsonWriter json;
  json.begin_object().member("object", "list").key("data").begin_array();
  for (const ModelLease& model : call->core().models().loaded()) write_model(*model, json);
  json.end_array().end_object();
  call->respond_json(json);
}

void endpoint_openai_model(const CallPtr& call) {
  const ModelLease model = call->route(std::nullopt, {});
  JsonWriter json;
  write_model(*model, json);
  call->respond_json(json);
}

}  // namespace tamis::serve
