// POST /rerank, /v1/rerank, /v2/rerank: TEI's dialect by `texts`, the others' by `documents`.
//
// Cohere v1 and v2, Jina and Infinity ask alike and read different members: /v1/rerank answers the
// union of them, and each client takes its own.
#include "serve/router.h"
#include "serve/tei.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

// One of Cohere's search units is a query with up to so many documents.
constexpr int64_t kDocumentsPerUnit = 100;

void check_count(const Call& call, std::string_view key, size_t count) {
  if (count == 0) throw EmptyInput(key);
  if (count > static_cast<size_t>(call.options().max_items)) {
    fail(ErrorCode::kInvalidArgument, "`", key, "` has ", count,
         " items; this server takes at most ", call.options().max_items, " a request");
  }
}

// What of an object is ranked: its `rank_fields`, a line each, else its `text`.
std::string text_of(JsonView document, const std::vector<std::string>& fields) {
  if (fields.empty()) return std::string(required_string(document, "text"));
  std::string text;
  for (const std::string& field : fields) {
    const auto value = string_field(document, field);
    if (!value) continue;
    if (!text.empty()) text.push_back('\n');
    text.append(*value);
  }
  return text;
}

std::vector<std::string> read_documents(const Call& call, JsonView body) {
  const JsonView list = array_field(body, "documents");
  check_count(call, "documents", list.size());
  std::vector<std::string> fields;
  if (const JsonView named = body.get("rank_fields"); !named.is_null()) {
    fields = strings_of(named, "rank_fields");
  }
  std::vector<std::string> texts;
  texts.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView document = list.at(i);
    if (document.is_string()) {
      texts.emplace_back(document.as_string("documents"));
    } else if (document.is_object()) {
      texts.push_back(text_of(document, fields));
    } else {
      fail(ErrorCode::kInvalidArgument, "`documents` must be a list of strings or of objects");
    }
  }
  return texts;
}

// Cuts what has more tokens than the caller wants to pay for.
void cut_documents(const ModelLease& model, int64_t max_tokens, std::vector<std::string>& texts) {
  const tasks::TaskModel* const task = model->model().task_model();
  if (task == nullptr || task->tokenizer == nullptr) return;
  for (std::string& text : texts) {
    // A token is a byte at least.
    if (static_cast<int64_t>(text.size()) <= max_tokens) continue;
    tokenizer::EncodeOptions options;
    options.add_special_tokens = false;
    const tokenizer::Encoding encoding = task->tokenizer->encode(text, options);
    if (encoding.size() <= max_tokens) continue;
    const int64_t end = encoding.offsets[static_cast<size_t>(max_tokens) - 1].end;
    text = std::string(tasks::CodePoints(text).slice(0, end));
  }
}

struct Form {
  std::string_view api_version;
  bool documents = false;  ///< the texts come back
};

void write_results(const tasks::RerankResult& result, const Form& form, JsonWriter& json) {
  json.key("results").begin_array();
  for (const tasks::RankedText& row : result.results) {
    json.begin_object().member("index", row.index).member("relevance_score", row.score);
    if (form.documents) {
      json.key("document").begin_object().member("text", row.text).end_object();
    }
    json.end_object();
  }
  json.end_array();
}

HttpResponse print(Call& call, const Reply& reply, const Form& form, int64_t documents) {
  const int64_t units = (documents + kDocumentsPerUnit - 1) / kDocumentsPerUnit;
  JsonWriter json;
  json.begin_object().member("id", call.id).member("object", "rerank");
  json.member("model", reply.model);
  write_results(std::get<tasks::RerankResult>(reply.results.front()), form, json);
  json.key("usage").begin_object().member("prompt_tokens", reply.tokens);
  json.member("total_tokens", reply.tokens).end_object();
  json.key("meta").begin_object().key("api_version").begin_object();
  json.member("version", form.api_version).end_object();
  json.key("billed_units").begin_object().member("search_units", units).end_object();
  json.end_object().end_object();
  return tei_response(call, reply, json.take());
}

void rank_documents(const CallPtr& call, std::string_view api_version) {
  const JsonView body = call->json();
  check_object(body);
  tasks::TaskInput input{std::string(required_string(body, "query"))};
  input.texts = read_documents(*call, body);
  tasks::RerankOptions options;
  options.top_k = int_field(body, "top_n", 1);
  options.raw_scores = bool_field(body, "raw_scores").value_or(false);
  options.truncation.enabled =
      bool_field(body, "truncation").value_or(call->options().auto_truncate);
  const Form form{api_version, bool_field(body, "return_documents").value_or(false)};
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kRerank});
  if (const auto most = int_field(body, "max_tokens_per_doc", 1)) {
    cut_documents(model, *most, input.texts);
  }
  const auto documents = static_cast<int64_t>(input.texts.size());
  Request request = call->new_request(model);
  request.inputs.push_back(std::move(input));
  request.options = options;
  call->submit(std::move(request), [form, documents](Call& self, Reply& reply) {
    return print(self, reply, form, documents);
  });
}

void rank_texts(const CallPtr& call) {
  const JsonView body = call->json();
  tasks::TaskInput input{std::string(required_string(body, "query"))};
  input.texts = strings_of(array_field(body, "texts"), "texts");
  check_count(*call, "texts", input.texts.size());
  tasks::RerankOptions options;
  options.raw_scores = bool_field(body, "raw_scores").value_or(false);
  options.truncation = read_truncation(body, *call);
  const bool with_text = bool_field(body, "return_text").value_or(false);
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kRerank});
  Request request = call->new_request(model);
  request.inputs.push_back(std::move(input));
  request.options = options;
  call->submit(std::move(request), [with_text](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_array();
    for (const tasks::RankedText& row :
         std::get<tasks::RerankResult>(reply.results.front()).results) {
      json.begin_object().member("index", row.index);
      if (with_text) json.member("text", row.text);
      json.member("score", row.score).end_object();
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

}  // namespace

void endpoint_rerank(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  if (body.get("texts").exists() || !body.get("documents").exists()) {
    rank_texts(call);
    return;
  }
  call->set_dialect(Dialect::kCohere);
  rank_documents(call, "1");
}

void endpoint_rerank_v1(const CallPtr& call) { rank_documents(call, "1"); }

void endpoint_rerank_v2(const CallPtr& call) { rank_documents(call, "2"); }

}  // namespace tamis::serve
