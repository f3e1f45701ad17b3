// The heads of RoBERTa, which MPNet has too.
//
// Is: classifier, masked words and longest input under RoBERTa's names. Is not: a family. May use:
// graph, formats.
#pragma once

#include "models/builder.h"

namespace tamis::models {

/// dense, tanh, out_proj on the first token: `classifier`.
graph::ValueId roberta_classifier(Builder& b, graph::ValueId hidden);

/// `lm_head` on hidden [S, hidden].
graph::ValueId roberta_masked_lm(Builder& b, graph::ValueId hidden);

/// The id from which positions count. Throws Error{kUnsupported} where config.json has none.
[[nodiscard]] int64_t roberta_padding_idx(const ModelConfig& config);

/// Rows of the table of positions that are a token's: those behind padding_idx. Throws
/// Error{kCorruptData} if there are none.
int64_t roberta_max_positions(const ModelConfig& config, int64_t padding_idx);

}  // namespace tamis::models
