// What sentence-transformers writes beside a Hugging Face model: modules.json and its folders.
//
// Is: pooling, Dense layers, normalization, prompts, maximum length, as data. Is not: their
// arithmetic. Modules other than Transformer (MLMTransformer), StaticEmbedding, Pooling,
// SpladePooling, Dense, LayerNorm, MultiVectorMask, Normalize, LogitScore, Dropout (which does
// nothing here) and a Router of queries and documents are refused by name. May use: base, tensor.
// Source: https://github.com/huggingface/sentence-transformers, the modules' config_keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/activation.h"
#include "base/pooling.h"
#include "base/text_template.h"
#include "formats/dense_module.h"
#include "formats/retrieval_modules.h"
#include "formats/setfit/setfit_head.h"
#include "formats/transformer_module.h"

namespace tamis {

/// Of "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken".
[[nodiscard]] std::optional<Pooling> pooling_mode_from_name(std::string_view name);

struct PoolingConfig {
  std::vector<Pooling> modes;  ///< one or more; their results are concatenated in this order
  std::optional<int64_t> embedding_dimension;  ///< of a token, if the file says so
  bool include_prompt = true;  ///< false: the prompt's tokens are left out of the pooling
};

/// (x - mean(x)) / sqrt(variance(x) + 1e-5) * weight + bias.
struct LayerNormConfig {
  std::shared_ptr<const Tensor> weight;  ///< [width], a float dtype
  std::shared_ptr<const Tensor> bias;    ///< as weight
  std::string folder;                    ///< "3_LayerNorm", for names and messages
};

/// x / max(|x|, 1e-12).
struct NormalizeConfig {
  std::string folder;  ///< "2_Normalize", for names
};

using PooledModule = std::variant<DenseConfig, LayerNormConfig, NormalizeConfig>;

/// The score of the token that would follow, less that of another if there is one.
struct LogitScoreConfig {
  int64_t true_token_id = 0;
  std::optional<int64_t> false_token_id;
};

/// A value type; the tensors keep their mapped files alive.
struct SentenceTransformerConfig {
  bool has_modules = false;  ///< there is a modules.json; else only the later fields are set
  /// Where config.json and the weights lie; of a StaticEmbedding the table and tokenizer.json.
  std::filesystem::path transformer_folder;
  TransformerOutput output = TransformerOutput::kTokenEmbeddings;
  /// No transformer and no config.json: one row of a table for each token.
  [[nodiscard]] bool is_static() const { return output == TransformerOutput::kStaticEmbedding; }
  /// The same with one weight for each token: sparse->query_weights, of every text.
  [[nodiscard]] bool is_token_weights() const { return output == TransformerOutput::kTokenWeights; }
  std::optional<PoolingConfig> pooling;  ///< of token embeddings; has_modules: never absent
  std::optional<SparsePooling> sparse;   ///< of kVocabularyLogits; never beside pooling or pooled
  /// The vectors of tokens that the modules make; never beside pooling or sparse.
  std::optional<LateInteractionConfig> late_interaction;
  /// Of a Router: the StaticEmbedding that reads queries, with its own tokenizer, its modules and
  /// those behind the Router; the rest of this is the route of documents. Null: there is none.
  std::shared_ptr<const SentenceTransformerConfig> query = {};
  /// Of texts that are not said to be queries or documents, where there is a `query`.
  DefaultRoute by_default = DefaultRoute::kDocument;
  std::vector<PooledModule> pooled;     ///< applied behind the pooling, in this order
  bool normalize = false;               ///< to unit length, last of all modules
  std::optional<int64_t> truncate_dim;  ///< an embedding keeps the first so many, behind all that

  std::optional<int64_t> max_seq_length;  ///< in tokens, special ones included
  bool do_lower_case = false;             ///< a normalizer before the tokenizer's own
  /// A JSON object of what stands in place of tokenizer_config.json's members; empty for none.
  std::string tokenizer_overrides = {};

  std::optional<LogitScoreConfig> logit_score;  ///< behind a Transformer that gives kNextToken ...
  TextTemplate pair_template;  ///< ... for what its chat template makes of a query and a document

  std::optional<SetFitHead> setfit;  ///< classes of the embedding; never beside sparse and the like

  bool is_cross_encoder = false;  ///< saved by CrossEncoder: scores pairs
  /// What it applies to its logits; nothing: as config.json says.
  std::optional<Activation> cross_encoder_activation;

  std::map<std::string, std::string> prompts;      ///< by name
  std::optional<std::string> default_prompt_name;  ///< a key of prompts
  std::optional<std::string> similarity_fn_name;   ///< "cosine", "dot", "euclidean", "manhattan"
};

/// Reads modules.json and what it names, sentence_bert_config.json (or its siblings for other
/// families) and config_sentence_transformers.json. Without modules.json nothing else is read, as
/// in sentence-transformers, and a warning names what lies there. Throws Error: kUnsupported (an
/// unknown module, activation or pooling mode, an order that gives no sentence embedding),
/// kCorruptData, kNotFound (a folder that modules.json names lacks its files).
[[nodiscard]] SentenceTransformerConfig read_sentence_transformer(
    const std::filesystem::path& folder);

/// 1_Pooling/config.json from its text. The newer `pooling_mode` wins over the booleans; with none
/// of them it is the mean. Throws as above.
[[nodiscard]] PoolingConfig parse_pooling_config(std::string_view json, std::string_view source);

}  // namespace tamis
