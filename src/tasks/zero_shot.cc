// Labels of the caller's choice by an NLI model, as transformers' ZeroShotClassificationPipeline:
// each label becomes a hypothesis, and the entailment logit its score.
#include <algorithm>

#include "math/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

int64_t entailment_label(const TaskModel& model) {
  const auto labels = static_cast<int64_t>(model.labels.size());
  if (model.entailment_id) {
    if (*model.entailment_id >= 0 && *model.entailment_id < labels) return *model.entailment_id;
    fail(ErrorCode::kUnsupported, "zero-shot: config.json: label2id gives entailment the id ",
         *model.entailment_id, "; accepted are 0 to ", labels - 1);
  }
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

/// A template as Python's str.format takes it with one argument: the label stands between any two
/// neighboring pieces.
class Hypothesis {
 public:
  explicit Hypothesis(std::string_view text) : text_(text) {
    pieces_.emplace_back();
    for (size_t at = 0; at < text.size();) at = read(at);
    if (pieces_.size() == 1) refuse();
  }

  [[nodiscard]] std::string about(std::string_view label) const {
    std::string sentence = pieces_.front();
    for (size_t i = 1; i < pieces_.size(); ++i) sentence += cat(label, pieces_[i]);
    return sentence;
  }

 private:
  // Takes one character, doubled brace or field; where the next one begins.
  size_t read(size_t at) {
    const std::string_view rest = text_.substr(at);
    const char c = rest.front();
    if (c != '{' && c != '}') {
      pieces_.back() += c;
      return at + 1;
    }
    if (rest.size() > 1 && rest[1] == c) {
      pieces_.back() += c;
      return at + 2;
    }
    // Unnumbered fields are arguments one after the other, of which there is one.
    const bool numbered = rest.starts_with("{0}");
    const bool first = pieces_.size() == 1;
    if (!numbered && !(rest.starts_with("{}") && first)) refuse();
    if (!first && numbered != numbered_) refuse();
    numbered_ = numbered;
    pieces_.emplace_back();
    return at + (numbered ? 3 : 2);
  }

  [[noreturn]] void refuse() const {
    fail(ErrorCode::kInvalidArgument,
         "hypothesis_template must have one {} or any number of {0} for the label, and other "
         "braces doubled: \"",
         text_, "\"");
  }

  std::string_view text_;
  std::vector<std::string> pieces_;
  bool numbered_ = false;
};

/// Each label for itself: entailment against contradiction.
std::vector<float> independent_scores(const TensorView& logits, int64_t entailment) {
  const int64_t last = logits.shape()[1] - 1;
  const int64_t contradiction = entailment == 0 ? last : 0;
  std::vector<float> scores;
  for (int64_t i = 0; i < logits.shape()[0]; ++i) {
    const auto row = row_of(logits, i);
    float both[] = {row[static_cast<size_t>(contradiction)], row[static_cast<size_t>(entailment)]};
    math::softmax(both);
    scores.push_back(both[1]);
  }
  return scores;
}

std::vector<float> competing_scores(const TensorView& logits, int64_t entailment) {
  std::vector<float> scores;
  for (int64_t i = 0; i < logits.shape()[0]; ++i) {
    scores.push_back(row_of(logits, i)[static_cast<size_t>(entailment)]);
  }
  math::softmax(scores);
  return scores;
}

}  // namespace

void encode_task(const ZeroShotOptions& options, const TaskModel& model, Encoded& encoded) {
  const Hypothesis hypothesis(options.hypothesis_template);
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
    const std::string pair = hypothesis.about(label);
    append_sequence({encoded.input.text, pair}, encode, options.truncation, model, encoded);
  }
}

ZeroShotResult decode_task(const ZeroShotOptions& options, const TaskModel& model,
                           const Encoded& encoded, const TaskOutputs& outputs) {
  const TensorView& output = outputs.get(kLogits);
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
