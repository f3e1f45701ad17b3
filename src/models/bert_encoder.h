// The encoder that BERT, RoBERTa and ELECTRA share, module by module.
//
// Is: embeddings, layers, pooler under BERT's names. Is not: a family. May use: graph, formats.
#pragma once

#include "models/builder.h"

namespace tamis::models {

/// Words + segments + positions, normalised: [T, embedding_size].
graph::ValueId bert_embeddings(Builder& b, const graph::PositionIdsAttributes& rule);

/// `encoder.layer.0` and on, applied to hidden [T, hidden].
graph::ValueId bert_layers(Builder& b, graph::ValueId hidden);

/// `pooler` on the first token of hidden [T, hidden]: [B, hidden].
graph::ValueId bert_pooler(Builder& b, graph::ValueId hidden);

}  // namespace tamis::models
