// Answers as the C face hands them out: arrays of plain structs over strings that stay alive.
//
// Is: what tamis_results stands for. Is not: the functions that fill one (c_abi.cc). May use: the
// public face.
#pragma once

#include <tamis/model.h>
#include <tamis/tamis.h>

#include <memory>
#include <string>
#include <vector>

namespace tamis::api {

/// What a tamis_results holds, and so which of its readers may be called.
enum class CResultKind {
  kLabels,
  kRanked,
  kEntities,
  kAnswers,
  kMasked,
  kTokens,
  kMatrix,
  kText,
  kSparse,
  kVectors,
  kAllEmbeddings,  ///< an embedding, what kSparse holds and what kVectors holds
};

/// A view of a string that ends with NUL.
[[nodiscard]] inline tamis_string c_string(const std::string& text) {
  return {text.c_str(), text.size()};
}

// Each keeps what its structs point into.
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<ClassifyResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<ZeroShotResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<EmbedSparseResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<EmbedMultiResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<EmbedAllResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(const RerankResult& result);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<NerResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(QaResult result);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::vector<FillMaskResult> results);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(Tokens tokens);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(Matrix matrix);
[[nodiscard]] std::unique_ptr<tamis_results> c_results(std::string text);

}  // namespace tamis::api

/// Lists are one an input.
struct tamis_results {
  tamis::api::CResultKind kind = tamis::api::CResultKind::kText;
  size_t count = 0;
  std::vector<bool> truncated;
  std::vector<std::vector<tamis_label_score>> labels;
  std::vector<std::vector<float>> logits;
  std::vector<tamis_ranked_text> ranked;
  std::vector<std::vector<tamis_entity>> entities;
  std::vector<tamis_answer_span> answers;
  std::vector<std::vector<std::vector<tamis_masked_token>>> masked;
  std::vector<tamis_token> tokens;
  std::vector<std::vector<tamis_sparse_weight>> sparse;
  std::vector<tamis::EmbedMultiResult> vectors;
  std::vector<std::vector<float>> embeddings;
  tamis::Matrix matrix;
  std::string text;
  std::shared_ptr<const void> owner;  ///< of the strings
};
