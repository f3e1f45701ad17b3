// The encoder that BERT, RoBERTa and ELECTRA share, module by module.
//
// Is: embeddings, layers, pooler under BERT's names. Is not: a family. May use: graph, formats.
#pragma once

#include <string>

#include "models/builder.h"

namespace tamis::models {

/// Words + segments + positions: [T, embedding_size].
graph::ValueId bert_embedding_sum(Builder& b, const graph::PositionIdsAttributes& rule);

/// The same, normalized by `embeddings.LayerNorm`.
graph::ValueId bert_embeddings(Builder& b, const graph::PositionIdsAttributes& rule);

/// `encoder.layer.0` and on, applied to hidden [T, hidden].
graph::ValueId bert_layers(Builder& b, graph::ValueId hidden);

/// softmax(q k^T / sqrt(head size)) v by `<attention>.self`'s query, key and value of x [T,
/// hidden].
graph::ValueId bert_self_attention(Builder& b, graph::ValueId x, const std::string& attention);

/// `<layer>.intermediate` and `<layer>.output` on the attended x [T, hidden], with its residual and
/// norm.
graph::ValueId bert_feed_forward(Builder& b, graph::ValueId x, const std::string& layer);

/// `pooler` on the first token of hidden [T, hidden]: [B, hidden].
graph::ValueId bert_pooler(Builder& b, graph::ValueId hidden);

/// The pooler, then a linear layer: `classifier`.
graph::ValueId bert_classifier(Builder& b, graph::ValueId hidden);

/// `cls.predictions` on hidden [S, hidden].
graph::ValueId bert_masked_lm(Builder& b, graph::ValueId hidden);

/// Rows of the table of positions.
int64_t bert_max_positions(const ModelConfig& config);

}  // namespace tamis::models
