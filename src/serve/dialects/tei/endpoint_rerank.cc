// POST /rerank, /v1/rerank, /v2/rerank: TEI's dialect by `texts`, the others' by `documents`.
//
// Cohere v1 and v2, Jina and Infinity ask alike and read different members: /v1/rerank answers the
// union of them, and each client takes its own.
#include <algorithm>
#include <set>
#include <utility>

#include "base/json.h"
#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/tei.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

// One of Cohere's search units is a query with up to so many documents.
constexpr int64_t kDocumentsPerUnit = 100;

void check_count(const CallPtr& call, std::string_view key, size_t count) {
  if (count == 0) throw EmptyInput(key);
  call->budget()->check_items(key, count);
}

// What of an object is ranked: its `rank_fields`, a line each, else its `text`.
std::string text_of(JsonView document, const std::vector<std::string>& fields) {
  if (fields.empty()) return std::string(required_string(document, "text"));
  std::string text;
  bool found = false;
  for (const std::string& field : fields) {
    const auto value = string_field(document, field);
    if (!value) continue;
    found = true;
    if (!text.empty()) text.push_back('\n');
    text.append(*value);
  }
  if (!found) fail(ErrorCode::kInvalidArgument, "a document has none of `rank_fields`");
  return text;
}

// None of them twice: what is ranked is no longer than the body.
std::vector<std::string> read_rank_fields(const CallPtr& call, const Fields& body) {
  std::vector<std::string> fields = body.texts("rank_fields", *call->budget());
  std::set<std::string_view> seen;
  for (const std::string& field : fields) {
    if (seen.insert(field).second) continue;
    fail(ErrorCode::kInvalidArgument, "`rank_fields` has ", json_quote(field.substr(0, 100)),
         " twice");
  }
  return fields;
}

std::vector<std::string> read_documents(const CallPtr& call, const Fields& body) {
  const JsonView list = body.json("documents");
  if (!list.is_array()) fail(ErrorCode::kInvalidArgument, "`documents` must be a list");
  check_count(call, "documents", list.size());
  const std::vector<std::string> fields = read_rank_fields(call, body);
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

// The tokens of a text alone.
tokenizer::Encoding tokens_of(const tasks::TaskModel& task, const std::string& text) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = false;
  return task.tokenizer->encode(text, options);
}

// The model if it has a tokenizer to count with, else null.
const tasks::TaskModel* counting_model(const ModelLease& model) {
  const tasks::TaskModel* const task = model->model().task_model();
  return task == nullptr || task->tokenizer == nullptr ? nullptr : task;
}

// Cuts what has more tokens than the caller wants to pay for.
void cut_documents(const ModelLease& model, int64_t max_tokens, std::vector<std::string>& texts) {
  const tasks::TaskModel* const task = counting_model(model);
  if (task == nullptr) return;
  for (std::string& text : texts) {
    // A token is a byte at least.
    if (static_cast<int64_t>(text.size()) <= max_tokens) continue;
    const tokenizer::Encoding encoding = tokens_of(*task, text);
    if (encoding.size() <= max_tokens) continue;
    const int64_t end = encoding.offsets[static_cast<size_t>(max_tokens) - 1].end;
    text = std::string(tasks::CodePoints(text).slice(0, end));
  }
}

// What stands beside query and document: special tokens of a pair, at most RoBERTa's <s> </s></s>
// </s>, or the fixed text of the model's template.
int64_t tokens_around(const tasks::TaskModel& task) {
  constexpr int64_t kPairSpecials = 4;
  int64_t tokens = kPairSpecials;
  for (const TextPart& part : task.pair_template) tokens += tokens_of(task, part.text).size();
  return tokens;
}

// Splits documents that the model cannot read at once into at most `most` chunks; tells which
// document each of the texts belongs to.
std::vector<int64_t> split_documents(const ModelLease& model, const std::string& query,
                                     int64_t most, const Budget& budget,
                                     std::vector<std::string>& texts) {
  const tasks::TaskModel* const task = counting_model(model);
  const int64_t longest = model->info().max_length;
  const int64_t room =
      task == nullptr || longest == 0
          ? 0
          : std::max<int64_t>(1, longest - tokens_of(*task, query).size() - tokens_around(*task));
  std::vector<std::string> chunks;
  std::vector<int64_t> documents;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto document = static_cast<int64_t>(i);
    int64_t begin = 0;
    if (room > 0 && static_cast<int64_t>(texts[i].size()) > room) {
      const tokenizer::Encoding encoding = tokens_of(*task, texts[i]);
      const int64_t parts = std::min(most, (encoding.size() + room - 1) / room);
      budget.check_items("documents", chunks.size() + static_cast<size_t>(parts));
      const tasks::CodePoints points(texts[i]);
      for (int64_t end = room; end < encoding.size() && (end / room) < most; end += room) {
        const int64_t cut = encoding.offsets[static_cast<size_t>(end) - 1].end;
        chunks.emplace_back(points.slice(begin, cut));
        documents.push_back(document);
        begin = cut;
      }
      // What is left; the model cuts it if it may not become another chunk.
      chunks.emplace_back(points.slice(begin, points.size()));
    } else {
      chunks.push_back(std::move(texts[i]));
    }
    documents.push_back(document);
  }
  texts = std::move(chunks);
  return documents;
}

