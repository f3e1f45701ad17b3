// Heads of models whose tokens see what is before them.
//
// Is: transformers' generic classes for sequences and tokens. Is not: scores of next words. May
// use: graph, formats. Source: transformers, modeling_layers.py
#pragma once

#include "models/builder.h"

namespace tamis::models {

/// `score` of each sequence's last token, without a bias: logits [B, num_labels].
graph::ValueId last_token_classifier(Builder& b, graph::ValueId hidden);

/// What sentence-transformers makes of a checkpoint without modules of its own: each sequence's
/// last row where the class is for causal language modeling and config.json does not say that
/// tokens see what is behind them, else the mean: [B, hidden].
graph::ValueId decoder_embedding(Builder& b, graph::ValueId hidden);

}  // namespace tamis::models
