// POST /v1/embed and /v2/embed: Cohere's embeddings, in each of the types that it knows.
#include <algorithm>

#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/json_fields.h"
#include "serve/protocol/tei.h"
#include "serve/protocol/vector_answer.h"

namespace tamis::serve {

namespace {

// The text parts of an input's content.
std::string text_of(JsonView input) {
  const JsonView parts = input.get("content");
  if (!parts.is_array()) fail(ErrorCode::kInvalidArgument, "`inputs`: `content` must be a list");
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view type = required_string(parts.at(i), "type");
    if (type != "text") {
      fail(ErrorCode::kInvalidArgument, "`inputs`: a part of type \"", type,
           "\"; texts alone are embedded");
    }
    text += required_string(parts.at(i), "text");
  }
  return text;
}

std::vector<std::string> read_texts(const Fields& fields, const Budget& budget) {
  const JsonView inputs = fields.json("inputs");
  std::vector<std::string> texts = fields.texts("texts", budget);
  if (!inputs.is_null()) {
    if (fields.has("texts")) {
      fail(ErrorCode::kInvalidArgument, "`texts` and `inputs` are two ways to say the same");
    }
    if (!inputs.is_array()) fail(ErrorCode::kInvalidArgument, "`inputs` must be a list");
    budget.check_items("inputs", inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) texts.push_back(text_of(inputs.at(i)));
  }
  if (texts.empty()) fail(ErrorCode::kInvalidArgument, "`texts` is missing or empty");
  return texts;
}

struct Form {
  bool first_api = false;               ///< v1
  std::vector<std::string_view> types;  ///< empty: v1's list of floats
  std::vector<std::string> texts;       ///< come back
};

std::vector<std::string_view> read_types(const Fields& fields, bool first_api) {
  std::vector<std::string_view> types = fields.words("embedding_types");
  for (size_t i = 0; i < types.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (types[k] == types[i]) {
        fail(ErrorCode::kInvalidArgument, "`embedding_types` has ", types[i], " twice");
      }
    }
  }
  if (types.empty() && !first_api) types = {"float"};
  return types;
}

bool any_needs_range(const std::vector<std::string_view>& types) {
  for (const std::string_view name : types) {
    const auto type = math::vector_type_from_name(name);
    if (type && needs_range(*type)) return true;
  }
  return false;
}

tasks::EmbedOptions read_options(const Fields& fields, const Call& call, const ModelLease& model) {
  tasks::EmbedOptions options;
  options.normalize = true;
  options.dimensions = fields.integer("output_dimension");
  options.prompt_name = prompt_of_type(fields, model);
  options.truncation.enabled = call.options().auto_truncate;
  options.truncation.max_length = fields.integer("max_tokens").value_or(0);
  read_truncated_end(fields, options.truncation);
  return options;
}

void write_vectors(const Reply& reply, std::string_view type, const math::VectorRange& range,
                   JsonWriter& json) {
  VectorForm form;
  form.base64 = type == "base64";
  form.type = math::vector_type_from_name(type).value_or(math::VectorType::kFloat);
  json.begin_array();
  for (const tasks::TaskResult& result : reply.results) {
    write_vector(std::get<tasks::EmbedResult>(result).embedding, form, range, json);
  }
  json.end_array();
}

HttpResponse print(Call& call, Reply& reply, const Form& form, const math::VectorRange& range) {
  JsonWriter json;
  json.begin_object().member("id", call.id);
  json.member("response_type", form.types.empty() ? "embeddings_floats" : "embeddings_by_type");
  json.key("embeddings");
  if (form.types.empty()) {
    write_vectors(reply, "float", range, json);
  } else {
    json.begin_object();
    for (const std::string_view type : form.types) {
      json.key(type);
      write_vectors(reply, type, range, json);
    }
    json.end_object();
  }
  json.key("texts").begin_array();
  for (const std::string& text : form.texts) json.value(text);
  json.end_array().member("model", reply.model).key("meta").begin_object();
  json.key("api_version").begin_object().member("version", form.first_api ? "1" : "2");
  json.end_object().key("billed_units").begin_object().member("input_tokens", reply.tokens);
  json.end_object().end_object().end_object();
  return tei_response(call, reply, json.take());
}

void embed(const CallPtr& call, bool first_api) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("CohereEmbedRequest", body);
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  Form form;
  form.first_api = first_api;
  form.types = read_types(fields, first_api);
  form.texts = read_texts(fields, *request.budget);
  for (const std::string& text : form.texts) {
    request.inputs.push_back({text});
    request.budget->take("texts", 1, static_cast<int64_t>(text.size()));
  }
  request.options = read_options(fields, *call, model);
  request.priority = read_priority(fields);
  request.float_bytes *= static_cast<int64_t>(std::max<size_t>(form.types.size(), 1));
  const bool ranged = any_needs_range(form.types);
  submit_vectors(
      call, model, std::move(request), ranged,
      [form = std::move(form)](Call& self, Reply& reply, const math::VectorRange& range) {
        return print(self, reply, form, range);
      });
}

}  // namespace

void endpoint_cohere_embed_v1(const CallPtr& call) { embed(call, true); }

void endpoint_cohere_embed_v2(const CallPtr& call) { embed(call, false); }

}  // namespace tamis::serve
