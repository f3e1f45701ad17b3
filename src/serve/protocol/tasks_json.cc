#include "serve/protocol/tasks_json.h"

#include "tasks/task_json.h"

namespace tamis::serve {

namespace {

void write_answer(const tasks::Answer& answer, JsonWriter& json) {
  json.begin_object().member("answer", answer.answer).member("score", answer.score);
  json.member("start", answer.start).member("end", answer.end).end_object();
}

void write_one(const tasks::EmbedResult& result, JsonWriter& json) { json.array(result.embedding); }
void write_one(const tasks::ClassifyResult& result, JsonWriter& json) {
  write_labels(result.scores, json);
}
void write_one(const tasks::RerankResult& result, JsonWriter& json) {
  json.begin_array();
  for (const tasks::RankedText& row : result.results) {
    json.begin_object().member("index", row.index).member("score", row.score).end_object();
  }
  json.end_array();
}
void write_one(const tasks::NerResult& result, JsonWriter& json) { write_entities(result, json); }
void write_one(const tasks::QaResult& result, JsonWriter& json) { write_answers(result, json); }
void write_one(const tasks::FillMaskResult& result, JsonWriter& json) { write_masks(result, json); }
void write_one(const tasks::ZeroShotResult& result, JsonWriter& json) {
  write_labels(result.scores, json);
}
template <typename Result>
void write_one(const Result& result, JsonWriter& json) {
  tasks::write_json(result, json);
}

}  // namespace

void write_labels(const std::vector<tasks::LabelScore>& scores, JsonWriter& json) {
  json.begin_array();
  for (const tasks::LabelScore& row : scores) {
    json.begin_object().member("score", row.score).member("label", row.label).end_object();
  }
  json.end_array();
}

void write_entities(const tasks::NerResult& result, JsonWriter& json) {
  json.begin_array();
  for (const tasks::Entity& entity : result.entities) {
    json.begin_object().member(result.grouped ? "entity_group" : "entity", entity.label);
    json.member("score", entity.score);
    if (!result.grouped) json.member("index", entity.index);
    json.member("word", entity.word).member("start", entity.start).member("end", entity.end);
    json.end_object();
  }
  json.end_array();
}

void write_answers(const tasks::QaResult& result, JsonWriter& json) {
  if (!result.list) {
    write_answer(result.answers.empty() ? tasks::Answer{} : result.answers.front(), json);
    return;
  }
  json.begin_array();
  for (const tasks::Answer& answer : result.answers) write_answer(answer, json);
  json.end_array();
}

void write_masks(const tasks::FillMaskResult& result, JsonWriter& json) {
  const bool several = result.masks.size() > 1;
  if (several) json.begin_array();
  for (const auto& mask : result.masks) {
    json.begin_array();
    for (const tasks::MaskedToken& row : mask) {
      json.begin_object().member("score", row.score).member("token", int64_t{row.token});
      json.member("token_str", row.token_str).member("sequence", row.sequence).end_object();
    }
    json.end_array();
  }
  if (several) json.end_array();
}

void write_pipeline(const tasks::TaskResult& result, JsonWriter& json) {
  std::visit([&json](const auto& own) { write_one(own, json); }, result);
}

}  // namespace tamis::serve
