// Texts sorted by a cross-encoder, as sentence-transformers' CrossEncoder.rank() does.
#include "kernels/reference/reference.h"
#include "tasks/steps.h"

namespace tamis::tasks {

void encode_task(const RerankOptions& options, const TaskModel& model, Encoded& encoded) {
  check_least("top_k", options.top_k, 1);
  if (model.labels.size() != 1) {
    fail(ErrorCode::kUnsupported, "rerank needs a model with one label; this one has ",
         model.labels.size(), ": use classify with pairs");
  }
  if (encoded.input.pair) {
    fail(ErrorCode::kInvalidArgument, "rerank takes a query and texts, not a pair");
  }
  for (const std::string& text : encoded.input.texts) {
    append_pair(encoded.input.text, text, options.truncation, model, encoded);
  }
}

RerankResult decode_task(const RerankOptions& options, const TaskModel& model,
                         const Encoded& encoded, const TensorView& output) {
  check_rows(output, static_cast<int64_t>(encoded.sequences.size()));
  if (encoded.sequences.empty()) return {};
  check_labels(output, model);
  const auto logits = output.as<float>();
  std::vector<float> scores(logits.begin(), logits.end());
  if (!options.raw_scores) {
    const auto activation = model.cross_encoder_activation.value_or(Activation::kSigmoid);
    kernels::reference::activate(activation, logits, scores);
  }
  RerankResult result;
  result.truncated = encoded.truncated;
  for (const int64_t i : top_indices(scores, options.top_k.value_or(INT64_MAX))) {
    const auto at = static_cast<size_t>(i);
    result.results.push_back({i, scores[at], encoded.input.texts[at]});
  }
  return result;
}

}  // namespace tamis::tasks
