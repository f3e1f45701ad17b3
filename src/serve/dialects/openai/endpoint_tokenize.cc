// Tokens as Cohere and vLLM list them: POST /v1/tokenize and /v1/detokenize, POST /tokenize with a
// `prompt` (with `inputs` it is TEI's) and /detokenize.
#include "serve/dialects/huggingface/endpoints.h"
#include "serve/protocol/call.h"
#include "serve/protocol/json_fields.h"
#include "serve/protocol/tokenizer_calls.h"

namespace tamis::serve {

namespace {

void write_tokens(std::string_view key, const ModelLease& model, std::span<const int32_t> ids,
                  JsonWriter& json) {
  json.key(key).begin_array();
  for (const int32_t id : ids) {
    json.value(model->model().task_model()->tokenizer->id_to_token(id));
  }
  json.end_array();
}

void write_cohere_meta(JsonWriter& json) {
  json.key("meta").begin_object().key("api_version").begin_object();
  json.member("version", "1").end_object().end_object();
}

std::string decoded(const CallPtr& call, const ModelLease& model, std::span<const int32_t> ids) {
  call->budget()->take("token ids", static_cast<int64_t>(ids.size()), kListedTokenBytes);
  return model->model().task_model()->tokenizer->decode(ids, false);
}

struct Ids {
  ModelLease model;
  std::vector<int32_t> ids;
};

Ids read_ids(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("DetokenizeRequest", body);
  return {model_with_tokenizer(call, fields), ids_of(fields.json("tokens"), "tokens")};
}

void answer_prompt(const CallPtr& call) {
  const Fields fields("VllmTokenizeRequest", call->json());
  const ModelLease model = model_with_tokenizer(call, fields);
  const bool special = fields.flag("add_special_tokens").value_or(true);
  const bool strings = fields.flag("return_token_strs").value_or(false);
  answer_on_worker(call, [call, model, special, strings,
                          text = fields.string("prompt").value()](JsonWriter& json) {
    const tokenizer::Encoding encoding = tokens_of(model, text, special, *call->budget());
    json.begin_object().member("count", encoding.size());
    json.member("max_model_len", model->info().max_length).key("tokens").array(encoding.ids);
    if (strings) {
      write_tokens("token_strs", model, encoding.ids, json);
    } else {
      json.key("token_strs").null();
    }
    json.end_object();
  });
}

}  // namespace

void endpoint_tokenize(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  if (body.get("inputs").exists() || !body.get("prompt").exists()) {
    answer_tokens(call);
    return;
  }
  call->set_dialect(Dialect::kOpenAi);
  answer_prompt(call);
}

void endpoint_vllm_detokenize(const CallPtr& call) {
  Ids ids = read_ids(call);
  answer_on_worker(call, [call, ids = std::move(ids)](JsonWriter& json) {
    json.begin_object().member("prompt", decoded(call, ids.model, ids.ids)).end_object();
  });
}

void endpoint_cohere_tokenize(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("CohereTokenizeRequest", body);
  const ModelLease model = model_with_tokenizer(call, fields);
  answer_on_worker(call, [call, model, text = fields.string("text").value()](JsonWriter& json) {
    // Cohere's models have no special tokens around a text.
    const tokenizer::Encoding encoding = tokens_of(model, text, false, *call->budget());
    json.begin_object().key("tokens").array(encoding.ids);
    write_tokens("token_strings", model, encoding.ids, json);
    write_cohere_meta(json);
    json.end_object();
  });
}

void endpoint_cohere_detokenize(const CallPtr& call) {
  Ids ids = read_ids(call);
  answer_on_worker(call, [call, ids = std::move(ids)](JsonWriter& json) {
    json.begin_object().member("text", decoded(call, ids.model, ids.ids));
    write_cohere_meta(json);
    json.end_object();
  });
}

}  // namespace tamis::serve
