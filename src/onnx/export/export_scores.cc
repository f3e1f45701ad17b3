#include "onnx/export/export_scores.h"

#include "kernels/reference/position_buckets.h"
#include "onnx/export/export_places.h"

namespace tamis::onnx {

using graph::AttentionAttributes;
using graph::Node;
using graph::Operand;

namespace reference = kernels::reference;

namespace {

// No text is longer than max_distance, which ends the table that kernels read.
std::string alibi(ExportContext& c, const Node& node) {
  const graph::ValueId id = node.operand(Operand::kBias);
  const std::string scope = c.graph().value(id).name;
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  const std::string far = c.add(scope, "Abs", {distances(c)});
  const std::string fall = c.add(scope, "Neg", {c.out().cast(scope, far, ElementType::kFloat)});
  const std::string slopes =
      c.add(scope, "Reshape", {c.constant(id, true), c.out().list({1, heads, 1, 1})});
  return c.out().narrow(scope, c.add(scope, "Mul", {fall, slopes}));
}

std::string t5_bias(ExportContext& c, const Node& node) {
  const graph::ValueId id = node.operand(Operand::kBias);
  const std::string scope = c.graph().value(id).name;
  const int64_t reach = node.attribute<AttentionAttributes>().max_distance;
  const int64_t buckets = c.graph().value(id).shape[0].size;
  std::vector<int64_t> rows;
  for (int64_t distance = -reach; distance <= reach; ++distance) {
    rows.push_back(reference::t5_bucket(distance, buckets, reach));
  }
  const std::string ids = by_distance(c, cat("buckets_", buckets, "_", reach), std::move(rows));
  const std::string each = c.add(scope, "Gather", {c.constant(id), ids});
  const std::string turned = c.add(scope, "Transpose", {each}, {list_attribute("perm", {2, 0, 1})});
  return c.add(scope, "Unsqueeze", {turned, c.out().list({0})});
}

// Rows x [batch, heads, tokens, size] times the table [slots, heads * size], and of each row what
// `ids` [tokens, tokens] name.
std::string slots_of(ExportContext& c, const Node& node, Operand table, const std::string& x,
                     const std::string& ids) {
  if (node.enabled_mark(table) != nullptr) c.refuse(node, "a quantized table is not written");
  const graph::ValueId id = node.operand(table);
  const std::string& s = node.scope;
  GraphWriter& out = c.out();
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  const int64_t slots = c.graph().value(id).shape[0].size;
  const std::string parts =
      c.add(s, "Reshape", {c.constant(id), out.list({slots, heads, c.columns(id) / heads})});
  const std::string turned = c.add(s, "Transpose", {parts}, {list_attribute("perm", {1, 2, 0})});
  const std::string products = c.add(s, "MatMul", {x, turned});
  const std::string rows = c.add(
      s, "Slice", {c.add(s, "Shape", {products}), out.list({0}), out.list({3}), out.list({0})});
  const std::string keys = c.add(s, "Unsqueeze", {token_count(c), out.list({0})});
  const std::string shape = c.add(s, "Concat", {rows, keys}, {integer_attribute("axis", 0)});
  return c.add(s, "GatherElements", {products, c.add(s, "Expand", {ids, shape})},
               {integer_attribute("axis", -1)});
}

// The slot of each query and key's distance, [queries, keys].
std::string slot_ids(ExportContext& c, const AttentionAttributes& fields) {
  const reference::DebertaSlots slots = {fields.position_buckets, fields.max_relative_positions};
  const int64_t reach = reference::deberta_reach(slots);
  std::vector<int64_t> rows;
  for (int64_t distance = -reach; distance <= reach; ++distance) {
    rows.push_back(reference::deberta_slot(distance, slots));
  }
  return by_distance(c, cat("slots_", slots.buckets, "_", slots.max_positions), std::move(rows));
}

}  // namespace

std::string score_bias(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const graph::ValueId id = node.operand(Operand::kBias);
  return c.once(cat("bias ", id, " ", fields.max_distance), [&] {
    return fields.bias == graph::BiasRule::kAlibi ? alibi(c, node) : t5_bias(c, node);
  });
}

std::string position_scores(ExportContext& c, const Node& node, const HeadRows& rows) {
  const std::string ids = slot_ids(c, node.attribute<AttentionAttributes>());
  const std::string& s = node.scope;
  std::string sum;
  if (node.has(Operand::kPositionKeys)) {
    sum = slots_of(c, node, Operand::kPositionKeys, rows.queries, ids);
  }
  if (!node.has(Operand::kPositionQueries)) return sum;
  const std::string by_key = c.add(s, "Transpose", {ids}, {list_attribute("perm", {1, 0})});
  const std::string products = slots_of(c, node, Operand::kPositionQueries, rows.keys, by_key);
  const std::string of_keys =
      c.add(s, "Transpose", {products}, {list_attribute("perm", {0, 1, 3, 2})});
  return sum.empty() ? of_keys : c.add(s, "Add", {sum, of_keys});
}

}  // namespace tamis::onnx
