#include "onnx/export/export_places.h"

#include <cmath>

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

// Which tokens of each sequence lie in its first block or its last, [batch, tokens].
std::string outer_blocks(ExportContext& c, const std::string& counts, int64_t size) {
  const std::string last_place = c.add("", "Sub", {counts, c.out().integer(1)});
  const std::string last = c.add("", "Div", {last_place, c.out().integer(size)});
  const std::string block = c.add("", "Div", {places(c), c.out().integer(size)});
  const std::string in_first = c.add("", "Less", {places(c), c.out().integer(size)});
  return c.add("", "Or", {in_first, c.add("", "Equal", {block, last})});
}

// Whether blocks are the same or neighbors, [queries, keys].
std::string near_blocks(ExportContext& c, int64_t size) {
  const std::string block = c.add("", "Div", {places(c), c.out().integer(size)});
  const std::string keys = c.add("", "Unsqueeze", {block, c.out().list({0})});
  const std::string queries = c.add("", "Unsqueeze", {block, c.out().list({1})});
  const std::string apart = c.add("", "Abs", {c.add("", "Sub", {keys, queries})});
  return c.add("", "LessOrEqual", {apart, c.out().integer(1)});
}

// As kernels/reference/attention_blocks.h; `tokens` are those that padding leaves, by key.
std::string block_mask(ExportContext& c, const AttentionAttributes& fields,
                       const std::string& tokens, double low) {
  const int64_t size = fields.block_size;
  const std::string counts = c.add("", "ReduceSum", {std::string(kMaskInput), c.out().list({1})},
                                   {integer_attribute("keepdims", 1)});
  const std::string outer = outer_blocks(c, counts, size);
  const int64_t most = (5 + 2 * fields.random_blocks) * size;
  const std::string is_short = c.add("", "LessOrEqual", {counts, c.out().integer(most)});
  const std::string all = c.add("", "Unsqueeze", {is_short, c.out().list({2, 3})});
  const std::string outer_query = c.add("", "Unsqueeze", {outer, c.out().list({1, 3})});
  const std::string sees_all = c.add("", "Or", {all, outer_query});
  const std::string outer_key = c.add("", "Unsqueeze", {outer, c.out().list({1, 2})});
  const std::string near = c.add("", "Or", {near_blocks(c, size), outer_key});
  const std::string seen = c.add("", "And", {tokens, c.add("", "Or", {sees_all, near})});
  const std::string first = c.add("", "Less", {places(c), c.out().integer(size)});
  const std::string gains = c.add("", "And", {c.add("", "Not", {sees_all}), first});
  const double gain = std::log1p(static_cast<double>(fields.random_blocks));
  const std::string added = c.add("", "Where", {gains, c.number(gain), c.number(0)});
  return c.add("", "Where", {seen, added, c.number(low)});
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
  const std::string key =
      cat("mask ", fields.left, " ", fields.right, " ", rule, " ", global.separator, " ",
          global.ids, " ", fields.block_size, " ", fields.random_blocks);
  return c.once(key, [&] {
    const std::string wide =
        c.add("", "Unsqueeze", {std::string(kMaskInput), c.out().list({1, 2})});
    const bool whole = fields.left < 0 && fields.right < 0;
    if (whole && fields.block_size == 0) return padding_mask(c, wide);
    const std::string tokens = c.out().cast("", wide, ElementType::kBool);
    // Padding may see no key at all: its scores must stay finite.
    const bool half = c.out().floats() == ElementType::kFloat16;
    const double low = half ? kLowHalf : lowest(c.out().floats());
    if (whole) return block_mask(c, fields, tokens, low);
    std::string near = window(c, fields);
    if (global.rule != graph::GlobalRule::kNone) {
      const std::string keys =
          c.add("", "Unsqueeze", {global_tokens(c, global), c.out().list({1, 2})});
      near = c.add("", "Or", {near, keys});
    }
    const std::string seen = c.add("", "And", {tokens, near});
    return c.add("", "Where", {seen, c.number(0), c.number(low)});
  });
}

}  // namespace tamis::onnx
