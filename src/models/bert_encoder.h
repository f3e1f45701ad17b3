// The encoder that BERT, RoBERTa and ELECTRA share, module by module.
//
// Is: embeddings, layers, pooler under BERT's names. Is not: a family. May use: graph, formats.
#pragma once

#include <string>

#include "models/builder.h"

namespace tamis::models {

/// Words, plus segments where there are any: [T, embedding_size].
graph::ValueId bert_words_and_segments(Builder& b);

/// Words + segments + positions, where these are absolute: [T, embedding_size].
graph::ValueId bert_embedding_sum(Builder& b, const graph::PositionIdsAttributes& rule);

/// The same, normalized by `embeddings.LayerNorm`.
graph::ValueId bert_embeddings(Builder& b, const graph::PositionIdsAttributes& rule);

/// `encoder.layer.0` and on, applied to hidden [T, hidden].
graph::ValueId bert_layers(Builder& b, graph::ValueId hidden);

/// `<self>.query`, `.key` and `.value` of x [T, hidden].
AttentionOperands bert_projections(Builder& b, graph::ValueId x, const std::string& self);

/// softmax(q k^T / sqrt(head size)) v by `<attention>.self`'s query, key and value of x [T,
/// hidden], with what relative positions add; where config.json says is_decoder, over the tokens up
/// to a query's own.
graph::ValueId bert_self_attention(Builder& b, graph::ValueId x, const std::string& attention);

/// LayerNorm(`<module>.dense`(x) + residual): the module "output" of attention and of the layer.
graph::ValueId bert_output(Builder& b, graph::ValueId x, graph::ValueId residual,
                           const std::string& module);

/// `<layer>.intermediate` and `<layer>.output` on the attended x [T, hidden], with its residual and
/// norm.
graph::ValueId bert_feed_forward(Builder& b, graph::ValueId x, const std::string& layer);

/// `pooler` on the first token of hidden [T, hidden]: [B, hidden].
graph::ValueId bert_pooler(Builder& b, graph::ValueId hidden);

/// The pooler, then a linear layer: `classifier`.
graph::ValueId bert_classifier(Builder& b, graph::ValueId hidden);

/// `cls.predictions` on hidden [S, hidden].
graph::ValueId bert_masked_lm(Builder& b, graph::ValueId hidden);

}  // namespace tamis::models
