#include "onnx/export/export_places.h"

#include "base/bf16.h"
#include "onnx/export/export_global.h"

namespace tamis::onnx {

using graph::AttentionAttributes;

namespace {

// The least number of the type that is finite; scores of padding may go to its infinity, as each
// query has keys besides.
double lowest(ElementType type) {
  if (type == ElementType::kFloat16) return -double{kMostHalf};
  return type == ElementType::kBfloat16 ? -3.3895313892515355e38 : -3.4028234663852886e38;
}

// Low enough to hide a key, and far enough from half precision's end for any score.
constexpr double kLowHalf = -60000;

// Whether a query sees a key by their distance, [queries, keys].
std::string window(ExportContext& c, const AttentionAttributes& fields) {
  std::string seen;
  if (fields.left >= 0) {
    seen = c.add("", "GreaterOrEqual", {distances(c), c.out().integer(-fields.left)});
  }
  if (fields.right < 0) return seen;
  const std::string before =
      c.add("", "LessOrEqual", {distances(c), c.out().integer(fields.right)});
  return seen.empty() ? before : c.add("", "And", {seen, before});
}

std::string padding_mask(ExportContext& c, const std::string& tokens) {
  const std::string ones = c.out().cast("", tokens, c.out().floats());
  const std::string padding = c.add("", "Sub", {c.number(1), ones});
  return c.add("", "Mul", {padding, c.number(lowest(c.out().floats()))});
}

}  // namespace

std::string token_count(ExportContext& c) {
  return c.once("token count", [&] {
    const std::string shape = c.add("", "Shape", {std::string(graph::kInputIds)});
    return c.add("", "Gather", {shape, c.out().integer(1)});
  });
}

std::string places(ExportContext& c) {
  return c.once("places", [&] {
    const std::string count = token_count(c);
    return c.add("", "Range", {c.out().integer(0), count, c.out().integer(1)});
  });
}

std::string distances(ExportContext& c) {
  return c.once("distances", [&] {
    const std::string keys = c.add("", "Unsqueeze", {places(c), c.out().list({0})});
    const std::string queries = c.add("", "Unsqueeze", {places(c), c.out().list({1})});
    return c.add("", "Sub", {keys, queries});
  });
}

std::string by_distance(ExportContext& c, const std::string& name, std::vector<int64_t> rows) {
  return c.once(name, [&] {
    const auto count = static_cast<int64_t>(rows.size());
    const std::string table = c.out().values(name, {count}, ElementType::kInt64, std::move(rows));
    const std::string from_0 = c.add("", "Add", {distances(c), c.out().integer(count / 2)});
    const std::string kept =
        c.add("", "Clip", {from_0, c.out().integer(0), c.out().integer(count - 1)});
    return c.add("", "Gather", {table, kept});
  });
}

std::string token_column(ExportContext& c) {
  return c.once("token column", [&] {
    const std::string column =
        c.add("", "Unsqueeze", {std::string(kMaskInput), c.out().list({-1})});
    return c.out().cast("", column, c.out().floats());
  });
}

std::string attention_mask(ExportContext& c, const graph::Node& attention) {
  const auto& fields = attention.attribute<AttentionAttributes>();
  const GlobalTokens global = {fields.global, fields.separator,
                               attention.operand(graph::Operand::kIds)};
  const auto rule = static_cast<int64_t>(global.rule);
  const std::string key = cat("mask ", fields.left, " ", fields.right, " ", rule, " ",
                              global.separator, " ", global.ids);
  return c.once(key, [&] {
    const std::string wide =
        c.add("", "Unsqueeze", {std::string(kMaskInput), c.out().list({1, 2})});
    if (fields.left < 0 && fields.right < 0) return padding_mask(c, wide);
    const std::string tokens = c.out().cast("", wide, ElementType::kBool);
    std::string near = window(c, fields);
    if (global.rule != graph::GlobalRule::kNone) {
      const std::string keys =
          c.add("", "Unsqueeze", {global_tokens(c, global), c.out().list({1, 2})});
      near = c.add("", "Or", {near, keys});
    }
    const std::string seen = c.add("", "And", {tokens, near});
    // Padding may see no key at all: its scores must stay finite.
    const bool half = c.out().floats() == ElementType::kFloat16;
    return c.add("", "Where",
                 {seen, c.number(0), c.number(half ? kLowHalf : lowest(c.out().floats()))});
  });
}

}  // namespace tamis::onnx
