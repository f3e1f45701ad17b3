#include "engines/cpu/attention_terms.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/reference/position_buckets.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

int64_t window(int64_t keys) {
  constexpr int64_t kAll = kernels::AttentionTerms::kAll;
  return keys < 0 ? kAll : std::min(keys, kAll);
}

// What T5's table [buckets, heads] or ALiBi's slopes [heads] give a head for a distance.
float bias_at(const graph::AttentionAttributes& fields, const Tensor& table, int64_t head,
              int64_t distance) {
  const auto values = table.as<float>();
  if (fields.bias == graph::BiasRule::kAlibi) {
    return -values[static_cast<size_t>(head)] * static_cast<float>(std::abs(distance));
  }
  const int64_t bucket =
      kernels::reference::t5_bucket(distance, table.shape()[0], fields.max_distance);
  return values[static_cast<size_t>(bucket * fields.heads + head)];
}

// Sum of min(i + add, most) over i in [0, rows).
int64_t sum_up_to(int64_t rows, int64_t add, int64_t most) {
  const int64_t rising = std::clamp<int64_t>(most - add, 0, rows);
  return rising * (rising - 1) / 2 + rising * add + (rows - rising) * most;
}

}  // namespace

std::vector<float> spread_bias(const graph::AttentionAttributes& fields, const Tensor& table) {
  std::vector<float> bias;
  bias.reserve(static_cast<size_t>(fields.heads * (2 * fields.max_distance + 1)));
  for (int64_t head = 0; head < fields.heads; ++head) {
    for (int64_t d = -fields.max_distance; d <= fields.max_distance; ++d) {
      bias.push_back(bias_at(fields, table, head, d));
    }
  }
  return bias;
}

SlotTable spread_slots(const graph::AttentionAttributes& fields) {
  const kernels::reference::DebertaSlots rule = {fields.position_buckets,
                                                 fields.max_relative_positions};
  SlotTable table;
  table.reach = kernels::reference::deberta_reach(rule);
  table.slots.reserve(static_cast<size_t>(2 * table.reach + 1));
  for (int64_t d = -table.reach; d <= table.reach; ++d) {
    table.slots.push_back(static_cast<int32_t>(kernels::reference::deberta_slot(d, rule)));
  }
  return table;
}

kernels::GlobalRule global_rule(graph::GlobalRule rule) {
  switch (rule) {
    case graph::GlobalRule::kNone:
      return kernels::GlobalRule::kNone;
    case graph::GlobalRule::kFirst:
      return kernels::GlobalRule::kFirst;
    case graph::GlobalRule::kBeforeSeparator:
      return kernels::GlobalRule::kBeforeSeparator;
    case graph::GlobalRule::kBehindSeparator:
      return kernels::GlobalRule::kBehindSeparator;
    case graph::GlobalRule::kThroughSeparator:
      return kernels::GlobalRule::kThroughSeparator;
  }
  return kernels::GlobalRule::kNone;
}

NodeTerms::NodeTerms(const graph::Node& node, Lowering& lowering) {
  const auto& fields = node.attribute<graph::AttentionAttributes>();
  terms_.left = window(fields.left);
  terms_.right = window(fields.right);
  if (fields.bias != graph::BiasRule::kNone) {
    const Tensor& table = *lowering.graph().value(node.operand(Operand::kBias)).constant;
    bias_ = lowering.spread_bias(table, fields.max_distance,
                                 [&] { return spread_bias(fields, table); });
    terms_.bias = bias_->data();
    terms_.bias_reach = fields.max_distance;
  }
  if (fields.max_relative_positions != 0) read_position_tables(node, lowering);
  terms_.global = global_rule(fields.global);
  terms_.separator = static_cast<int32_t>(fields.separator);
  ids_ = node.operand(Operand::kIds);
  terms_.block_size = fields.block_size;
  terms_.random_blocks = fields.random_blocks;
}

void NodeTerms::read_position_tables(const graph::Node& node, Lowering& lowering) {
  const auto& fields = node.attribute<graph::AttentionAttributes>();
  terms_.slot_reach =
      kernels::reference::deberta_reach({fields.position_buckets, fields.max_relative_positions});
  slots_ = lowering.position_slots(fields, [&] { return spread_slots(fields).slots; });
  terms_.slots = slots_->data();
  terms_.position_keys = lowering.optional_constant(node.operand(Operand::kPositionKeys));
  terms_.position_queries = lowering.optional_constant(node.operand(Operand::kPositionQueries));
  const bool keys = node.has(Operand::kPositionKeys);
  const graph::SymbolicShape& shape =
      lowering.shape(node.operand(keys ? Operand::kPositionKeys : Operand::kPositionQueries));
  terms_.position_rows = shape[0].size;
  terms_.ld_positions = shape[1].size;
}

int64_t seen_pairs(const kernels::AttentionTerms& terms, int64_t rows, int64_t length) {
  if (!terms.narrow()) return rows * length;
  // From the greatest key on: min(i + right, length - 1) + 1 - max(i - left, 0).
  const int64_t last = length - 1;
  const int64_t right = std::min(terms.right, last);
  const int64_t behind = std::max<int64_t>(rows - 1 - terms.left, 0);
  return sum_up_to(rows, right, last) + rows - behind * (behind + 1) / 2;
}

}  // namespace tamis::engines::cpu
