// Ids, the tables that they look into, and what is done to the rows at once.
#include "onnx/export/export_embedding.h"

#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"
#include "onnx/export/export_quantized.h"
#include "tensor/widened.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

namespace {

// Rows of integers are written multiplied out.
std::string table_of(ExportContext& c, const Node& node, Operand table) {
  const graph::Value& rows = c.graph().value(node.operand(table));
  if (table != Operand::kTable || !node.has(Operand::kWeightScale)) {
    return c.value(node.operand(table));
  }
  const Tensor& scale = *c.graph().value(node.operand(Operand::kWeightScale)).constant;
  return c.out().constant(rows.name,
                          std::make_shared<const Tensor>(multiplied_out(*rows.constant, scale)));
}

std::string rows_of_ids(ExportContext& c, const Node& node, Operand table, Operand ids) {
  return c.add(node.scope, "Gather", {table_of(c, node, table), c.value(node.operand(ids))});
}

// Each sequence's last id that is not padding, [batch, 1]; the first where all are.
std::string last_ids(ExportContext& c, const Node& node, const std::string& ids) {
  const std::string& s = node.scope;
  const int64_t padding = node.attribute<graph::ShiftIdsAttributes>().padding_idx;
  const std::string is_padding = c.add(s, "Equal", {ids, c.out().integer(padding)});
  const std::string kept = c.out().cast(s, c.add(s, "Not", {is_padding}), ElementType::kInt64);
  const std::string tokens = c.add(s, "Mul", {kept, std::string(kMaskInput)});
  const std::string count =
      c.add(s, "ReduceSum", {tokens, c.out().list({1})}, {integer_attribute("keepdims", 1)});
  const std::string behind = c.add(s, "Sub", {count, c.out().integer(1)});
  const std::string place = c.add(s, "Clip", {behind, c.out().integer(0)});
  return c.add(s, "GatherElements", {ids, place}, {integer_attribute("axis", 1)});
}

}  // namespace

std::string sum_of_embeddings(ExportContext& c, const Node& node) {
  std::string sum = rows_of_ids(c, node, Operand::kTable, Operand::kIds);
  if (node.has(Operand::kType)) {
    const std::string rows = rows_of_ids(c, node, Operand::kType, Operand::kTypeIds);
    sum = c.add(node.scope, "Add", {sum, rows});
  }
  if (node.has(Operand::kPosition)) {
    const std::string rows = rows_of_ids(c, node, Operand::kPosition, Operand::kPositionIds);
    sum = c.add(node.scope, "Add", {sum, rows});
  }
  return sum;
}

std::string write_gather(ExportContext& c, const Node& node) {
  return rows_of_ids(c, node, Operand::kTable, Operand::kIds);
}

// An answer of all rows holds those that are selected.
std::string write_selection(ExportContext& c, const Node& node) {
  return operand_of(c, node, Operand::kX);
}

std::string write_positions(ExportContext& c, const Node& node) {
  const auto& rule = node.attribute<graph::PositionIdsAttributes>();
  const std::string ids = operand_of(c, node, Operand::kIds);
  const std::string& scope = node.scope;
  if (rule.rule == graph::PositionRule::kAbsolute) {
    const std::string shape = c.add(scope, "Shape", {ids});
    const std::string tokens = c.add(scope, "Gather", {shape, c.out().integer(1)});
    const std::string row = c.add(scope, "Range", {c.out().integer(0), tokens, c.out().integer(1)});
    return c.add(scope, "Unsqueeze", {row, c.out().list({0})});
  }
  const std::string padding = c.out().integer(rule.padding_idx);
  const std::string is_token = c.add(scope, "Not", {c.add(scope, "Equal", {ids, padding})});
  const std::string ones = c.out().cast(scope, is_token, ElementType::kInt64);
  const std::string count = c.add(scope, "CumSum", {ones, c.out().integer(1)});
  return c.add(scope, "Add", {c.add(scope, "Mul", {count, ones}), padding});
}

// Of each place the id before it; of the first what a decoder starts with.
std::string write_shifted_ids(ExportContext& c, const Node& node) {
  const int64_t first = node.attribute<graph::ShiftIdsAttributes>().first;
  const std::string& s = node.scope;
  const std::string ids = operand_of(c, node, Operand::kIds);
  const std::string start = first >= 0 ? c.out().integer(first) : last_ids(c, node, ids);
  const std::string before = c.add(s, "Sub", {places(c), c.out().integer(1)});
  const std::string place = c.add(s, "Clip", {before, c.out().integer(0)});
  const std::string moved = c.add(s, "Gather", {ids, place}, {integer_attribute("axis", 1)});
  const std::string is_first = c.add(s, "Equal", {places(c), c.out().integer(0)});
  return c.add(s, "Where", {is_first, start, moved});
}

// Nothing of masked tokens, and of the others as much more as were masked in training.
std::string write_dropout(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<graph::TokenDropoutAttributes>();
  const std::string& s = node.scope;
  const std::string x = c.out().widen(s, operand_of(c, node, Operand::kX));
  const auto count = [&](const std::string& each) {
    const std::string ones = c.out().cast(s, each, ElementType::kFloat);
    return c.add(s, "ReduceSum", {ones, c.out().list({1})}, {integer_attribute("keepdims", 1)});
  };
  const auto by_row = [&](const std::string& by) {
    return c.add(s, "Unsqueeze", {by, c.out().list({2})});
  };
  const std::string masked =
      c.add(s, "Equal", {c.value(node.operand(Operand::kIds)), c.out().integer(fields.mask_token)});
  const std::string kept = c.add(s, "Where", {by_row(masked), c.out().wide_number(0), x});
  const std::string share = c.add(s, "Div", {count(masked), count(std::string(kMaskInput))});
  const std::string unmasked = by_row(c.add(s, "Sub", {c.out().wide_number(1), share}));
  const std::string scaled = c.add(s, "Mul", {kept, c.out().wide_number(fields.kept)});
  return c.out().narrow(s, c.add(s, "Div", {scaled, unmasked}));
}

}  // namespace tamis::onnx
