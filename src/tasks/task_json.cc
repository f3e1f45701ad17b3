#include "tasks/task_json.h"

#include <set>
#include <string>

#include "base/error.h"

namespace tamis::tasks {

namespace {

void write_members(const EmbedResult& result, JsonWriter& json) {
  json.key("embedding").array(result.embedding);
}

void write_weights(const EmbedSparseResult& result, JsonWriter& json) {
  json.key("sparse").begin_object();
  for (const SparseWeight& item : result.weights) json.member(item.token, item.weight);
  json.end_object();
}

void write_vectors(const EmbedMultiResult& result, JsonWriter& json) {
  json.key("token_ids").array(std::span(result.token_ids));
  json.key("vectors").begin_array();
  const auto width = static_cast<size_t>(result.columns);
  for (size_t i = 0; i < result.token_ids.size(); ++i) {
    json.array(std::span(result.vectors).subspan(i * width, width));
  }
  json.end_array();
}

void write_members(const EmbedSparseResult& result, JsonWriter& json) {
  write_weights(result, json);
}

void write_members(const EmbedMultiResult& result, JsonWriter& json) {
  write_vectors(result, json);
}

void write_members(const EmbedAllResult& result, JsonWriter& json) {
  json.key("embedding").array(result.embedding);
  write_weights(result.sparse, json);
  write_vectors(result.multi, json);
}

// id2label may name two ids alike, but a key can stand once: the greater score, which comes first,
// has the label, the others "label (LABEL_id)".
std::string distinct_key(const LabelScore& row, std::set<std::string>& seen) {
  std::string key = row.label;
  while (!seen.insert(key).second) key += cat(" (LABEL_", row.id, ")");
  return key;
}

void write_members(const ClassifyResult& result, JsonWriter& json) {
  if (!result.scores.empty()) {
    json.member("label", result.scores[0].label).member("score", result.scores[0].score);
  }
  json.key("scores").begin_object();
  std::set<std::string> seen;
  for (const LabelScore& row : result.scores) json.member(distinct_key(row, seen), row.score);
  json.end_object();
  json.key("logits").array(result.logits);
}

void write_members(const RerankResult& result, JsonWriter& json) {
  json.key("results").begin_array();
  for (const RankedText& row : result.results) {
    json.begin_object().member("index", row.index).member("score", row.score);
    json.member("text", row.text).end_object();
  }
  json.end_array();
}

void write_members(const NerResult& result, JsonWriter& json) {
  json.key("entities").begin_array();
  for (const Entity& entity : result.entities) {
    json.begin_object().member(result.grouped ? "entity_group" : "entity", entity.label);
    json.member("score", entity.score);
    if (!result.grouped) json.member("index", entity.index);
    json.member("word", entity.word).member("start", entity.start).member("end", entity.end);
    json.end_object();
  }
  json.end_array();
}

void write_answer(const Answer& answer, JsonWriter& json) {
  json.member("answer", answer.answer).member("score", answer.score);
  json.member("start", answer.start).member("end", answer.end);
}

void write_members(const QaResult& result, JsonWriter& json) {
  if (!result.list) {
    write_answer(result.answers.empty() ? Answer{} : result.answers[0], json);
    return;
  }
  json.key("answers").begin_array();
  for (const Answer& answer : result.answers) {
    json.begin_object();
    write_answer(answer, json);
    json.end_object();
  }
  json.end_array();
}

void write_members(const FillMaskResult& result, JsonWriter& json) {
  json.key("masks").begin_array();
  for (const auto& mask : result.masks) {
    json.begin_array();
    for (const MaskedToken& row : mask) {
      json.begin_object().member("score", row.score).member("token", int64_t{row.token});
      json.member("token_str", row.token_str).member("sequence", row.sequence).end_object();
    }
    json.end_array();
  }
  json.end_array();
}

void write_members(const ZeroShotResult& result, JsonWriter& json) {
  json.member("sequence", result.sequence);
  json.key("labels").begin_array();
  for (const LabelScore& row : result.scores) json.value(row.label);
  json.end_array();
  json.key("scores").begin_array();
  for (const LabelScore& row : result.scores) json.value(row.score);
  json.end_array();
}

bool truncated(const QaResult&) { return false; }  // windows cover the whole context

template <typename Result>
bool truncated(const Result& result) {
  return result.truncated;
}

}  // namespace

void write_json(const TaskResult& result, JsonWriter& json) {
  json.begin_object();
  std::visit(
      [&json](const auto& own) {
        write_members(own, json);
        if (truncated(own)) json.member("truncated", true);
      },
      result);
  json.end_object();
}

std::string to_json(const TaskResult& result) {
  JsonWriter json;
  write_json(result, json);
  return json.take();
}

}  // namespace tamis::tasks