struct Answer {
  std::string_view api_version;
  bool with_texts = false;   ///< the texts come back
  bool plain_texts = false;  ///< as they are, not in an object
  bool voyage = false;       ///< the list stands as Voyage's, too
  int64_t documents = 0;
  // Of documents in chunks: the results to give, whose each text is, and the documents whole.
  int64_t top_n = 0;
  std::vector<int64_t> document_of;
  std::vector<std::string> texts;
};

// A document is as good as the best of its chunks.
tasks::RerankResult join_chunks(tasks::RerankResult result, const Answer& form) {
  if (form.document_of.empty()) return result;
  tasks::RerankResult joined;
  std::vector<bool> seen(static_cast<size_t>(form.documents), false);
  for (tasks::RankedText& row : result.results) {
    const int64_t document = form.document_of[static_cast<size_t>(row.index)];
    const auto at = static_cast<size_t>(document);
    const bool enough = static_cast<int64_t>(joined.results.size()) == form.top_n;
    if (seen[at] || enough) continue;
    seen[at] = true;
    row.index = document;
    if (form.with_texts) row.text = form.texts[at];
    joined.results.push_back(std::move(row));
  }
  return joined;
}

void write_results(std::string_view key, const tasks::RerankResult& result, const Answer& form,
                   bool plain_texts, JsonWriter& json) {
  json.key(key).begin_array();
  for (const tasks::RankedText& row : result.results) {
    json.begin_object().member("index", row.index).member("relevance_score", row.score);
    if (form.with_texts && plain_texts) {
      json.member("document", row.text);
    } else if (form.with_texts) {
      json.key("document").begin_object().member("text", row.text).end_object();
    }
    json.end_object();
  }
  json.end_array();
}

HttpResponse print(Call& call, Reply& reply, const Answer& form) {
  const int64_t units = (form.documents + kDocumentsPerUnit - 1) / kDocumentsPerUnit;
  JsonWriter json;
  json.begin_object().member("id", call.id);
  json.member("object", form.voyage ? "list" : "rerank");
  json.member("model", reply.model);
  const auto result =
      join_chunks(std::move(std::get<tasks::RerankResult>(reply.results.front())), form);
  write_results("results", result, form, form.plain_texts, json);
  if (form.voyage) write_results("data", result, form, true, json);
  json.key("usage").begin_object().member("prompt_tokens", reply.tokens);
  json.member("total_tokens", reply.tokens).end_object();
  json.key("meta").begin_object().key("api_version").begin_object();
  json.member("version", form.api_version).end_object();
  json.key("billed_units").begin_object().member("search_units", units).end_object();
  json.end_object().end_object();
  return tei_response(call, reply, json.take());
}

// How the caller's client reads the answer.
enum class Reader : uint8_t { kFirst, kSecond, kInfinity };

Answer answer_of(const Fields& fields, Reader reader) {
  Answer form;
  form.api_version = reader == Reader::kSecond ? "2" : "1";
  // Voyage's words, which no other client of this route has, and its list.
  form.voyage = reader == Reader::kFirst && (fields.has("truncation") || fields.has("top_k"));
  form.plain_texts = reader == Reader::kInfinity;
  form.with_texts = fields.flag("return_documents").value_or(false);
  return form;
}

void rank_documents(const CallPtr& call, Reader reader) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("RerankRequest", body);
  tasks::TaskInput input{fields.string("query").value()};
  input.texts = read_documents(call, fields);
  tasks::RerankOptions options;
  options.top_k = fields.integer("top_n");
  if (!options.top_k) options.top_k = fields.integer("top_k");
  options.raw_scores = fields.flag("raw_scores").value_or(false);
  options.truncation.enabled = fields.flag("truncation").value_or(call->options().auto_truncate);
  Answer form = answer_of(fields, reader);
  form.documents = static_cast<int64_t>(input.texts.size());
  const uint32_t priority = read_priority(fields);
  const auto chunks = fields.integer("max_chunks_per_doc");
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kRerank});
  if (const auto most = fields.integer("max_tokens_per_doc")) {
    cut_documents(model, *most, input.texts);
  }
  if (chunks && *chunks > 1) {
    if (form.with_texts) form.texts = input.texts;
    form.document_of = split_documents(model, input.text, *chunks, *call->budget(), input.texts);
    check_count(call, "documents", input.texts.size());
    form.top_n = std::exchange(options.top_k, std::nullopt).value_or(form.documents);
  }
  Request request = call->new_request(model);
  request.priority = priority;
  request.inputs.push_back(std::move(input));
  request.options = options;
  call->submit(std::move(request), [form = std::move(form)](Call& self, Reply& reply) {
    return print(self, reply, form);
  });
}

void rank_texts(const CallPtr& call) {
  const Fields fields("TeiRerankRequest", call->json());
  tasks::TaskInput input{fields.string("query").value()};
  input.texts = fields.texts("texts", *call->budget());
  if (input.texts.empty()) throw EmptyInput("texts");
  tasks::RerankOptions options;
  options.raw_scores = fields.flag("raw_scores").value_or(false);
  options.truncation = read_truncation(fields, *call);
  const bool with_text = fields.flag("return_text").value_or(false);
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kRerank});
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
  rank_documents(call, Reader::kFirst);
}

void endpoint_rerank_v1(const CallPtr& call) { rank_documents(call, Reader::kFirst); }

void endpoint_rerank_v2(const CallPtr& call) { rank_documents(call, Reader::kSecond); }

void endpoint_infinity_rerank(const CallPtr& call) { rank_documents(call, Reader::kInfinity); }

}  // namespace tamis::serve
