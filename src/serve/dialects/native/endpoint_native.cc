// POST /v1/classify, /v1/ner, /v1/qa: this program's own answers, with what the other dialects
// have no room for: offsets in code points, truncation, tokens, logits, the time of each stage.
#include "serve/protocol/call.h"
#include "serve/protocol/pipeline_options.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

using Texts = std::vector<std::string>;

void write_scores(const tasks::ClassifyResult& result, JsonWriter& json) {
  json.key("labels").begin_array();
  for (const tasks::LabelScore& row : result.scores) {
    json.begin_object().member("label", row.label).member("score", row.score).end_object();
  }
  json.end_array();
  json.key("logits").array(result.logits);
}

void write_entities(const tasks::NerResult& result, const std::string& text, JsonWriter& json) {
  const tasks::CodePoints points(text);
  json.key("entities").begin_array();
  for (const tasks::Entity& entity : result.entities) {
    json.begin_object().member(result.grouped ? "entity_group" : "entity", entity.label);
    json.member("score", entity.score);
    if (!result.grouped) json.member("index", entity.index);
    // `word` is what the tokens decode to, `text` what stands in the text.
    json.member("word", entity.word).member("text", points.slice(entity.start, entity.end));
    json.member("start", entity.start).member("end", entity.end).end_object();
  }
  json.end_array();
}

void write_answers(const tasks::QaResult& result, JsonWriter& json) {
  json.key("answers").begin_array();
  for (const tasks::Answer& answer : result.answers) {
    json.begin_object().member("answer", answer.answer).member("score", answer.score);
    json.member("start", answer.start).member("end", answer.end).end_object();
  }
  json.end_array();
}

void write_result(const tasks::TaskResult& result, const std::string& text, JsonWriter& json) {
  if (const auto* labels = std::get_if<tasks::ClassifyResult>(&result)) write_scores(*labels, json);
  if (const auto* found = std::get_if<tasks::NerResult>(&result)) {
    write_entities(*found, text, json);
  }
  if (const auto* answers = std::get_if<tasks::QaResult>(&result)) write_answers(*answers, json);
}

HttpResponse print(const Call& call, const Reply& reply, const Texts& texts) {
  const int64_t total_us = (Clock::steady().now_ns() - call.request().arrived_ns) / 1000;
  JsonWriter json;
  json.begin_object().member("model", reply.model).member("version", reply.version);
  json.key("results").begin_array();
  for (size_t i = 0; i < reply.results.size(); ++i) {
    json.begin_object();
    write_result(reply.results[i], texts.empty() ? std::string() : texts[i], json);
    json.member("truncated", bool{reply.truncated[i]});
    json.member("tokens", reply.tokens_of_input[i]).end_object();
  }
  json.end_array();
  json.key("usage").begin_object().member("total_tokens", reply.tokens).end_object();
  const Timings& timings = reply.timings;
  json.key("timings").begin_object().member("tokenize_us", timings.tokenize_us);
  json.member("queue_us", timings.queue_us).member("run_us", timings.run_us);
  json.member("total_us", total_us).end_object().end_object();
  HttpResponse response;
  response.body = json.take();
  return response;
}

void submit(const CallPtr& call, Request request) {
  Texts texts;  // the request's own go with it
  if (tasks::kind_of(*request.options) == tasks::TaskKind::kNer) {
    for (const tasks::TaskInput& input : request.inputs) texts.push_back(input.text);
  }
  call->submit(std::move(request), [texts = std::move(texts)](Call& self, Reply& reply) {
    return print(self, reply, texts);
  });
}

// The request's fields and a request to its model.
Fields read_body(const CallPtr& call, std::string_view form,
                 std::initializer_list<tasks::TaskKind> tasks, Request& request) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields(form, body);
  request = call->new_request(call->route(fields.text("model"), tasks));
  return fields;
}

}  // namespace

void endpoint_native_classify(const CallPtr& call) {
  Request request;
  const Fields fields = read_body(call, "ClassifyRequest",
                                  {tasks::TaskKind::kClassify, tasks::TaskKind::kRerank}, request);
  read_items(fields.json("input"), "input", read_text_or_pair, request);
  request.options = read_classify_options(fields, *call);
  submit(call, std::move(request));
}

void endpoint_native_ner(const CallPtr& call) {
  Request request;
  const Fields fields = read_body(call, "NerRequest", {tasks::TaskKind::kNer}, request);
  read_items(fields.json("input"), "input", read_text, request);
  request.options = read_ner_options(fields, *call);
  submit(call, std::move(request));
}

void endpoint_native_qa(const CallPtr& call) {
  Request request;
  const Fields fields = read_body(call, "QaRequest", {tasks::TaskKind::kQa}, request);
  if (fields.has("input")) {
    read_items(fields.json("input"), "input", read_question, request);
  } else {
    request.inputs.push_back(read_question(call->json(), "input"));
  }
  request.options = read_qa_options(fields);
  submit(call, std::move(request));
}

}  // namespace tamis::serve
