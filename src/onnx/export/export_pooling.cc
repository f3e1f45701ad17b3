// Rows of tokens to rows of sequences.
#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"
#include "onnx/export/export_quantized.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

namespace {

constexpr double kLowestFloat = -3.4028234663852886e38;

std::string sum_of_tokens(ExportContext& c, std::string_view scope, const std::string& x) {
  return c.add(scope, "ReduceSum", {x, c.out().list({1})}, {integer_attribute("keepdims", 0)});
}

// The tokens' weights [batch, tokens, 1], in float32.
std::string token_weights(ExportContext& c, std::string_view scope, const std::string& tokens) {
  const std::string column = c.add(scope, "Unsqueeze", {tokens, c.out().list({-1})});
  return c.out().cast(scope, column, ElementType::kFloat);
}

// The row of the last token that `chosen` [batch, tokens] names by 1; the first where all are 0.
std::string last_row(ExportContext& c, std::string_view scope, const std::string& x,
                     const std::string& chosen) {
  const std::string place = c.add(scope, "Mul", {places(c), chosen});
  const std::string is_last =
      c.add(scope, "Equal", {places(c), c.out().reduce(scope, "ReduceMax", place, 1, true)});
  const std::string row = c.add(scope, "Unsqueeze", {is_last, c.out().list({-1})});
  return sum_of_tokens(c, scope, c.add(scope, "Where", {row, x, c.out().wide_number(0)}));
}

// Tokens that may be the last, as 1 of [batch, tokens].
std::string last_candidates(ExportContext& c, const Node& node) {
  const std::string tokens(kMaskInput);
  if (!node.has(Operand::kIds)) return tokens;
  const std::string& s = node.scope;
  const auto& fields = node.attribute<graph::PoolAttributes>();
  const std::string ids = c.value(node.operand(Operand::kIds));
  const auto equal = [&](int64_t id) { return c.add(s, "Equal", {ids, c.out().integer(id)}); };
  const std::string chosen =
      fields.token >= 0 ? equal(fields.token) : c.add(s, "Not", {equal(fields.padding_idx)});
  return c.add(s, "Mul", {c.out().cast(s, chosen, ElementType::kInt64), tokens});
}

std::string last_of(ExportContext& c, const Node& node, const std::string& x) {
  const std::string chosen = last_candidates(c, node);
  const std::string row = last_row(c, node.scope, x, chosen);
  if (node.attribute<graph::PoolAttributes>().token < 0) return row;
  // Where a sequence lacks the token that it must have, 0 / 0 answers, not another token's row.
  const std::string& s = node.scope;
  const std::string found =
      c.out().cast(s, c.out().reduce(s, "ReduceMax", chosen, 1, true), ElementType::kFloat);
  return c.add(s, "Mul", {row, c.add(s, "Div", {found, found})});
}

std::string most_of_tokens(ExportContext& c, std::string_view s, const std::string& x) {
  const std::string is_token = c.out().cast(s, std::string(kMaskInput), ElementType::kBool);
  const std::string row = c.add(s, "Unsqueeze", {is_token, c.out().list({-1})});
  const std::string seen = c.add(s, "Where", {row, x, c.out().wide_number(kLowestFloat)});
  return c.out().reduce(s, "ReduceMax", seen, 1, false);
}

std::string mean_of_tokens(ExportContext& c, std::string_view s, Pooling mode,
                           const std::string& x) {
  const std::string tokens(kMaskInput);
  std::string weights = token_weights(c, s, tokens);
  if (mode == Pooling::kWeightedMean) {
    const std::string from_1 = c.add(s, "Add", {places(c), c.out().integer(1)});
    weights = token_weights(c, s, c.add(s, "Mul", {from_1, tokens}));
  }
  const std::string sum = sum_of_tokens(c, s, c.add(s, "Mul", {x, weights}));
  std::string count = c.add(s, "Clip", {sum_of_tokens(c, s, weights), c.out().wide_number(1e-9)});
  if (mode == Pooling::kMeanSqrtLen) count = c.add(s, "Sqrt", {count});
  return c.add(s, "Div", {sum, count});
}

std::string first_row(ExportContext& c, std::string_view scope, const std::string& x) {
  return c.add(scope, "Gather", {x, c.out().integer(0)}, {integer_attribute("axis", 1)});
}

// One mode of `x`, in float32.
std::string pooled(ExportContext& c, const Node& node, Pooling mode, const std::string& x) {
  switch (mode) {
    case Pooling::kCls:
      return first_row(c, node.scope, x);
    case Pooling::kLastToken:
      return last_of(c, node, x);
    case Pooling::kMax:
      return most_of_tokens(c, node.scope, x);
    case Pooling::kMean:
    case Pooling::kMeanSqrtLen:
    case Pooling::kWeightedMean:
      return mean_of_tokens(c, node.scope, mode, x);
    case Pooling::kVocabulary:
      break;  // an op of its own
  }
  TAMIS_CHECK(false);
}

}  // namespace

std::string write_pool(ExportContext& c, const Node& node) {
  const std::string x = operand_of(c, node, Operand::kX);
  const auto& modes = node.attribute<graph::PoolAttributes>().modes;
  if (modes == std::vector{Pooling::kCls}) return first_row(c, node.scope, x);
  const std::string wide = c.out().widen(node.scope, x);
  std::vector<std::string> results;
  for (const Pooling mode : modes) results.push_back(pooled(c, node, mode, wide));
  const std::string all = results.size() == 1 ? results[0]
                                              : c.add(node.scope, "Concat", std::move(results),
                                                      {integer_attribute("axis", -1)});
  return c.out().narrow(node.scope, all);
}

// The most that each word of the vocabulary has among a sequence's tokens, at least 0.
std::string write_vocabulary_pool(ExportContext& c, const Node& node) {
  const std::string& s = node.scope;
  const std::string x = c.out().widen(s, operand_of(c, node, Operand::kX));
  const std::string positive = c.add(s, "Relu", {x});
  const std::string bent = c.add(s, "Log", {c.add(s, "Add", {positive, c.out().wide_number(1)})});
  const std::string seen = c.add(s, "Mul", {bent, token_weights(c, s, std::string(kMaskInput))});
  return c.out().narrow(s, c.out().reduce(s, "ReduceMax", seen, 1, false));
}

}  // namespace tamis::onnx
