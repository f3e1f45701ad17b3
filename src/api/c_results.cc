#include "api/c_results.h"

#include <utility>

namespace tamis::api {

namespace {

// Moves `value` to where the results keep it; the structs may point into what is given back.
template <typename Value>
const Value& keep(tamis_results& results, Value value) {
  auto kept = std::make_shared<const Value>(std::move(value));
  const Value& reference = *kept;
  results.owner = std::move(kept);
  return reference;
}

std::unique_ptr<tamis_results> make(CResultKind kind, size_t count) {
  auto results = std::make_unique<tamis_results>();
  results->kind = kind;
  results->count = count;
  results->truncated.resize(count, false);
  return results;
}

std::vector<tamis_label_score> c_labels(const std::vector<LabelScore>& scores) {
  std::vector<tamis_label_score> out;
  for (const LabelScore& item : scores) {
    out.push_back({c_string(item.label), item.score, item.id});
  }
  return out;
}

std::vector<tamis_sparse_weight> c_sparse(const EmbedSparseResult& result) {
  std::vector<tamis_sparse_weight> out;
  for (const SparseWeight& item : result.weights) {
    out.push_back({c_string(item.token), item.id, item.weight});
  }
  return out;
}

std::vector<tamis_entity> c_entities(const std::vector<Entity>& entities) {
  std::vector<tamis_entity> out;
  for (const Entity& item : entities) {
    out.push_back(
        {c_string(item.label), c_string(item.word), item.score, item.index, item.start, item.end});
  }
  return out;
}

std::vector<tamis_masked_token> c_masked(const std::vector<MaskedToken>& tokens) {
  std::vector<tamis_masked_token> out;
  for (const MaskedToken& item : tokens) {
    out.push_back({c_string(item.token_str), c_string(item.sequence), item.score, item.token});
  }
  return out;
}

}  // namespace

std::unique_ptr<tamis_results> c_results(std::vector<ClassifyResult> results) {
  auto out = make(CResultKind::kLabels, results.size());
  size_t at = 0;
  for (const ClassifyResult& result : keep(*out, std::move(results))) {
    out->labels.push_back(c_labels(result.scores));
    out->logits.push_back(result.logits);
    out->truncated[at++] = result.truncated;
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<ZeroShotResult> results) {
  auto out = make(CResultKind::kLabels, results.size());
  size_t at = 0;
  for (const ZeroShotResult& result : keep(*out, std::move(results))) {
    out->labels.push_back(c_labels(result.scores));
    out->truncated[at++] = result.truncated;
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<EmbedSparseResult> results) {
  auto out = make(CResultKind::kSparse, results.size());
  size_t at = 0;
  for (const EmbedSparseResult& result : keep(*out, std::move(results))) {
    out->sparse.push_back(c_sparse(result));
    out->truncated[at++] = result.truncated;
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<EmbedMultiResult> results) {
  auto out = make(CResultKind::kVectors, results.size());
  for (size_t i = 0; i < results.size(); ++i) out->truncated[i] = results[i].truncated;
  out->vectors = std::move(results);
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<EmbedAllResult> results) {
  auto out = make(CResultKind::kAllEmbeddings, results.size());
  std::vector<EmbedSparseResult> sparse;
  for (size_t i = 0; i < results.size(); ++i) {
    out->truncated[i] = results[i].truncated;
    out->embeddings.push_back(std::move(results[i].embedding));
    out->vectors.push_back(std::move(results[i].multi));
    sparse.push_back(std::move(results[i].sparse));
  }
  for (const EmbedSparseResult& result : keep(*out, std::move(sparse))) {
    out->sparse.push_back(c_sparse(result));
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(const RerankResult& result) {
  auto out = make(CResultKind::kRanked, 1);
  for (const RankedText& item : result.results) out->ranked.push_back({item.index, item.score});
  out->truncated[0] = result.truncated;
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<NerResult> results) {
  auto out = make(CResultKind::kEntities, results.size());
  size_t at = 0;
  for (const NerResult& result : keep(*out, std::move(results))) {
    out->entities.push_back(c_entities(result.entities));
    out->truncated[at++] = result.truncated;
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(QaResult result) {
  auto out = make(CResultKind::kAnswers, 1);
  for (const Answer& item : keep(*out, std::move(result)).answers) {
    out->answers.push_back({c_string(item.answer), item.score, item.start, item.end});
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(std::vector<FillMaskResult> results) {
  auto out = make(CResultKind::kMasked, results.size());
  size_t at = 0;
  for (const FillMaskResult& result : keep(*out, std::move(results))) {
    out->masked.emplace_back();
    for (const auto& mask : result.masks) out->masked.back().push_back(c_masked(mask));
    out->truncated[at++] = result.truncated;
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(Tokens tokens) {
  auto out = make(CResultKind::kTokens, 1);
  const Tokens& kept = keep(*out, std::move(tokens));
  for (size_t i = 0; i < kept.ids.size(); ++i) {
    out->tokens.push_back(
        {c_string(kept.tokens[i]), kept.ids[i], kept.offsets[i].first, kept.offsets[i].second});
  }
  return out;
}

std::unique_ptr<tamis_results> c_results(Matrix matrix) {
  auto out = make(CResultKind::kMatrix, 1);
  out->matrix = std::move(matrix);
  return out;
}

std::unique_ptr<tamis_results> c_results(std::string text) {
  auto out = make(CResultKind::kText, 1);
  out->text = std::move(text);
  return out;
}

}  // namespace tamis::api
