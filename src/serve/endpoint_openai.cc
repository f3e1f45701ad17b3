// POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}.
#include "base/base64.h"
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

namespace {

// True for base64, which the official clients ask for.
bool wants_base64(JsonView body) {
  const std::string_view format = string_field(body, "encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    fail(ErrorCode::kInvalidArgument, "`encoding_format` must be float or base64");
  }
  return format == "base64";
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
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(body.get("input"), "input", *call, request);
  const bool base64 = wants_base64(body);
  (void)string_field(body, "user");  // taken, if it is a string
  tasks::EmbedOptions options;
  options.normalize = true;
  options.dimensions = int_field(body, "dimensions", 1);
  options.truncation.enabled = call->options().auto_truncate;
  request.options = std::move(options);
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
