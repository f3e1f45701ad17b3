// The first module of a sentence-transformers folder: what sentence_bert_config.json says.
//
// Is: length, case, which output of the model is taken and for what. Is not: config.json. May use:
// base.
// Source: sentence_transformers/base/modules/transformer.py, Transformer.config_keys and __init__
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "formats/retrieval_modules.h"

namespace tamis {

/// What a Transformer module hands to the next.
enum class TransformerOutput : uint8_t {
  kTokenEmbeddings,   ///< the last hidden state
  kPoolerOutput,      ///< the model's own pooler, as the sentence embedding
  kScores,            ///< a sequence classification head: a cross-encoder
  kVocabularyLogits,  ///< a masked-word head of every token: SPLADE's
  kNextToken,         ///< scores of the token behind a conversation, which a LogitScore reads
  kStaticEmbedding,   ///< no transformer: the mean of the tokens' rows in a table
  kTokenWeights,      ///< no transformer: the weight of each token that occurs
};

inline constexpr std::string_view kDefaultTask = "feature-extraction";
inline constexpr std::string_view kFillMaskTask = "fill-mask";

struct TransformerModule {
  TransformerOutput output = TransformerOutput::kTokenEmbeddings;
  std::optional<int64_t> max_seq_length;  ///< in tokens, special ones included
  bool do_lower_case = false;             ///< a lower-casing normalizer before the tokenizer's own
  /// A JSON object of what stands in place of tokenizer_config.json's members; empty for none.
  std::string tokenizer_overrides = {};
  bool add_generation_prompt = false;  ///< of the chat template; kNextToken only
  bool has_late_keys = false;  ///< query_length, document_length or query_expansion is given ...
  LateInteractionConfig late;  ///< ... which this holds
};

/// Reads the first that is there of sentence_bert_config.json and its siblings for other families;
/// none: the defaults. `task` is what the module's class does where the file does not say. Throws
/// Error: kUnsupported (a task, output or argument that is not built), kCorruptData.
[[nodiscard]] TransformerModule read_transformer_module(const std::filesystem::path& folder,
                                                        std::string_view task = kDefaultTask);

}  // namespace tamis
