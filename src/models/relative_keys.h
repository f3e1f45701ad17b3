// Positions of BERT and its kin by distance: position_embedding_type relative_key and
// relative_key_query.
//
// Is: what the key says, and attention with it. A layer's table of distances, which all heads share
// and which is multiplied with queries (and with keys), becomes the position tables of DeBERTa's
// attention. Is not: a family. May use: graph, formats.
// Source: transformers 4, models/bert/modeling_bert.py; transformers 5 has absolute ones alone.
#pragma once

#include <string>

#include "models/builder.h"

namespace tamis::models {

enum class PositionKind : uint8_t {
  kAbsolute,          ///< a table that is added to the words
  kRelativeKey,       ///< scores with the products of queries and distances
  kRelativeKeyQuery,  ///< and those of keys and distances
};

/// As config.json says. Throws Error{kUnsupported} naming what is built.
[[nodiscard]] PositionKind position_kind(const ConfigFields& fields);

/// softmax(q k^T / sqrt(head size)) v with the config's heads. Where positions are relative, the
/// products with `<self>.distance_embedding` [2 * max_position_embeddings - 1, head size] are added
/// to q k^T, or, as ALBERT has it, to that over sqrt(head size).
enum class DistanceSum : uint8_t { kBeforeScale, kBehindScale };
graph::ValueId attention_by_kind(Builder& b, AttentionOperands operands, const std::string& self,
                                 DistanceSum sum = DistanceSum::kBeforeScale);

}  // namespace tamis::models
