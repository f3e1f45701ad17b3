#include "formats/text_data_json.h"

#include "base/error.h"
#include "base/json.h"

namespace tamis {

namespace {

constexpr TableKey kKeys[] = {
    {"text", true},   {"text_pair", true}, {"question", true}, {"context", true},
    {"query", true},  {"texts", false},    {"tokens", false},  {"tags", false},
    {"score", false}, {"label", false},    {"answers", false}, {"entities", false},
};

class RowReader {
 public:
  RowReader(JsonView object, std::string_view where) : object_(object), where_(where) {}

  TextRow read() {
    row_.text = text("text");
    row_.text_pair = text("text_pair");
    row_.question = text("question");
    row_.context = text("context");
    row_.query = text("query");
    row_.texts = texts("texts");
    row_.tokens = texts("tokens");
    row_.tags = texts("tags");
    if (const JsonView score = get("score")) row_.score = score.as_double(what("score"));
    read_label();
    read_answers();
    read_entities();
    check();
    return std::move(row_);
  }

 private:
  std::string what(std::string_view key) const { return cat(where_, ": ", key); }

  template <typename... Parts>
  [[noreturn]] void corrupt(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, where_, ": ", parts...);
  }

  JsonView get(std::string_view key) const {
    const JsonView value = object_.get(key);
    return value.is_null() ? JsonView() : value;
  }

  std::optional<std::string> text(std::string_view key) const {
    const JsonView value = get(key);
    if (!value) return std::nullopt;
    return std::string(value.as_string(what(key)));
  }

  std::vector<std::string> texts(std::string_view key) const {
    const JsonView value = get(key);
    if (value && !value.is_array()) corrupt(key, " must be an array of texts");
    std::vector<std::string> list;
    for (size_t i = 0; i < value.size(); ++i) {
      list.emplace_back(value.at(i).as_string(cat(where_, ": an item of ", key)));
    }
    return list;
  }

  // A class index or a name.
  std::string label_text(JsonView value) const {
    if (value.is_int()) return cat(value.as_int("label"));
    if (!value.is_string()) corrupt("label must be a name or a class index");
    return std::string(value.as_string("label"));
  }

  void read_label() {
    const JsonView label = get("label");
    if (!label) return;
    if (!label.is_array()) {
      row_.label = label_text(label);
      return;
    }
    for (size_t i = 0; i < label.size(); ++i) row_.labels.push_back(label_text(label.at(i)));
  }

  void read_answers() {
    const JsonView answers = get("answers");
    if (!answers) return;
    row_.has_answers = true;
    if (answers.is_object()) {
      read_squad_answers(answers);
      return;
    }
    if (!answers.is_array()) corrupt("answers must be an array, or an object of arrays as SQuAD's");
    for (size_t i = 0; i < answers.size(); ++i) {
      const JsonView answer = answers.at(i);
      if (answer.is_object()) {
        add_answer(answer.get("text"), answer.get("answer_start"));
      } else {
        add_answer(answer, {});
      }
    }
  }

  void read_squad_answers(JsonView answers) {
    const JsonView texts = answers.get("text");
    const JsonView starts = answers.get("answer_start");
    if (!texts.is_array() || (starts && (!starts.is_array() || starts.size() != texts.size()))) {
      corrupt("answers must have arrays text and answer_start of one length");
    }
    for (size_t i = 0; i < texts.size(); ++i) {
      add_answer(texts.at(i), starts ? starts.at(i) : JsonView());
    }
  }

  void add_answer(JsonView text_value, JsonView start) {
    AnswerSpan answer;
    answer.text = text_value.as_string(what("an answer's text"));
    if (!start.is_null()) {
      answer.start = start.as_int(what("answer_start"));
      if (*answer.start < 0) corrupt("answer_start is ", *answer.start, "; accepted are 0 or more");
    }
    row_.answers.push_back(std::move(answer));
  }

  void read_entities() {
    row_.has_entities = get("tags").exists();
    const JsonView entities = get("entities");
    if (!entities) return;
    if (!entities.is_array())
      corrupt("entities must be an array of {\"start\", \"end\", \"label\"}");
    row_.has_entities = true;
    for (size_t i = 0; i < entities.size(); ++i) {
      const JsonView item = entities.at(i);
      EntitySpan entity;
      entity.start = item.get("start").as_int(what("an entity's start"));
      entity.end = item.get("end").as_int(what("an entity's end"));
      // The pipelines write entity_group; both are read back.
      const JsonView label = item.get("label") ? item.get("label") : item.get("entity_group");
      entity.label = label.as_string(what("an entity's label"));
      if (entity.start < 0 || entity.end < entity.start) {
        corrupt("an entity from ", entity.start, " to ", entity.end, " is not in order");
      }
      row_.entities.push_back(std::move(entity));
    }
  }

  void check() const {
    if (row_.has_entities && get("tags") && row_.tags.size() != row_.tokens.size()) {
      corrupt(row_.tokens.size(), " tokens but ", row_.tags.size(), " tags");
    }
    const bool known = row_.text || get("tokens") || (row_.question && row_.context) ||
                       (row_.query && get("texts"));
    if (!known) {
      // Of a table, or as pandas writes what it does not have.
      for (const std::string_view key :
           {"text", "question", "context", "query", "texts", "tokens"}) {
        if (object_.get(key).exists() && object_.get(key).is_null()) corrupt(key, " is null");
      }
      corrupt(
          "accepted are the keys text (with text_pair, label, score, entities), question and "
          "context (with answers), query and texts, tokens (with tags)");
    }
  }

  JsonView object_;
  std::string_view where_;
  TextRow row_;
};

}  // namespace

std::span<const TableKey> json_row_keys() { return kKeys; }

TextRow parse_json_row(std::string_view json, std::string_view where) {
  const JsonDocument document = JsonDocument::parse(json, where, {.max_depth = 16});
  if (!document.root().is_object()) {
    fail(ErrorCode::kCorruptData, where, ": must be a JSON object");
  }
  return RowReader(document.root(), where).read();
}

}  // namespace tamis
