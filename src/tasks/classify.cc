// Labels for a text or a pair, as transformers' TextClassificationPipeline gives them.
#include "math/probabilities.h"
#include "tasks/steps.h"

namespace tamis::tasks {

ScoreFunction default_score_function(Problem problem, size_t labels) {
  switch (problem) {
    case Problem::kRegression:
      return ScoreFunction::kNone;
    case Problem::kMultiLabel:
      return ScoreFunction::kSigmoid;
    case Problem::kSingleLabel:
    case Problem::kUnknown:
      return labels == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kSoftmax;
  }
  TAMIS_CHECK(false);
}

void encode_task(const ClassifyOptions& options, const TaskModel& model, Encoded& encoded) {
  check_least("top_k", options.top_k, 1);
  if (!encoded.input.texts.empty()) {
    fail(ErrorCode::kInvalidArgument, "classify takes one text or a pair a request");
  }
  if (!model.pair_template.empty()) {
    if (!encoded.input.pair) {
      fail(ErrorCode::kUnsupported,
           "this reranker reads a query and a document in one text: a single text is not built");
    }
    return append_pair(encoded.input.text, *encoded.input.pair, options.truncation, model, encoded);
  }
  if (!prompt_named(std::nullopt, model).empty()) {
    fail(ErrorCode::kUnsupported, "default_prompt_name \"", *model.default_prompt_name,
         "\" of config_sentence_transformers.json stands before the query of rerank; classify with "
         "it is not built");
  }
  tokenizer::TextInput text{encoded.input.text};
  if (encoded.input.pair) text.pair = *encoded.input.pair;
  append_sequence(text, encode_options(options.truncation, model), options.truncation, model,
                  encoded);
}

ClassifyResult decode_task(const ClassifyOptions& options, const TaskModel& model,
                           const Encoded& encoded, const TaskOutputs& outputs) {
  const TensorView& output = outputs.get(kLogits);
  check_rows(output, 1);
  check_labels(output, model);
  const auto row = row_of(output, 0);
  ClassifyResult result;
  result.logits.assign(row.begin(), row.end());
  result.truncated = encoded.truncated;

  std::vector<float> scores = result.logits;
  switch (options.function.value_or(default_score_function(model.problem, model.labels.size()))) {
    case ScoreFunction::kSoftmax:
      math::softmax(scores);
      break;
    case ScoreFunction::kSigmoid:
      math::sigmoid(scores);
      break;
    case ScoreFunction::kNone:
      break;
  }
  for (const int64_t i : top_indices(scores, options.top_k.value_or(INT64_MAX))) {
    result.scores.push_back({label_of(model, i), scores[static_cast<size_t>(i)], i});
  }
  return result;
}

}  // namespace tamis::tasks
