// An ONNX file as one of our graphs.
//
// Is: the unfused graph that models/ builds from the same model's checkpoint: rows of tokens
// instead of padded batches, without a mask. Is not: a tokenizer, labels, pooling that the file
// does not do. May use: graph, formats.
//
// Values that follow from ids and sizes alone (shapes, masks, positions) are computed for a few
// small batches (probe.h) and told by what they are there (rules.h), so their spelling, which
// differs from exporter to exporter, does not matter. Hidden states are followed operator by
// operator (handlers.inc). What is not understood is Error{kUnsupported} that names the node.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "formats/onnx/onnx_model.h"
#include "graph/graph.h"

namespace tamis::onnx {

/// What a file answers.
enum class OutputKind : uint8_t {
  kTokenEmbeddings,    ///< token_embeddings [T, n]
  kSentenceEmbedding,  ///< sentence_embedding [B, n], and token_embeddings if the file has them
  kSequenceLogits,     ///< logits [B, n]
  kTokenLogits,        ///< logits [T, n]
  kSpanLogits,         ///< logits [T, 2]: start, end
  kVocabularyLogits,   ///< logits [S, vocab]
};

/// y = x w^T, row-major and dense: x [m, k], w [n, k], y [m, n].
struct ConstantProduct {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* x = nullptr;
  const float* w = nullptr;
  float* y = nullptr;
};

struct ImportOptions {
  /// What the encoder's modules begin with in transformers' classes that have a head ("bert"); for
  /// files of the encoder alone. Empty: the file's own.
  std::string prefix;
  /// Multiplies constants: DeBERTa's position embeddings with each layer's projections, 14.5 GFLOP
  /// for a base model. Nothing: plain loops, for small models.
  std::function<void(const ConstantProduct&)> multiply = nullptr;
};

/// A value type; copying it copies no weights.
struct ImportedModel {
  graph::Graph graph;
  OutputKind output = OutputKind::kTokenEmbeddings;
  bool unit_length = false;       ///< the file divides sentence_embedding by its length
  int64_t vocab_size = 0;         ///< rows of the word embeddings
  int64_t type_vocab_size = 0;    ///< 0: the graph takes no token_type_ids
  int64_t hidden_size = 0;        ///< columns of the last hidden states
  int64_t output_size = 0;        ///< columns of the answer
  int64_t max_positions = 0;      ///< tokens of the longest sequence; 0: no table limits it
  int64_t activation_scales = 0;  ///< static scales that the file has and the graph does without
};

/// Throws Error naming `source` and the node: kUnsupported (an operator, a mask, positions or an
/// output that is not understood; opsets other than 11 to 23; functions), kCorruptData (names that
/// nothing makes, shapes that do not fit, values that are not finite).
[[nodiscard]] ImportedModel import_onnx(const ModelProto& model, std::string_view source,
                                        const ImportOptions& options = {});

}  // namespace tamis::onnx
