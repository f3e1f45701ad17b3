// The heads that embed: a pooled vector, a sparse one, a vector for each token.
//
// Is: the nodes behind an encoder, from the modules and layers that a folder holds. Is not: the
// choice of head (build_model.cc). May use: graph, formats.
#pragma once

#include <string_view>

#include "models/builder.h"
#include "models/models.h"

namespace tamis::models {

/// colbert-ai's projection, beside the encoder.
inline constexpr std::string_view kProjection = "linear";

/// Appends the pooling and its Dense layers to hidden [T, hidden], with the outputs
/// token_embeddings and sentence_embedding, and what the tasks must know to `model`; the value
/// [B, n] of the latter.
graph::ValueId add_dense_outputs(Builder& b, graph::ValueId hidden, const BuildOptions& options,
                                 BuiltModel& model);

/// Appends what weighs the vocabulary's words: SPLADE's pooled logits [B, vocab], or BGE-M3's
/// weights of tokens [T, 1]. Weights of queries that no model reads become the output
/// query_weights.
graph::ValueId sparse_embedding(Builder& b, graph::ValueId hidden, const BuildOptions& options);

/// Appends the projection of each token's vector; [T, n].
graph::ValueId token_vectors(Builder& b, graph::ValueId hidden, const BuildOptions& options,
                             BuiltModel& model);

}  // namespace tamis::models
