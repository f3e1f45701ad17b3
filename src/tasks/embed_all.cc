// A text's vector, its sparse weights and its tokens' vectors of one run (BGE-M3).
#include "tasks/steps.h"

namespace tamis::tasks {

void encode_task(const EmbedAllOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kEmbedAll);
  const std::string text =
      prompt_of_side(options.prompt, options.prompt_name, options.query, model) +
      encoded.input.text;
  append_side(text, options.query, options.truncation, model, encoded);
}

EmbedAllResult decode_task(const EmbedAllOptions& options, const TaskModel& model,
                           const Encoded& encoded, const TaskOutputs& outputs) {
  const Sequence& sequence = encoded.sequences[0];
  EmbedAllResult result;
  result.embedding = decode_task(EmbedOptions{}, model, encoded, outputs).embedding;
  result.sparse = {sparse_weights(outputs.get(kSparseEmbedding), sequence, std::nullopt, model),
                   encoded.truncated};
  result.multi = token_vectors(outputs.get(kTokenVectors), sequence, options.query, model);
  result.multi.truncated = result.truncated = encoded.truncated;
  return result;
}

}  // namespace tamis::tasks
