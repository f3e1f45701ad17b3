// Texts sorted by how well they answer a query: TEI's form, which has `texts`, and that of Cohere,
// Jina and Infinity, which have `documents`.
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

namespace {

/// A request for reranking, whatever its form.
struct Rerank {
  std::string query;
  std::vector<std::string> texts;
  tasks::RerankOptions options;
  bool return_text = false;
};

void check_count(size_t count, std::string_view key, const Call& call) {
  if (count == 0) fail(ErrorCode::kInvalidArgument, "`", key, "` cannot be empty");
  if (count > static_cast<size_t>(call.options().max_items)) {
    fail(ErrorCode::kInvalidArgument, "`", key, "` has ", count,
         " items; this server takes at most ", call.options().max_items, " a request");
  }
}

// Documents are strings or objects with a "text".
std::vector<std::string> read_documents(JsonView documents) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < documents.size(); ++i) {
    const JsonView item = documents.at(i);
    if (item.is_object()) {
      texts.emplace_back(required_string(item, "text"));
    } else if (item.is_string()) {
      texts.emplace_back(item.as_string("documents"));
    } else {
      fail(ErrorCode::kInvalidArgument,
           "`documents` must be a list of strings or of objects with a \"text\"");
    }
  }
  return texts;
}

Request make_request(const CallPtr& call, Rerank rerank) {
  const ModelLease model =
      call->route(string_field(call->json(), "model"), {tasks::TaskKind::kRerank});
  Request request = call->new_request(model);
  tasks::TaskInput input{std::move(rerank.query)};
  input.texts = std::move(rerank.texts);
  request.inputs.push_back(std::move(input));
  request.options = rerank.options;
  return request;
}

void answer_tei(const CallPtr& call) {
  const JsonView body = call->json();
  Rerank rerank;
  rerank.query = required_string(body, "query");
  rerank.texts = strings_of(array_field(body, "texts"), "texts");
  check_count(rerank.texts.size(), "texts", *call);
  rerank.options.raw_scores = bool_field(body, "raw_scores").value_or(false);
  rerank.options.truncation = read_truncation(body, *call);
  const bool text = bool_field(body, "return_text").value_or(false);
  call->submit(make_request(call, std::move(rerank)), [text](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_array();
    for (const auto& row : std::get<tasks::RerankResult>(reply.results.front()).results) {
      json.begin_object().member("index", row.index);
      if (text) json.member("text", row.text);
      json.member("score", row.score).end_object();
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

// The union of what Cohere, Jina, vLLM and Infinity put in: their clients read what they know.
std::string print_documents(const Call& call, const Reply& reply, bool documents) {
  JsonWriter json;
  json.begin_object().member("id", call.id).member("object", "rerank");
  json.member("model", reply.model).key("results").begin_array();
  for (const auto& row : std::get<tasks::RerankResult>(reply.results.front()).results) {
    json.begin_object().member("index", row.index).member("relevance_score", row.score);
    if (documents) json.key("document").begin_object().member("text", row.text).end_object();
    json.end_object();
  }
  json.end_array().key("usage").begin_object();
  json.member("prompt_tokens", reply.tokens).member("total_tokens", reply.tokens).end_object();
  json.key("meta").begin_object().key("api_version").begin_object();
  json.member("version", call.request().path.starts_with("/v2") ? "2" : "1").end_object();
  json.key("billed_units").begin_object().member("search_units", 1).end_object();
  json.key("tokens").begin_object().member("input_tokens", reply.tokens).end_object();
  json.end_object().end_object();
  return json.take();
}

}  // namespace

void endpoint_rerank_documents(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  Rerank rerank;
  rerank.query = required_string(body, "query");
  const JsonView documents = array_field(body, "documents");
  check_count(documents.size(), "documents", *call);
  rerank.texts = read_documents(documents);
  rerank.options.top_k = int_field(body, "top_n", 1);
  rerank.options.raw_scores = bool_field(body, "raw_scores").value_or(false);
  if (const auto most = int_field(body, "max_tokens_per_doc", 1)) {
    rerank.options.truncation.max_length = *most;
  }
  const bool text = bool_field(body, "return_documents").value_or(false);
  call->submit(make_request(call, std::move(rerank)), [text](Call& self, Reply& reply) {
    return tei_response(self, reply, print_documents(self, reply, text));
  });
}

void endpoint_rerank(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  if (body.get("documents").exists() && !body.get("texts").exists()) {
    endpoint_rerank_documents(call);
  } else {
    answer_tei(call);
  }
}

}  // namespace tamis::serve
