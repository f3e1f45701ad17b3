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

namespace tamis {

/// What a Transformer module hands to the next.
enum class TransformerOutput : uint8_t {
  kTokenEmbeddings,  ///< the last hidden state
  kPoolerOutput,     ///< the model's own pooler, as the sentence embedding
  kScores,           ///< a sequence classification head: a cross-encoder
  kNextToken,        ///< scores of the token behind a conversation, which a LogitScore reads
};

struct TransformerModule {
  TransformerOutput output = TransformerOutput::kTokenEmbeddings;
  std::optional<int64_t> max_seq_length;  ///< in tokens, special ones included
  bool do_lower_case = false;             ///< a lower-casing normalizer before the tokenizer's own
  /// A JSON object of what stands in place of tokenizer_config.json's members; empty for none.
  std::string tokenizer_overrides = {};
  bool add_generation_prompt = false;  ///< of the chat template; kNextToken only
};

/// Reads the first that is there of sentence_bert_config.json and its siblings for other families;
/// none: the defaults. Throws Error: kUnsupported (a task, output or argument that is not built),
/// kCorruptData.
[[nodiscard]] TransformerModule read_transformer_module(const std::filesystem::path& folder);

}  // namespace tamis
