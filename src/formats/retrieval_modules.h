// What folders hold of the heads that retrieve by more than one vector: SPLADE's pooling,
// inference-free queries, ColBERT's projection, markers and skipped tokens, BGE-M3's two layers.
//
// Is: their configs and tensors in the layouts of sentence-transformers, PyLate, colbert-ai and
// FlagEmbedding, as data. Is not: the order of modules, a tokenizer, arithmetic. May use: base,
// tensor.
// Source: sentence_transformers/sparse_encoder/modules, multi_vector_encoder/modules and
// base/modules/router.py; pylate/models/colbert.py; colbert/infra/config/settings.py;
// FlagEmbedding/inference/embedder/encoder_only/m3.py
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/config_file.h"
#include "formats/dense_module.h"
#include "tensor/tensor.h"

namespace tamis {

/// What makes a sparse embedding of the words' logits: max over the tokens of log(1 + relu(x)).
struct SparsePooling {
  bool log_twice = false;  ///< log(1 + log(1 + relu(x)))
  /// Of queries that no model reads, each word's weight [words], a float dtype; null: queries are
  /// read as documents are.
  std::shared_ptr<const Tensor> query_weights = {};
  /// Of queries that no model reads beside documents that one reads: whose tokenizer says how long
  /// they may be.
  std::filesystem::path query_folder = {};
};

/// How one side of a comparison is read.
struct LateSideConfig {
  std::string marker;  ///< a token behind the first one; empty: none
  int64_t length = 0;  ///< in tokens, special ones included; 0: the model's
};

/// How a vector is made for each token.
struct LateInteractionConfig {
  /// Behind the encoder, in this order. Empty: colbert-ai's, `linear.weight` among the weights.
  std::vector<DenseConfig> projection;
  bool normalize = true;  ///< each token's vector to unit length
  bool masked = false;    ///< a MultiVectorMask says which vectors count
  LateSideConfig query;
  LateSideConfig document;
  bool expand_queries = false;        ///< to query.length tokens
  bool attend_to_expansion = false;   ///< the text's tokens see those that fill up
  std::string expansion_token;        ///< empty: the tokenizer's mask
  std::vector<std::string> skiplist;  ///< tokens of documents whose vectors do not count
};

/// BGE-M3's layers on the tokens' vectors.
struct TokenHeads {
  DenseConfig sparse;   ///< [1, hidden]: relu of it is the weight of the token
  DenseConfig colbert;  ///< [n, hidden], then unit length
};

/// SpladePooling's config.json. Throws Error{kUnsupported} for what is not built.
[[nodiscard]] SparsePooling read_splade(const ConfigObject& file);

/// The weights of a SparseStaticEmbedding's folder. Throws Error: kUnsupported (weights in a JSON
/// file), kNotFound, kCorruptData.
[[nodiscard]] std::shared_ptr<const Tensor> read_static_weights(
    const std::filesystem::path& folder);

/// One module of a Router's route.
struct RouteModule {
  std::string type;
  std::string path;  ///< inside the router's folder
};

/// What a Router takes a text for that is not said to be either; kNone: it refuses it.
enum class DefaultRoute : uint8_t { kDocument, kQuery, kNone };

/// The routes of a Router for queries and documents.
struct Routes {
  std::vector<RouteModule> query;
  std::vector<RouteModule> document;
  DefaultRoute by_default = DefaultRoute::kDocument;
};

/// `folder`/router_config.json. Throws Error: kUnsupported (other routes, modules that several
/// routes share), kCorruptData.
[[nodiscard]] Routes read_router(const std::filesystem::path& folder);

/// MultiVectorMask's config.json; the skiplist of documents.
[[nodiscard]] std::vector<std::string> read_multi_vector_mask(const ConfigObject& file);

/// The keys that PyLate adds to config_sentence_transformers.json.
[[nodiscard]] LateInteractionConfig read_pylate(const ConfigObject& file);

/// The query_expansion of a Transformer module; absent or null changes nothing.
void read_query_expansion(const ConfigObject& file, LateInteractionConfig& late);

/// colbert-ai's artifact.metadata; its defaults where there is none.
[[nodiscard]] LateInteractionConfig read_artifact_metadata(const std::filesystem::path& folder);

/// sparse_linear.pt and colbert_linear.pt; nothing where neither is there. Throws Error: kNotFound
/// for one without the other, kCorruptData for layers that do not fit each other.
[[nodiscard]] std::optional<TokenHeads> read_token_heads(const std::filesystem::path& folder);

}  // namespace tamis
