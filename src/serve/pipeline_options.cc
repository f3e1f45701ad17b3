#include "serve/pipeline_options.h"

#include <algorithm>

namespace tamis::serve {

namespace {

// true and false, or the tokenizers' own words for them.
std::optional<bool> truncation_switch(JsonView parameters, std::string_view key) {
  const JsonView field = parameters.get(key);
  if (!field.is_string()) return bool_field(parameters, key);
  static constexpr std::string_view kOn[] = {"only_first", "only_second", "longest_first"};
  const std::string_view word = field.as_string(key);
  if (word == "do_not_truncate") return false;
  if (std::find(std::begin(kOn), std::end(kOn), word) != std::end(kOn)) return true;
  fail(ErrorCode::kInvalidArgument, "`", key,
       "` must be true, false, only_first, only_second, longest_first or do_not_truncate");
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Truncation read_pipeline_truncation(JsonView parameters, const Call& call) {
  Truncation truncation;
  truncation.enabled = call.options().auto_truncate;
  for (const std::string_view key : {"truncation", "truncate"}) {
    if (const auto on = truncation_switch(parameters, key)) truncation.enabled = *on;
  }
  truncation.max_length = int_field(parameters, "max_length", 1).value_or(0);
  if (const auto side = string_field(parameters, "truncation_direction")) {
    const bool left = equal_ignoring_case(*side, "left");
    if (!left && !equal_ignoring_case(*side, "right")) {
      fail(ErrorCode::kInvalidArgument, "`truncation_direction` must be left or right");
    }
    truncation.side = left ? Side::kLeft : Side::kRight;
  }
  return truncation;
}

tasks::EmbedOptions read_embed_options(JsonView parameters, const Call& call) {
  tasks::EmbedOptions options;
  options.normalize = bool_field(parameters, "normalize");
  options.dimensions = int_field(parameters, "dimensions", 1);
  if (const auto name = string_field(parameters, "prompt_name")) options.prompt_name = *name;
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::ClassifyOptions read_classify_options(JsonView parameters, const Call& call) {
  tasks::ClassifyOptions options;
  options.top_k = int_field(parameters, "top_k", 1);
  if (const auto name = string_field(parameters, "function_to_apply")) {
    options.function = tasks::score_function_from_name(*name);
    if (!options.function) {
      fail(ErrorCode::kInvalidArgument, "`function_to_apply` must be softmax, sigmoid or none");
    }
  }
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::NerOptions read_ner_options(JsonView parameters, const Call& call) {
  tasks::NerOptions options;
  if (const auto name = string_field(parameters, "aggregation_strategy")) {
    const auto aggregation = tasks::aggregation_from_name(*name);
    if (!aggregation) {
      fail(ErrorCode::kInvalidArgument,
           "`aggregation_strategy` must be none, simple, first, average or max");
    }
    options.aggregation = *aggregation;
  }
  if (const JsonView labels = parameters.get("ignore_labels"); !labels.is_null()) {
    options.ignore_labels = strings_of(labels, "ignore_labels");
  }
  options.stride = int_field(parameters, "stride", 0);
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::QaOptions read_qa_options(JsonView parameters) {
  tasks::QaOptions options;
  options.top_k = int_field(parameters, "top_k", 1);
  if (const auto most = int_field(parameters, "max_answer_len", 1)) options.max_answer_len = *most;
  options.handle_impossible_answer =
      bool_field(parameters, "handle_impossible_answer").value_or(false);
  options.align_to_words = bool_field(parameters, "align_to_words").value_or(true);
  options.max_seq_len = int_field(parameters, "max_seq_len", 1);
  options.doc_stride = int_field(parameters, "doc_stride", 0);
  options.max_question_len = int_field(parameters, "max_question_len", 1);
  return options;
}

tasks::FillMaskOptions read_fill_mask_options(JsonView parameters, const Call& call) {
  tasks::FillMaskOptions options;
  if (const auto most = int_field(parameters, "top_k", 1)) options.top_k = *most;
  if (const JsonView targets = parameters.get("targets"); targets.is_string()) {
    options.targets = {std::string(targets.as_string("targets"))};
  } else if (!targets.is_null()) {
    options.targets = strings_of(targets, "targets");
  }
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

tasks::ZeroShotOptions read_zero_shot_options(JsonView parameters, const Call& call) {
  tasks::ZeroShotOptions options;
  if (const auto text = string_field(parameters, "hypothesis_template")) {
    options.hypothesis_template = *text;
  }
  options.multi_label = bool_field(parameters, "multi_label").value_or(false);
  options.truncation = read_pipeline_truncation(parameters, call);
  return options;
}

std::vector<std::string> read_candidate_labels(JsonView parameters) {
  constexpr std::string_view kKey = "candidate_labels";
  const JsonView field = parameters.get(kKey);
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
    labels = strings_of(field, kKey);
  }
  if (labels.empty()) fail(ErrorCode::kInvalidArgument, "`", kKey, "` cannot be empty");
  return labels;
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
  if (const auto pair = string_field(item, "text_pair")) input.pair = *pair;
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

bool read_items(JsonView items, std::string_view key, const Call& call,
                tasks::TaskInput (*read)(JsonView, std::string_view),
                std::vector<tasks::TaskInput>& inputs) {
  if (items.is_null()) fail(ErrorCode::kInvalidArgument, "`", key, "` is missing");
  if (!items.is_array()) {
    inputs.push_back(read(items, key));
    return false;
  }
  if (items.size() == 0) fail(ErrorCode::kInvalidArgument, "`", key, "` cannot be empty");
  if (items.size() > static_cast<size_t>(call.options().max_items)) {
    fail(ErrorCode::kInvalidArgument, "`", key, "` has ", items.size(),
         " items; this server takes at most ", call.options().max_items, " a request");
  }
  inputs.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) inputs.push_back(read(items.at(i), key));
  return true;
}

}  // namespace tamis::serve
