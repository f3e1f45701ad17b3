// Rows of tokens to rows of sequences.
#include "onnx/exporter.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

namespace {

constexpr double kLowestFloat = -3.4028234663852886e38;

}  // namespace

std::string Exporter::write_sum_of_tokens(std::string_view scope, const std::string& x) {
  return add(scope, "ReduceSum", {x, out_.list({1})}, {integer_attribute("keepdims", 0)});
}

// The tokens' weights [batch, tokens, 1], in float32.
std::string Exporter::write_token_weights(std::string_view scope, const std::string& tokens) {
  return out_.cast(scope, add(scope, "Unsqueeze", {tokens, out_.list({-1})}), ElementType::kFloat);
}

// The row of the last token that `chosen` [batch, tokens] names by 1; the first where all are 0.
std::string Exporter::write_last(std::string_view scope, const std::string& x,
                                 const std::string& chosen) {
  const std::string place = add(scope, "Mul", {places(), chosen});
  const std::string is_last =
      add(scope, "Equal", {places(), write_reduction(scope, "ReduceMax", place, 1, true)});
  const std::string row = add(scope, "Unsqueeze", {is_last, out_.list({-1})});
  return write_sum_of_tokens(scope, add(scope, "Where", {row, x, out_.wide_number(0)}));
}

// One mode of `x`, in float32.
std::string Exporter::write_mode(const Node& node, Pooling mode, const std::string& x) {
  const std::string& s = node.scope;
  const std::string tokens(kMaskInput);
  if (mode == Pooling::kCls) {
    return add(s, "Gather", {x, out_.integer(0)}, {integer_attribute("axis", 1)});
  }
  if (mode == Pooling::kLastToken) {
    const auto& fields = node.attribute<graph::PoolAttributes>();
    if (!node.has(Operand::kIds)) return write_last(s, x, tokens);
    const std::string ids = value(node.operand(Operand::kIds));
    std::string chosen =
        fields.token >= 0
            ? add(s, "Equal", {ids, out_.integer(fields.token)})
            : add(s, "Not", {add(s, "Equal", {ids, out_.integer(fields.padding_idx)})});
    chosen = add(s, "Mul", {out_.cast(s, chosen, ElementType::kInt64), tokens});
    return write_last(s, x, chosen);
  }
  if (mode == Pooling::kMax) {
    const std::string is_token = out_.cast(s, tokens, ElementType::kBool);
    const std::string row = add(s, "Unsqueeze", {is_token, out_.list({-1})});
    const std::string seen = add(s, "Where", {row, x, out_.wide_number(kLowestFloat)});
    return write_reduction(s, "ReduceMax", seen, 1, false);
  }
  std::string weights = write_token_weights(s, tokens);
  if (mode == Pooling::kWeightedMean) {
    const std::string from_1 = add(s, "Add", {places(), out_.integer(1)});
    weights = write_token_weights(s, add(s, "Mul", {from_1, tokens}));
  }
  const std::string sum = write_sum_of_tokens(s, add(s, "Mul", {x, weights}));
  std::string count = add(s, "Clip", {write_sum_of_tokens(s, weights), out_.wide_number(1e-9)});
  if (mode == Pooling::kMeanSqrtLen) count = add(s, "Sqrt", {count});
  return add(s, "Div", {sum, count});
}

std::string Exporter::write_pool(const Node& node) {
  const std::string x = operand(node, Operand::kX);
  const auto& modes = node.attribute<graph::PoolAttributes>().modes;
  if (modes == std::vector{Pooling::kCls}) return write_mode(node, Pooling::kCls, x);
  const std::string wide = out_.widen(node.scope, x);
  std::vector<std::string> results;
  for (const Pooling mode : modes) results.push_back(write_mode(node, mode, wide));
  const std::string all = results.size() == 1 ? results[0]
                                              : add(node.scope, "Concat", std::move(results),
                                                    {integer_attribute("axis", -1)});
  return out_.narrow(node.scope, all);
}

// The most that each word of the vocabulary has among a sequence's tokens, at least 0.
std::string Exporter::write_vocabulary_pool(const Node& node) {
  const std::string& s = node.scope;
  const std::string x = out_.widen(s, operand(node, Operand::kX));
  const std::string positive = add(s, "Relu", {x});
  const std::string bent = add(s, "Log", {add(s, "Add", {positive, out_.wide_number(1)})});
  const std::string seen = add(s, "Mul", {bent, write_token_weights(s, std::string(kMaskInput))});
  return out_.narrow(s, write_reduction(s, "ReduceMax", seen, 1, false));
}

}  // namespace tamis::onnx
