// Heads of models whose tokens see what is before them.
//
// Is: transformers' generic classes for sequences and tokens, and what BART's and T5's share: words
// of two halves, a head. Is not: scores of next words. May use: graph, formats. Source:
// transformers, modeling_layers.py and models/bart/modeling_bart.py
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "models/builder.h"

namespace tamis::models {

/// `score` of each sequence's last token, without a bias: logits [B, num_labels].
graph::ValueId last_token_classifier(Builder& b, graph::ValueId hidden);

/// What sentence-transformers makes of a checkpoint without modules of its own: each sequence's
/// last row where the class is for causal language modeling and config.json does not say that
/// tokens see what is behind them, else the mean: [B, hidden].
graph::ValueId embedding_by_class(Builder& b, graph::ValueId hidden);

/// `classification_head` on each sequence's row of its last `end_of_text`, which each has: logits
/// [B, num_labels].
graph::ValueId end_of_text_classifier(Builder& b, graph::ValueId hidden, int64_t end_of_text);

/// The tensors by which a checkpoint shows that it has that head.
inline constexpr std::array<std::string_view, 2> kEndOfTextWeights = {
    "classification_head.dense.weight", "classification_head.out_proj.weight"};

/// The parameter that holds a half's words: the first of `others` that the checkpoint has and that
/// `own`, if it has that too, equals; else `own`.
[[nodiscard]] std::string words_of_half(Builder& b, const std::string& own,
                                        std::initializer_list<std::string> others);

/// The id that config.json has under `key`. Throws Error{kUnsupported} for null, and where it is
/// absent and there is no `usual`: transformers' classes need one.
[[nodiscard]] int64_t read_token(const ModelConfig& config, std::string_view key,
                                 std::optional<int64_t> usual);

}  // namespace tamis::models
