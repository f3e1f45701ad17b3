// Labels of the caller's choice by an NLI model, as transformers' ZeroShotClassificationPipeline:
// each label becomes a hypothesis, and the entailment logit its score.
#include <algorithm>

#include "kernels/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

int64_t entailment_label(const TaskModel& model) {
  const auto found = std::find_if(
      model.labels.begin(), model.labels.end(),
      [](const std::string& label) { return lower_case(label).starts_with("entail"); });
  if (found == model.labels.end()) {
    fail(ErrorCode::kUnsupported,
         "zero-shot needs a model for natural language inference: one of its labels must begin "
         "with \"entail\"");
  }
  return found - model.labels.begin();
}

/// The template around its "{}".
struct Hypothesis {
  std::string_view before;
  std::string_view after;
};

Hypothesis parse_template(std::string_view text) {
  const size_t at = text.find('{');
  const bool once = at != std::string_view::npos && text.substr(at, 2) == "{}" &&
                    text.find('{', at + 1) == std::string_view::npos && text.find('}') == at + 1 &&
                    text.find('}', at + 2) == std::string_view::npos;
  if (!once) {
    fail(ErrorCode::kInvalidArgument, "hypothesis_template must have one {} for the label: \"",
         text, "\"");
  }
  return {text.substr(0, at), text.substr(at + 2)};
}

/// Each label for itself: entailment against contradiction.
std::vector<float> independent_scores(const TensorView& logits, int64_t entailment) {
  const int64_t last = logits.shape()[1] - 1;
  const int64_t contradiction = entailment == 0 ? last : 0;
  std::vector<float> scores;
  for (int64_t i = 0; i < logits.shape()[0]; ++i) {
    const auto row = row_of(logits, i);
    float both[] = {row[static_cast<size_t>(contradiction)], row[static_cast<size_t>(entailment)]};
    kernels::softmax(both);
    scores.push_back(both[1]);
  }
  return scores;
}

std::vector<float> competing_scores(const TensorView& logits, int64_t entailment) {
  std::vector<float> scores;
  for (int64_t i = 0; i < logits.shape()[0]; ++i) {
    scores.push_back(row_of(logits, i)[static_cast<size_t>(entailment)]);
  }
  kernels::softmax(scores);
  return scores;
}

}  // namespace

void encode_task(const ZeroShotOptions& options, const TaskModel& model, Encoded& encoded) {
  const Hypothesis hypothesis = parse_template(options.hypothesis_template);
  if (encoded.input.pair) {
    fail(ErrorCode::kInvalidArgument, "zero-shot takes a text and labels, not a pair");
  }
  if (encoded.input.text.empty() || encoded.input.texts.empty()) {
    fail(ErrorCode::kInvalidArgument,
         "zero-shot needs a text that is not empty and at least one "
         "label");
  }
  static_cast<void>(entailment_label(model));
  auto encode = encode_options(options.truncation, model);
  // Only the text is cut, never the label.
  encode.strategy = tokenizer::TruncationStrategy::kOnlyFirst;
  for (const std::string& label : encoded.input.texts) {
    const std::string pair = cat(hypothesis.before, label, hypothesis.after);
    append_sequence({encoded.input.text, pair}, encode, options.truncation, model, encoded);
  }
}

ZeroShotResult decode_task(const ZeroShotOptions& options, const TaskModel& model,
                           const Encoded& encoded, const TensorView& output) {
  const auto labels = static_cast<int64_t>(encoded.input.texts.size());
  check_rows(output, labels);
  check_labels(output, model);
  const int64_t entailment = entailment_label(model);
  const auto scores = options.multi_label || labels == 1 ? independent_scores(output, entailment)
                                                         : competing_scores(output, entailment);
  // The pipeline reverses a rising order: of equals the later label comes first.
  const std::vector<float> reversed(scores.rbegin(), scores.rend());
  ZeroShotResult result;
  result.sequence = encoded.input.text;
  result.truncated = encoded.truncated;
  for (const int64_t i : top_indices(reversed, labels)) {
    const auto at = static_cast<size_t>(labels - 1 - i);
    result.scores.push_back({encoded.input.texts[at], scores[at]});
  }
  return result;
}

}  // namespace tamis::tasks
