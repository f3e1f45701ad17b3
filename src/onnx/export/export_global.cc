#include "onnx/export/export_global.h"

#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"
#include "onnx/export/export_quantized.h"

namespace tamis::onnx {

using graph::GlobalRule;
using graph::Node;
using graph::Operand;

namespace {

std::string first_token(ExportContext& c) {
  const std::string is_first = c.add("", "Equal", {places(c), c.out().integer(0)});
  return c.add("", "Unsqueeze", {is_first, c.out().list({0})});
}

// Whether no separator stands at the place or before it.
std::string before_separator(ExportContext& c, const std::string& separators) {
  const std::string so_far = c.add("", "CumSum", {separators, c.out().integer(1)});
  return c.add("", "Equal", {so_far, c.out().integer(0)});
}

// Separators of each sequence as 1, padding's left out.
std::string separators_of(ExportContext& c, const GlobalTokens& tokens) {
  const std::string found =
      c.add("", "Equal", {c.value(tokens.ids), c.out().integer(tokens.separator)});
  return c.add("", "Mul", {c.out().cast("", found, ElementType::kInt64), std::string(kMaskInput)});
}

std::string before_first(ExportContext& c, const GlobalTokens& tokens) {
  const std::string separators = separators_of(c, tokens);
  const std::string any = c.out().reduce("", "ReduceMax", separators, 1, true);
  const std::string before = before_separator(c, separators);
  return c.add("", "And", {before, c.out().cast("", any, ElementType::kBool)});
}

// No separator before the place; where there is none, the first place alone.
std::string through_first(ExportContext& c, const GlobalTokens& tokens) {
  const std::string separators = separators_of(c, tokens);
  const std::string any = c.out().reduce("", "ReduceMax", separators, 1, true);
  const std::string before =
      c.add("", "CumSum", {separators, c.out().integer(1)}, {integer_attribute("exclusive", 1)});
  const std::string none_before = c.add("", "Equal", {before, c.out().integer(0)});
  const std::string within =
      c.add("", "Or", {c.out().cast("", any, ElementType::kBool), first_token(c)});
  return c.add("", "And", {none_before, within});
}

// From the second place behind the first separator on; where there is none, that is behind all.
std::string behind_first(ExportContext& c, const GlobalTokens& tokens) {
  const std::string before = before_separator(c, separators_of(c, tokens));
  const std::string ones = c.out().cast("", before, ElementType::kInt64);
  const std::string place =
      c.add("", "ReduceSum", {ones, c.out().list({1})}, {integer_attribute("keepdims", 1)});
  const std::string begin = c.add("", "Add", {place, c.out().integer(2)});
  return c.add("", "GreaterOrEqual", {places(c), begin});
}

std::string rule_of(ExportContext& c, const GlobalTokens& tokens) {
  switch (tokens.rule) {
    case GlobalRule::kFirst:
      return first_token(c);
    case GlobalRule::kBeforeSeparator:
      return before_first(c, tokens);
    case GlobalRule::kBehindSeparator:
      return behind_first(c, tokens);
    case GlobalRule::kThroughSeparator:
      return through_first(c, tokens);
    case GlobalRule::kNone:
      break;
  }
  TAMIS_CHECK(false);
}

}  // namespace

std::string global_tokens(ExportContext& c, const GlobalTokens& tokens) {
  const auto rule = static_cast<int64_t>(tokens.rule);
  return c.once(cat("global ", rule, " ", tokens.separator, " ", tokens.ids),
                [&] { return rule_of(c, tokens); });
}

std::string write_merge(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<graph::MergeGlobalAttributes>();
  const std::string global =
      global_tokens(c, {fields.rule, fields.separator, node.operand(Operand::kIds)});
  const std::string row = c.add(node.scope, "Unsqueeze", {global, c.out().list({-1})});
  return c.add(node.scope, "Where",
               {row, operand_of(c, node, Operand::kY), operand_of(c, node, Operand::kX)});
}

}  // namespace tamis::onnx
