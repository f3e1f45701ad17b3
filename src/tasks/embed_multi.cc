// A vector for each token of a text, as ColBERT reads queries and documents, and MaxSim, which
// compares them.
// Source: colbert/modeling/tokenization/{query,doc}_tokenization.py, colbert/modeling/colbert.py
// (colbert_score) of https://github.com/stanford-futuredata/ColBERT
#include <algorithm>

#include "math/probabilities.h"
#include "tasks/steps.h"

#include "base/length_limit.h"

namespace tamis::tasks {

namespace {

const LateInteraction& late_interaction(const TaskModel& model) {
  if (model.late_interaction) return *model.late_interaction;
  fail(ErrorCode::kUnsupported, "the model has no vectors of tokens to compare");
}

void insert_token(Sequence& sequence, size_t place, int32_t id) {
  const auto at = static_cast<std::ptrdiff_t>(std::min(place, sequence.ids.size()));
  sequence.ids.insert(sequence.ids.begin() + at, id);
  if (!sequence.type_ids.empty()) sequence.type_ids.insert(sequence.type_ids.begin() + at, 0);
}

// Sixteen sums side by side, so that a compiler may keep them in vectors: the order of additions is
// the same everywhere.
float product(const float* a, const float* b, int64_t n) {
  constexpr int64_t kSums = 16;
  float sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int64_t j = 0; j < kSums; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float sum = 0;
  for (const float part : sums) sum += part;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void append_side(std::string_view text, bool query, const Truncation& truncation,
                 const TaskModel& model, Encoded& encoded) {
  const LateInteraction& late = late_interaction(model);
  const LateSide& side = query ? late.query : late.document;
  Truncation own = truncation;
  own.max_length = tighter_limit(truncation.max_length, side.length);
  tokenizer::EncodeOptions options = encode_options(own, model);
  const int64_t length = options.max_length;
  if (side.marker && length > 0) {
    if (length < 2)
      fail(ErrorCode::kInvalidArgument, "max_length must be at least 2, not ", length);
    options.max_length = length - 1;
  }
  append_sequence({text}, options, truncation, model, encoded);
  Sequence& sequence = encoded.sequences.back();
  if (side.marker) insert_token(sequence, 1, *side.marker);
  if (!query || !late.expansion) return;
  const int64_t own_tokens = sequence.size();
  while (sequence.size() < length) insert_token(sequence, sequence.ids.size(), *late.expansion);
  if (!late.attend_to_expansion) sequence.keys = static_cast<int32_t>(own_tokens);
}

EmbedMultiResult token_vectors(const TensorView& rows, const Sequence& sequence, bool query,
                               const TaskModel& model) {
  const LateInteraction& late = late_interaction(model);
  check_rows(rows, sequence.size());
  EmbedMultiResult result;
  const int64_t width = rows.shape()[1];
  result.columns = std::min(model.truncate_dim.value_or(width), width);
  for (int64_t i = late.skip_first ? 1 : 0; i < sequence.size(); ++i) {
    const int32_t id = sequence.ids[static_cast<size_t>(i)];
    if (!query && std::binary_search(late.skiplist.begin(), late.skiplist.end(), id)) continue;
    const auto row = row_of(rows, i).first(static_cast<size_t>(result.columns));
    result.vectors.insert(result.vectors.end(), row.begin(), row.end());
    if (model.truncate_dim) math::l2_normalize(std::span(result.vectors).last(row.size()));
    result.token_ids.push_back(id);
  }
  return result;
}

float max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document) {
  const int64_t n = query.columns;
  float score = 0;
  if (document.token_ids.empty()) return score;
  for (size_t q = 0; q < query.token_ids.size(); ++q) {
    const float* row = query.vectors.data() + q * static_cast<size_t>(n);
    float greatest = product(row, document.vectors.data(), n);
    for (size_t d = 1; d < document.token_ids.size(); ++d) {
      greatest =
          std::max(greatest, product(row, document.vectors.data() + d * static_cast<size_t>(n), n));
    }
    score += greatest;
  }
  return score;
}

float mean_max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document) {
  if (query.token_ids.empty()) return 0;
  return max_sim(query, document) / static_cast<float>(query.token_ids.size());
}

void encode_task(const EmbedMultiOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kEmbedMulti);
  const std::string text =
      prompt_of_side(options.prompt, options.prompt_name, options.query, model) +
      encoded.input.text;
  append_side(text, options.query, options.truncation, model, encoded);
}

EmbedMultiResult decode_task(const EmbedMultiOptions& options, const TaskModel& model,
                             const Encoded& encoded, const TaskOutputs& outputs) {
  EmbedMultiResult result =
      token_vectors(outputs.get(kTokenVectors), encoded.sequences[0], options.query, model);
  result.truncated = encoded.truncated;
  return result;
}

}  // namespace tamis::tasks
