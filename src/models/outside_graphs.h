// What graphs that do not come from a checkpoint take from the families.
//
// Is: pooling behind hidden states, and the prefix of module names. Is not: a graph of its own. May
// use: graph, formats.
#pragma once

#include <string_view>

#include "formats/sentence_transformers.h"
#include "graph/graph.h"

namespace tamis::models {

/// Appends pooling and Dense layers to the hidden states [T, n]: the sentence embedding [B, m].
/// Throws Error{kUnsupported} if config asks for pooler_output.
[[nodiscard]] graph::ValueId add_sentence_embedding(graph::Graph& graph, graph::ValueId hidden,
                                                    const SentenceTransformerConfig& config);

/// What an encoder's modules begin with in transformers' classes that have a head: "bert"; "" of a
/// model_type that is not in families.inc.
[[nodiscard]] std::string_view encoder_prefix(std::string_view model_type);

/// Tokens of the longest text that the config's family has positions for; what the config says of a
/// model_type that is not in families.inc.
[[nodiscard]] int64_t max_positions(const ModelConfig& config);

}  // namespace tamis::models
