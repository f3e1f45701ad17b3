#include "models/relative_keys.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// [2 * max_position_embeddings, hidden]: the distances' rows once for each head, times `factor`,
// behind a row that no two places are apart.
ValueId position_table(Builder& b, const std::string& self, int64_t most, float factor) {
  const std::string name = self + ".distance_embedding";
  if (const ValueId known = b.graph().find_value(name); known != graph::kNoValue) return known;
  const int64_t heads = b.config().num_attention_heads;
  const int64_t size = b.config().hidden_size / heads;
  const auto stored = b.load(name + ".weight", Shape{2 * most - 1, size});
  Tensor table(DType::kF32, Shape{2 * most, heads * size});
  const auto from = stored->as<float>();
  auto to = table.mutable_as<float>().begin() + heads * size;
  for (int64_t row = 0; row < 2 * most - 1; ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      to = std::transform(from.begin() + row * size, from.begin() + (row + 1) * size, to,
                          [factor](float value) { return value * factor; });
    }
  }
  return b.graph().add_constant(name, std::make_shared<const Tensor>(std::move(table)));
}

}  // namespace

PositionKind position_kind(const ConfigFields& fields) {
  constexpr std::string_view kKey = "position_embedding_type";
  const std::string kind = fields.text(kKey, "absolute");
  if (kind == "absolute") return PositionKind::kAbsolute;
  if (kind == "relative_key") return PositionKind::kRelativeKey;
  if (kind == "relative_key_query") return PositionKind::kRelativeKeyQuery;
  fields.refuse(kKey, json_quote(kind.substr(0, 200)),
                "absolute, relative_key and relative_key_query");
}

ValueId attention_by_kind(Builder& b, AttentionOperands operands, const std::string& self,
                          DistanceSum sum) {
  const PositionKind kind = position_kind(b.config().fields);
  const bool causal = b.config().fields.flag("is_decoder", false);
  const int64_t size = b.config().hidden_size / b.config().num_attention_heads;
  graph::AttentionAttributes fields = b.attention_attributes(size);
  if (kind == PositionKind::kAbsolute) {
    if (!causal) return b.attention(operands.q, operands.k, operands.v, self);
    fields.right = 0;
    return b.attention(operands, fields, self);
  }
  if (causal) {
    b.config().fields.refuse("is_decoder", "true", "false beside relative positions");
  }
  fields.max_relative_positions = b.config().max_position_embeddings;
  const float factor =
      sum == DistanceSum::kBehindScale ? std::sqrt(static_cast<float>(size)) : 1.0f;
  operands.position_keys = position_table(b, self, fields.max_relative_positions, factor);
  if (kind == PositionKind::kRelativeKeyQuery) operands.position_queries = operands.position_keys;
  return b.attention(operands, fields, self);
}

}  // namespace tamis::models
