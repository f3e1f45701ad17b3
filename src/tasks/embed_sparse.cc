// Weights of the vocabulary's tokens for a text, as sentence-transformers' SparseEncoder and BGE-M3
// give them.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/length_limit.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

using WeightsById = std::map<int32_t, float>;

// The greatest weight of each of the text's tokens, as BGE-M3 has it: tokens that no text is made
// of count nothing.
WeightsById weights_of_tokens(std::span<const float> weights, const Sequence& sequence,
                              const TaskModel& model) {
  WeightsById greatest;
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (weights[i] <= 0) continue;
    float& known = greatest[sequence.ids[i]];
    known = std::max(known, weights[i]);
  }
  if (model.tokenizer == nullptr) return greatest;
  const tokenizer::SpecialIds& special = model.tokenizer->special_ids();
  for (const auto& id :
       {special.cls, special.sep, special.bos, special.eos, special.pad, special.unk}) {
    if (id) greatest.erase(*id);
  }
  return greatest;
}

WeightsById weights_of_vocabulary(std::span<const float> row) {
  WeightsById weights;
  for (size_t id = 0; id < row.size(); ++id) {
    if (row[id] > 0) weights.emplace_hint(weights.end(), static_cast<int32_t>(id), row[id]);
  }
  return weights;
}

std::string name_of(int32_t id, const TaskModel& model) {
  if (model.tokenizer != nullptr) {
    if (const std::string_view token = model.tokenizer->id_to_token(id); !token.empty()) {
      return std::string(token);
    }
  }
  return cat("[id ", id, "]");  // a row of the table behind the vocabulary
}

std::vector<SparseWeight> ranked_weights(const WeightsById& by_id,
                                         const std::optional<int64_t>& top_k,
                                         const TaskModel& model) {
  std::vector<SparseWeight> weights;
  for (const auto& [id, weight] : by_id) weights.push_back({id, weight, {}});
  const auto kept = std::min(weights.size(), static_cast<size_t>(top_k.value_or(INT64_MAX)));
  std::partial_sort(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(kept),
                    weights.end(), [](const SparseWeight& a, const SparseWeight& b) {
                      return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
                    });
  weights.resize(kept);
  for (SparseWeight& item : weights) item.token = name_of(item.id, model);
  return weights;
}

std::string whole_text(const EmbedSparseOptions& options, const TaskModel& model,
                       const Encoded& encoded) {
  return prompt_of_side(options.prompt, options.prompt_name, options.query, model) +
         encoded.input.text;
}

// How a query is read that no model reads.
tokenizer::EncodeOptions query_options(const EmbedSparseOptions& options, const TaskModel& model) {
  tokenizer::EncodeOptions encode = encode_options(options.truncation, model);
  encode.add_special_tokens = false;
  if (model.query_max_length) {
    encode.max_length = tighter_limit(options.truncation.max_length, *model.query_max_length);
  }
  return encode;
}

tokenizer::Encoding query_tokens(const EmbedSparseOptions& options, const TaskModel& model,
                                 const Encoded& encoded) {
  return model.tokenizer->encode(whole_text(options, model, encoded),
                                 query_options(options, model));
}

// Each token that is there has its weight, as SparseStaticEmbedding gives it.
WeightsById query_weights(std::span<const int32_t> ids, const std::vector<float>& weights) {
  WeightsById found;
  for (const int32_t id : ids) {
    const auto at = static_cast<size_t>(id);
    if (at < weights.size() && weights[at] != 0) found[id] = weights[at];
  }
  return found;
}

}  // namespace

std::vector<SparseWeight> sparse_weights(const TensorView& output, const Sequence& sequence,
                                         const std::optional<int64_t>& top_k,
                                         const TaskModel& model) {
  const bool by_token = output.shape()[1] == 1;
  check_rows(output, by_token ? sequence.size() : 1);
  WeightsById weights = by_token ? weights_of_tokens(output.as<float>(), sequence, model)
                                 : weights_of_vocabulary(output.as<float>());
  if (model.sparse_log_twice) {
    for (auto& item : weights) item.second = std::log1p(item.second);
  }
  return ranked_weights(weights, top_k, model);
}

void encode_task(const EmbedSparseOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kEmbedSparse);
  check_least("top_k", options.top_k, 1);
  if ((options.query || model.weighs_documents) && model.query_weights != nullptr) {
    encoded.truncated = query_tokens(options, model, encoded).truncated;
    if (!encoded.truncated || options.truncation.enabled) return;
    fail(ErrorCode::kInvalidArgument, "the text has more tokens than the ",
         query_options(options, model).max_length, " that are taken, and truncation is off");
  }
  const std::string text = whole_text(options, model, encoded);
  append_sequence({text}, encode_options(options.truncation, model), options.truncation, model,
                  encoded);
}

EmbedSparseResult decode_task(const EmbedSparseOptions& options, const TaskModel& model,
                              const Encoded& encoded, const TaskOutputs& outputs) {
  if (encoded.sequences.empty()) {
    TAMIS_CHECK(model.query_weights != nullptr);
    const tokenizer::Encoding tokens = query_tokens(options, model, encoded);
    return {ranked_weights(query_weights(tokens.ids, *model.query_weights), options.top_k, model),
            encoded.truncated};
  }
  if (model.weighs_documents) {  // token ids as they came
    const WeightsById weights = query_weights(encoded.sequences[0].ids, *model.query_weights);
    return {ranked_weights(weights, options.top_k, model), encoded.truncated};
  }
  return {sparse_weights(outputs.get(kSparseEmbedding), encoded.sequences[0], options.top_k, model),
          encoded.truncated};
}

}  // namespace tamis::tasks
