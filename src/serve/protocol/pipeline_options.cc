#include "serve/protocol/pipeline_options.h"

#include <algorithm>

#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

// true and false, or the tokenizers' own words for them.
std::optional<bool> truncation_switch(const Fields& parameters, std::string_view key) {
  if (const auto word = parameters.word(key)) return *word != "do_not_truncate";
  return parameters.flag(key);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Truncation read_pipeline_truncation(const Fields& parameters, const Call& call) {
  Truncation truncation;
  truncation.enabled = call.options().auto_truncate;
  for (const std::string_view key : {"truncation", "truncate"}) {
    if (const auto on = truncation_switch(parameters, key)) truncation.enabled = *on;
  }
  truncation.max_length = parameters.integer("max_length").value_or(0);
  truncation.side = side_of(parameters);
  return truncation;
}

tasks::EmbedOptions read_embed_options(const Fields& parameters, const Call& call) {
  tasks::EmbedOptions options;
  options.normalize = parameters.flag("normalize");
  options.dimensions = parameters.integer("dimensions");
  options.prompt_name = parameters.string("prompt_name");
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::ClassifyOptions read_classify_options(const Fields& parameters, const Call& call) {
  tasks::ClassifyOptions options;
  options.top_k = parameters.integer("top_k");
  if (const auto name = parameters.word("function_to_apply")) {
    options.function = tasks::score_function_from_name(*name);
  }
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::NerOptions read_ner_options(const Fields& parameters, const Call& call) {
  tasks::NerOptions options;
  if (const auto name = parameters.word("aggregation_strategy")) {
    options.aggregation = tasks::aggregation_from_name(*name).value();
  }
  if (parameters.has("ignore_labels"))
    options.ignore_labels = parameters.texts("ignore_labels", *call.budget());
  options.stride = parameters.integer("stride");
  options.labels = parameters.texts("labels", *call.budget());
  if (const auto threshold = parameters.number("threshold")) {
    options.threshold = static_cast<float>(*threshold);
  }
  options.nested = !parameters.flag("flat_ner").value_or(true);
  options.multi_label = parameters.flag("multi_label").value_or(false);
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::QaOptions read_qa_options(const Fields& parameters) {
  tasks::QaOptions options;
  options.top_k = parameters.integer("top_k");
  options.max_answer_len = parameters.integer("max_answer_len").value_or(options.max_answer_len);
  options.handle_impossible_answer = parameters.flag("handle_impossible_answer").value_or(false);
  options.align_to_words = parameters.flag("align_to_words").value_or(true);
  options.max_seq_len = parameters.integer("max_seq_len");
  options.doc_stride = parameters.integer("doc_stride");
  options.max_question_len = parameters.integer("max_question_len");
  return options;
}

tasks::FillMaskOptions read_fill_mask_options(const Fields& parameters, const Call& call) {
  tasks::FillMaskOptions options;
  options.top_k = parameters.integer("top_k").value_or(options.top_k);
  options.targets = parameters.texts("targets", *call.budget());
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::ZeroShotOptions read_zero_shot_options(const Fields& parameters, const Call& call) {
  tasks::ZeroShotOptions options;
  if (const auto text = parameters.string("hypothesis_template")) {
    options.hypothesis_template = *text;
  }
  options.multi_label = parameters.flag("multi_label").value_or(false);
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

std::vector<std::string> read_candidate_labels(const Fields& parameters, const Budget& budget) {
  constexpr std::string_view kKey = "candidate_labels";
  const JsonView field = parameters.json(kKey);
  std::vector<std::string> labels;
  if (field.is_string()) {
    std::string_view rest = field.as_string(kKey);
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view label = trimmed(rest.substr(0, comma));
      if (!label.empty()) labels.emplace_back(label);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  } else {
    labels = parameters.texts(kKey, budget);
  }
  if (labels.empty()) fail(ErrorCode::kInvalidArgument, "`", kKey, "` cannot be empty");
  return labels;
}

void add_labels(JsonView parameters, Request& request) {
  const std::vector<std::string> labels =
      read_candidate_labels(Fields("ZeroShotParameters", parameters), *request.budget);
  request.budget->check_items("candidate_labels", labels.size());
  tasks::TaskInput one{"", std::nullopt, labels};
  check_texts(*request.budget, one, static_cast<int64_t>(request.inputs.size()));
  for (tasks::TaskInput& input : request.inputs) input.texts = labels;
}

tasks::TaskOptions read_task_options(tasks::TaskKind task, JsonView parameters, const Call& call) {
  using tasks::TaskKind;
  switch (task) {
    case TaskKind::kEmbed:
      return read_embed_options(Fields("EmbedParameters", parameters), call);
    case TaskKind::kClassify:
    case TaskKind::kRerank:
      return read_classify_options(Fields("ClassifyParameters", parameters), call);
    case TaskKind::kNer:
      return read_ner_options(Fields("NerParameters", parameters), call);
    case TaskKind::kQa:
      return read_qa_options(Fields("QaParameters", parameters));
    case TaskKind::kFillMask:
      return read_fill_mask_options(Fields("FillMaskParameters", parameters), call);
    case TaskKind::kZeroShot:
      return read_zero_shot_options(Fields("ZeroShotParameters", parameters), call);
    case TaskKind::kEmbedSparse:
    case TaskKind::kEmbedMulti:
    case TaskKind::kEmbedAll:
      break;  // Hugging Face has no pipeline for these
  }
  return tasks::default_options(task);
}

InputReader reader_of(tasks::TaskKind task) {
  using tasks::TaskKind;
  switch (task) {
    case TaskKind::kQa:
      return read_question;
    case TaskKind::kClassify:
    case TaskKind::kRerank:
      return read_text_or_pair;
    case TaskKind::kEmbed:
    case TaskKind::kNer:
    case TaskKind::kFillMask:
    case TaskKind::kZeroShot:
    case TaskKind::kEmbedSparse:
    case TaskKind::kEmbedMulti:
    case TaskKind::kEmbedAll:
      return read_text;
  }
  return read_text;
}

tasks::TaskInput read_text(JsonView item, std::string_view key) {
  if (!item.is_string()) {
    fail(ErrorCode::kInvalidArgument, "`", key, "` must be a string or a list of strings");
  }
  return {std::string(item.as_string(key))};
}

tasks::TaskInput read_text_or_pair(JsonView item, std::string_view key) {
  if (item.is_string()) return {std::string(item.as_string(key))};
  if (!item.is_object()) {
    fail(ErrorCode::kInvalidArgument, "`", key,
         "` must be a string, {\"text\",\"text_pair\"}, or a list of them");
  }
  tasks::TaskInput input{std::string(required_string(item, "text"))};
  // An empty one is none, as for the pipeline itself.
  const auto pair = string_field(item, "text_pair");
  if (pair && !pair->empty()) input.pair = *pair;
  return input;
}

tasks::TaskInput read_question(JsonView item, std::string_view key) {
  if (!item.is_object()) {
    fail(ErrorCode::kInvalidArgument, "`", key,
         "` must be {\"question\",\"context\"}, or a list of them");
  }
  tasks::TaskInput input{std::string(required_string(item, "question"))};
  input.pair = std::string(required_string(item, "context"));
  return input;
}

bool read_items(JsonView items, std::string_view key, InputReader read, Request& request) {
  if (items.is_null()) fail(ErrorCode::kInvalidArgument, "`", key, "` is missing");
  std::vector<tasks::TaskInput>& inputs = request.inputs;
  if (!items.is_array()) {
    inputs.push_back(read(items, key));
    return false;
  }
  if (items.size() == 0) fail(ErrorCode::kInvalidArgument, "`", key, "` cannot be empty");
  request.budget->check_items(key, items.size());
  inputs.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) inputs.push_back(read(items.at(i), key));
  return true;
}

}  // namespace tamis::serve
