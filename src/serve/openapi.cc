#include "serve/openapi.h"

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "base/version.h"
#include "serve/protocol/fields.h"
#include "serve/router.h"

namespace tamis::serve {

namespace {

constexpr Operation kOperations[] = {
#define X(function, summary, request, answer) {#function, summary, request, answer},
#include "serve/openapi_operations.inc"
#undef X
};

struct Schema {
  std::string_view name;
  std::string_view json;
};

constexpr Schema kSchemas[] = {
#define X(name, json) {#name, json},
#include "serve/openapi_schemas.inc"
#undef X
};

struct DialectRow {
  Dialect dialect;
  std::string_view tag;
  std::string_view error;
};

constexpr DialectRow kDialects[] = {
    {Dialect::kTei, "text-embeddings-inference", "TeiError"},
    {Dialect::kOpenAi, "OpenAI", "OpenAiError"},
    {Dialect::kKserve, "KServe v2", "KserveError"},
    {Dialect::kHuggingFace, "Hugging Face", "TeiError"},
    {Dialect::kCohere, "Cohere and Jina", "CohereError"},
    {Dialect::kOllama, "Ollama", "OllamaError"},
    {Dialect::kNative, "Tamis", "NativeError"},
};

const DialectRow& row_of(Dialect dialect) {
  return *std::find_if(std::begin(kDialects), std::end(kDialects),
                       [&](const DialectRow& row) { return row.dialect == dialect; });
}

std::string lower(std::string_view method) {
  std::string text(method);
  for (char& c : text) c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// "post_v1_models_model": unique, for the method and the path are.
std::string operation_id(const Route& route) {
  std::string id = lower(route.method);
  for (const char c : route.pattern) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) {
      id.push_back(c);
    } else if (id.back() != '_') {
      id.push_back('_');
    }
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

void write_reference(std::string_view schema, JsonWriter& json) {
  json.begin_object().member("$ref", cat("#/components/schemas/", schema)).end_object();
}

void write_content(std::string_view type, std::string_view schema, JsonWriter& json) {
  json.key(type).begin_object().key("schema");
  write_reference(schema, json);
  json.end_object();
}

void write_parameters(std::string_view pattern, JsonWriter& json) {
  json.key("parameters").begin_array();
  for (size_t at = pattern.find('{'); at != pattern.npos; at = pattern.find('{', at + 1)) {
    const std::string_view name = pattern.substr(at + 1, pattern.find('}', at) - at - 1);
    json.begin_object().member("name", name).member("in", "path").member("required", true);
    json.key("schema").begin_object().member("type", "string").member("minLength", 1);
    json.end_object().end_object();
  }
  json.end_array();
}

void write_answers(const Route& route, const Operation& operation, JsonWriter& json) {
  json.key("responses").begin_object();
  json.key("200").begin_object().member("description", "The answer");
  if (operation.answer == "text") {
    json.key("content").begin_object().key("text/plain").begin_object().key("schema");
    json.begin_object().member("type", "string").end_object().end_object().end_object();
  } else if (!operation.answer.empty()) {
    json.key("content").begin_object();
    write_content("application/json", operation.answer, json);
    if (operation.answer == "InferAnswer") {
      json.key("application/octet-stream").begin_object().end_object();
    }
    json.end_object();
  }
  json.end_object();
  json.key("default").begin_object().member("description", "What is wrong");
  json.key("content").begin_object();
  // Where the body tells whose client asks, so does the error.
  const bool either = operation.request.starts_with("Any");
  write_content("application/json", either ? "Object" : row_of(route.dialect).error, json);
  json.end_object().end_object().end_object();
}

void write_operation(const Route& route, JsonWriter& json) {
  const Operation* const operation = find_operation(route.name);
  TAMIS_CHECK(operation != nullptr);
  json.key(lower(route.method)).begin_object();
  json.member("operationId", operation_id(route)).member("summary", operation->summary);
  json.key("tags").begin_array().value(row_of(route.dialect).tag).end_array();
  write_parameters(route.pattern, json);
  if (!operation->request.empty()) {
    json.key("requestBody").begin_object();
    json.member("required",
                operation->request != "IndexRequest" && operation->request != "RepositoryRequest");
    json.key("content").begin_object();
    write_content("application/json", operation->request, json);
    json.end_object().end_object();
  }
  write_answers(route, *operation, json);
  json.key("security").begin_array();
  if (!route.open) json.begin_object().key("key").begin_array().end_array().end_object();
  json.begin_object().end_object().end_array();
  json.end_object();
}

void write_paths(JsonWriter& json) {
  std::vector<std::string_view> patterns;
  for (const Route& route : routes()) {
    if (std::find(patterns.begin(), patterns.end(), route.pattern) == patterns.end()) {
      patterns.push_back(route.pattern);
    }
  }
  json.key("paths").begin_object();
  for (const std::string_view pattern : patterns) {
    json.key(pattern).begin_object();
    for (const Route& route : routes()) {
      if (route.pattern == pattern) write_operation(route, json);
    }
    json.end_object();
  }
  json.end_object();
}

}  // namespace

const Operation* find_operation(std::string_view endpoint) {
  const auto* const at =
      std::find_if(std::begin(kOperations), std::end(kOperations),
                   [&](const Operation& row) { return row.endpoint == endpoint; });
  return at == std::end(kOperations) ? nullptr : at;
}

std::string openapi_json() {
  JsonWriter json;
  json.begin_object().member("openapi", "3.0.3");
  json.key("info").begin_object().member("title", "Tamis").member("version", version());
  json.member("description",
              "Encoder transformers, served to the clients that are there. Before a path without "
              "{model} may stand /models/NAME, and then that model answers.");
  json.end_object();
  write_paths(json);
  json.key("components").begin_object();
  json.key("securitySchemes").begin_object().key("key").begin_object();
  json.member("type", "http").member("scheme", "bearer").end_object().end_object();
  json.key("schemas").begin_object();
  for (const Form& form : forms()) {
    json.key(form.name);
    write_form_schema(form, json);
  }
  for (const Schema& schema : kSchemas) {
    const JsonDocument document = JsonDocument::parse(schema.json, schema.name);
    json.key(schema.name).value(document.root());
  }
  json.end_object().end_object().end_object();
  return json.take();
}

}  // namespace tamis::serve
