// Hugging Face checkpoints as graphs.
//
// Is: one file a family that writes down, node by node, what transformers' modeling file computes,
// and the choice of head. Is not: fused, quantized or executable; not the tokenizer. May use:
// graph, formats.
// Source: https://github.com/huggingface/transformers, src/transformers/models/*/modeling_*.py
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gliner_config.h"
#include "formats/sentence_transformers.h"
#include "graph/graph.h"
#include "graph/trained_ranges.h"

namespace tamis::models {

/// What a model answers, by its class in transformers.
enum class HeadKind : uint8_t {
  kEmbedding,               ///< token_embeddings [T, hidden], sentence_embedding [B, n]
  kSequenceClassification,  ///< logits [B, labels]; also cross-encoders that rerank
  kTokenClassification,     ///< logits [T, labels]
  kQuestionAnswering,       ///< logits [T, 2]: start, end
  kMaskedLM,                ///< logits [S, vocab]: the tokens that the batch selects
  /// sparse_embedding [B, vocab] of a masked-word head (SPLADE), or of BGE-M3's layer [T, 1]
  kSparseEmbedding,
  kMultiVector,    ///< token_vectors [T, n]: ColBERT's
  kAllEmbeddings,  ///< those of kEmbedding, kSparseEmbedding and kMultiVector
  /// logits [S, max_width * labels] of spans over given labels (gliner.h)
  kSpanLabels,
};

/// Whether it gives vectors rather than labels.
[[nodiscard]] constexpr bool is_embedding(HeadKind head) {
  return head == HeadKind::kEmbedding ||
         (head >= HeadKind::kSparseEmbedding && head <= HeadKind::kAllEmbeddings);
}

/// "embedding", "sequence classification", ...
[[nodiscard]] std::string_view head_name(HeadKind head);

/// Names of a graph's outputs.
inline constexpr std::string_view kTokenEmbeddings = "token_embeddings";
inline constexpr std::string_view kSentenceEmbedding = "sentence_embedding";
inline constexpr std::string_view kSparseEmbedding = "sparse_embedding";
inline constexpr std::string_view kTokenVectors = "token_vectors";
/// The weights of words in queries that no model reads [T, 1]; never run, it holds their table.
inline constexpr std::string_view kQueryWeights = "query_weights";
inline constexpr std::string_view kLogits = "logits";
/// Of a SetFit head, a constant of the graph.
inline constexpr std::string_view kSetFitWeight = "model_head.weight";

/// y = x w^T + bias, row-major and dense: x [m, k], w [n, k], bias [n] or null, y [m, n].
struct Projection {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* x = nullptr;
  const float* w = nullptr;
  const float* bias = nullptr;
  float* y = nullptr;
};

struct BuildOptions {
  /// Nothing: what config.json's architectures says, or the tensors if it is silent.
  std::optional<HeadKind> head;
  /// The folder's own pooling and Dense layers; they make the head an embedding unless `head` says
  /// otherwise. Without them an encoder embeds by mean pooling, as in sentence-transformers.
  std::optional<SentenceTransformerConfig> sentence_transformer;
  /// BGE-M3's layers on the tokens' vectors: what heads for sparse and multi-vector embeddings
  /// read.
  std::optional<TokenHeads> token_heads = std::nullopt;
  /// Multiplies constants while the graph is built: DeBERTa's position embeddings with each layer's
  /// projections, 14.5 GFLOP for a base model. Nothing: plain loops, for small models.
  std::function<void(const Projection&)> project = nullptr;
};

/// A graph and what a task needs to know of it. A value type; copying it copies no weights.
struct BuiltModel {
  graph::Graph graph;
  std::string family;  ///< model_type: a row of families.inc
  HeadKind head = HeadKind::kEmbedding;
  std::vector<std::string> labels;       ///< by id; for the two classifications only
  std::optional<int64_t> entailment_id;  ///< ModelConfig's
  std::optional<ProblemType> problem_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t type_vocab_size = 0;  ///< 0: the graph takes no token_type_ids
  /// Tokens of the longest sequence the position table allows; 0: there is no such table.
  int64_t max_positions = 0;
  /// Manifest::max_tokens.
  int64_t max_tokens = 0;
  int64_t output_size = 0;      ///< columns of sentence_embedding or logits
  graph::TrainedRanges ranges;  ///< of quantizers; empty but for checkpoints saved with them
  /// What stands for a text without tokens; nothing: there is no answer to one.
  std::optional<int32_t> empty_text_id;
  bool normalize = false;               ///< sentence-transformers'; not applied by the graph
  std::optional<int64_t> truncate_dim;  ///< likewise
  std::optional<GlinerConfig> gliner;   ///< of kSpanLabels
};

/// Labels that the graph of a GLiNER model has room for.
[[nodiscard]] int64_t most_labels(const GlinerConfig& config);

/// The unfused graph of a checkpoint. Every node's scope is the path of the module in transformers'
/// class for that head; constants are named by that class's parameters, whatever the file's
/// spelling, and share the file's memory where it holds float32. Graph inputs: input_ids, and
/// token_type_ids in families that have segments. Throws Error: kUnsupported (a model_type that is
/// not in families.inc, a head that the checkpoint does not have), kCorruptData naming the tensor
/// (missing, of the wrong shape or dtype, not finite).
[[nodiscard]] BuiltModel build_model(const Checkpoint& checkpoint,
                                     const BuildOptions& options = {});

/// sentence-transformers' StaticEmbedding and the modules behind it, of the folder that holds the
/// table: the mean of the tokens' rows. A row of zeros behind the table's own is what a text
/// without tokens reads, as the module's answer to it is zeros. Throws Error as
/// read_static_embedding(), and kUnsupported for another head than an embedding.
[[nodiscard]] BuiltModel build_static_embedding(const std::filesystem::path& folder,
                                                const BuildOptions& options);

/// A table of one weight for each token (SparseStaticEmbedding), which all texts are read by: its
/// outputs sparse_embedding [T, 1] and query_weights are one value. Throws as above.
[[nodiscard]] BuiltModel build_token_weights(const std::filesystem::path& folder,
                                             const BuildOptions& options);

/// Puts SetFit's head behind the sentence embedding of a model for embeddings, which becomes one of
/// sequence classification. Throws Error{kCorruptData} for a head of another width.
[[nodiscard]] BuiltModel with_setfit_head(BuiltModel model, const SetFitHead& head);

/// The model_types of families.inc, comma-separated, for error messages.
[[nodiscard]] std::string known_families();

}  // namespace tamis::models
