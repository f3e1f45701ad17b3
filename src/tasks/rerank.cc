// Texts sorted by a cross-encoder, as sentence-transformers' CrossEncoder.rank() does, or by MaxSim
// of their tokens' vectors.
#include "kernels/reference/reference.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

// The query, then the texts, each for itself.
void encode_sides(const RerankOptions& options, const TaskModel& model, Encoded& encoded) {
  const auto side = [&](std::string_view text, bool query) {
    const std::string& prompt = prompt_of_side(std::nullopt, std::nullopt, query, model);
    append_side(cat(prompt, text), query, options.truncation, model, encoded);
  };
  if (encoded.input.texts.empty()) return;
  side(encoded.input.text, true);
  for (const std::string& text : encoded.input.texts) side(text, false);
}

// Of each text by MaxSim.
std::vector<float> late_scores(const TaskModel& model, const Encoded& encoded,
                               const TensorView& output) {
  check_rows(output, encoded.tokens());
  std::vector<float> scores;
  EmbedMultiResult query;
  int64_t row = 0;
  for (size_t i = 0; i < encoded.sequences.size(); ++i) {
    const Sequence& sequence = encoded.sequences[i];
    const int64_t width = output.shape()[1];
    const TensorView rows(DType::kF32, {sequence.size(), width},
                          output.as<float>().data() + row * width);
    EmbedMultiResult vectors = token_vectors(rows, sequence, i == 0, model);
    if (i == 0) {
      query = std::move(vectors);
    } else {
      scores.push_back(model.mean_max_sim ? mean_max_sim(query, vectors) : max_sim(query, vectors));
    }
    row += sequence.size();
  }
  return scores;
}

// Of each text by a cross-encoder.
std::vector<float> pair_scores(const RerankOptions& options, const TaskModel& model,
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
  return scores;
}

}  // namespace

void encode_task(const RerankOptions& options, const TaskModel& model, Encoded& encoded) {
  check_least("top_k", options.top_k, 1);
  if (encoded.input.pair) {
    fail(ErrorCode::kInvalidArgument, "rerank takes a query and texts, not a pair");
  }
  if (model.late_interaction) return encode_sides(options, model, encoded);
  if (model.labels.size() != 1) {
    fail(ErrorCode::kUnsupported, "rerank needs a model with one label; this one has ",
         model.labels.size(), ": use classify with pairs");
  }
  for (const std::string& text : encoded.input.texts) {
    append_pair(encoded.input.text, text, options.truncation, model, encoded);
  }
}

RerankResult decode_task(const RerankOptions& options, const TaskModel& model,
                         const Encoded& encoded, const TaskOutputs& outputs) {
  const std::vector<float> scores =
      model.late_interaction ? late_scores(model, encoded, outputs.get(kTokenVectors))
                             : pair_scores(options, model, encoded, outputs.get(kLogits));
  RerankResult result;
  result.truncated = encoded.truncated;
  for (const int64_t i : top_indices(scores, options.top_k.value_or(INT64_MAX))) {
    const auto at = static_cast<size_t>(i);
    result.results.push_back({i, scores[at], encoded.input.texts[at]});
  }
  return result;
}

}  // namespace tamis::tasks
