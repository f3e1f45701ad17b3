// The answers of the tasks: plain data, one struct a task.
//
// Offsets are code points of the original text; scores are float32 as in Hugging Face's pipelines.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tamis {

struct EmbedResult {
  std::vector<float> embedding;
  bool truncated = false;
};

struct SparseWeight {
  int32_t id = 0;     ///< of the token
  float weight = 0;   ///< above 0 where the model learned it
  std::string token;  ///< as it stands in the vocabulary
};

struct EmbedSparseResult {
  std::vector<SparseWeight> weights;  ///< falling; equals by rising id
  bool truncated = false;
};

struct EmbedMultiResult {
  int64_t columns = 0;             ///< of a vector
  std::vector<float> vectors;      ///< [token_ids.size(), columns]
  std::vector<int32_t> token_ids;  ///< of the tokens that count, in their order
  bool truncated = false;
};

struct EmbedAllResult {
  std::vector<float> embedding;
  EmbedSparseResult sparse;
  EmbedMultiResult multi;
  bool truncated = false;
};

struct LabelScore {
  std::string label;
  float score = 0;
  /// The label's place in the model's labels; -1 for labels of the caller's.
  int64_t id = -1;
};

struct ClassifyResult {
  std::vector<LabelScore> scores;  ///< falling, at most top_k, at least one
  std::vector<float> logits;       ///< all of them, in id2label's order
  bool truncated = false;
};

struct RankedText {
  int64_t index = 0;  ///< in TaskInput::texts
  float score = 0;
  std::string text;
};

struct RerankResult {
  std::vector<RankedText> results;  ///< falling; equals keep the order of the input
  bool truncated = false;
};

struct Entity {
  std::string label;  ///< "B-PER" without aggregation, else "PER"
  float score = 0;
  int64_t index = 0;  ///< of the token in its window; only without aggregation
  std::string word;   ///< the decoded tokens; the text itself is [start, end)
  int64_t start = 0;
  int64_t end = 0;
};

struct NerResult {
  std::vector<Entity> entities;
  bool grouped = true;  ///< an aggregation was asked for
  bool truncated = false;
};

struct Answer {
  std::string answer;
  float score = 0;
  int64_t start = 0;
  int64_t end = 0;
};

struct QaResult {
  std::vector<Answer> answers;  ///< falling, at most top_k; none if the context has no token
  bool list = false;            ///< top_k was asked for
};

struct MaskedToken {
  float score = 0;
  int32_t token = 0;
  std::string token_str;
  std::string sequence;
};

struct FillMaskResult {
  std::vector<std::vector<MaskedToken>> masks;  ///< one list a mask token, falling
  bool truncated = false;
};

struct ZeroShotResult {
  std::string sequence;
  std::vector<LabelScore> scores;  ///< falling
  bool truncated = false;
};

using TaskResult =
    std::variant<EmbedResult, ClassifyResult, RerankResult, NerResult, QaResult, FillMaskResult,
                 ZeroShotResult, EmbedSparseResult, EmbedMultiResult, EmbedAllResult>;

}  // namespace tamis
