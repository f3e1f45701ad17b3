// What follows from places: windows, rotary positions, what distances add to scores.
#include "kernels/reference/position_buckets.h"
#include "onnx/exporter.h"

namespace tamis::onnx {

using graph::AttentionAttributes;
using graph::BiasRule;
using graph::Node;
using graph::Operand;
using graph::RotaryAttributes;

namespace reference = kernels::reference;

// The places of a sequence's tokens, [tokens].
std::string Exporter::places() {
  if (!places_.empty()) return places_;
  const std::string shape = add("", "Shape", {std::string(graph::kInputIds)});
  token_count_ = add("", "Gather", {shape, out_.integer(1)});
  places_ = add("", "Range", {out_.integer(0), token_count_, out_.integer(1)});
  return places_;
}

// A key's place less the query's, [queries, keys].
std::string Exporter::distances() {
  if (!distances_.empty()) return distances_;
  const std::string keys = add("", "Unsqueeze", {places(), out_.list({0})});
  const std::string queries = add("", "Unsqueeze", {places(), out_.list({1})});
  distances_ = add("", "Sub", {keys, queries});
  return distances_;
}

// rows[reach + distance] of each query and key; distances beyond the reach count as it does.
std::string Exporter::by_distance(const std::string& name, std::vector<int64_t> rows) {
  std::string& made = by_distance_[name];
  if (!made.empty()) return made;
  const auto count = static_cast<int64_t>(rows.size());
  const std::string table = out_.values(name, {count}, ElementType::kInt64, std::move(rows));
  const std::string from_0 = add("", "Add", {distances(), out_.integer(count / 2)});
  const std::string kept = add("", "Clip", {from_0, out_.integer(0), out_.integer(count - 1)});
  made = add("", "Gather", {table, kept});
  return made;
}

// Whether a query sees a key by their distance, [queries, keys].
std::string Exporter::write_window(const AttentionAttributes& fields) {
  std::string seen;
  if (fields.left >= 0) {
    seen = add("", "GreaterOrEqual", {distances(), out_.integer(-fields.left)});
  }
  if (fields.right < 0) return seen;
  const std::string before = add("", "LessOrEqual", {distances(), out_.integer(fields.right)});
  return seen.empty() ? before : add("", "And", {seen, before});
}

// [1, heads, queries, keys], to be added to scores.
std::string Exporter::write_bias(const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const graph::ValueId id = node.operand(Operand::kBias);
  std::string& made = biases_[{id, fields.max_distance}];
  if (!made.empty()) return made;
  const std::string scope = graph_.value(id).name;
  if (fields.bias == BiasRule::kAlibi) {
    // No text is longer than max_distance, which ends the table that kernels read.
    const std::string far = add(scope, "Abs", {distances()});
    const std::string fall = add(scope, "Neg", {out_.cast(scope, far, ElementType::kFloat)});
    const std::string slopes =
        add(scope, "Reshape", {constant(id, true), out_.list({1, fields.heads, 1, 1})});
    made = out_.narrow(scope, add(scope, "Mul", {fall, slopes}));
    return made;
  }
  const int64_t buckets = graph_.value(id).shape[0].size;
  std::vector<int64_t> rows;
  for (int64_t distance = -fields.max_distance; distance <= fields.max_distance; ++distance) {
    rows.push_back(reference::t5_bucket(distance, buckets, fields.max_distance));
  }
  const std::string ids =
      by_distance(cat("buckets_", buckets, "_", fields.max_distance), std::move(rows));
  const std::string each = add(scope, "Gather", {constant(id), ids});
  const std::string turned = add(scope, "Transpose", {each}, {list_attribute("perm", {2, 0, 1})});
  made = add(scope, "Unsqueeze", {turned, out_.list({0})});
  return made;
}

// Rows x [batch, heads, tokens, size] times the table [slots, heads * size], and of each row what
// `ids` [tokens, tokens] name.
std::string Exporter::write_slots(const Node& node, Operand table, const std::string& x,
                                  const std::string& ids) {
  if (node.enabled_mark(table) != nullptr) refuse(node, "a quantized table is not written");
  const graph::ValueId id = node.operand(table);
  const std::string& s = node.scope;
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  const int64_t slots = graph_.value(id).shape[0].size;
  const std::string parts =
      add(s, "Reshape", {constant(id), out_.list({slots, heads, columns(id) / heads})});
  const std::string turned = add(s, "Transpose", {parts}, {list_attribute("perm", {1, 2, 0})});
  const std::string products = add(s, "MatMul", {x, turned});
  const std::string rows = add(
      s, "Slice", {add(s, "Shape", {products}), out_.list({0}), out_.list({3}), out_.list({0})});
  const std::string keys = add(s, "Unsqueeze", {token_count_, out_.list({0})});
  const std::string shape = add(s, "Concat", {rows, keys}, {integer_attribute("axis", 0)});
  return add(s, "GatherElements", {products, add(s, "Expand", {ids, shape})},
             {integer_attribute("axis", -1)});
}

// The products of queries and keys with the positions of their distance, to be added to scores.
std::string Exporter::write_position_scores(const Node& node, const std::string& q,
                                            const std::string& k) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const reference::DebertaSlots slots = {fields.position_buckets, fields.max_relative_positions};
  const int64_t reach = reference::deberta_reach(slots);
  std::vector<int64_t> rows;
  for (int64_t distance = -reach; distance <= reach; ++distance) {
    rows.push_back(reference::deberta_slot(distance, slots));
  }
  const std::string ids =
      by_distance(cat("slots_", slots.buckets, "_", slots.max_positions), std::move(rows));
  const std::string& s = node.scope;
  std::string sum;
  if (node.has(Operand::kPositionKeys)) sum = write_slots(node, Operand::kPositionKeys, q, ids);
  if (!node.has(Operand::kPositionQueries)) return sum;
  const std::string by_key = add(s, "Transpose", {ids}, {list_attribute("perm", {1, 0})});
  const std::string products = write_slots(node, Operand::kPositionQueries, k, by_key);
  const std::string of_keys =
      add(s, "Transpose", {products}, {list_attribute("perm", {0, 1, 3, 2})});
  return sum.empty() ? of_keys : add(s, "Add", {sum, of_keys});
}

// Cosines and sines [tokens, 1, 2 * frequencies], of angles in float32.
std::pair<std::string, std::string> Exporter::write_waves(const Node& node) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const graph::ValueId id = node.operand(Operand::kFrequencies);
  auto& made = waves_[{id, fields.interleaved, fields.scale}];
  if (!made.first.empty()) return made;
  const std::string scope = graph_.value(id).name;
  const int64_t pairs = graph_.value(id).shape[0].size;
  const std::string place = out_.cast(scope, places(), ElementType::kFloat);
  const std::string column = add(scope, "Unsqueeze", {place, out_.list({1})});
  std::string angles = add(scope, "Mul", {column, constant(id, true)});
  if (fields.interleaved) angles = add(scope, "Unsqueeze", {angles, out_.list({2})});
  angles = add(scope, "Concat", {angles, angles}, {integer_attribute("axis", -1)});
  angles = add(scope, "Reshape", {angles, out_.list({-1, 1, 2 * pairs})});
  const auto wave = [&](std::string_view op) {
    std::string y = add(scope, op, {angles});
    if (fields.scale != 1) y = add(scope, "Mul", {y, out_.wide_number(fields.scale)});
    return out_.narrow(scope, y);
  };
  made = {wave("Cos"), wave("Sin")};
  return made;
}

std::string Exporter::write_slice(std::string_view scope, const std::string& x, int64_t first,
                                  int64_t end) {
  return add(scope, "Slice", {x, out_.list({first}), out_.list({end}), out_.list({-1})});
}

// Rows of `width` columns, all of them of heads that turn.
std::string Exporter::write_turned(const Node& node, const std::string& x, int64_t width) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const std::string& s = node.scope;
  const int64_t heads = width / fields.head_size;
  const int64_t turning = 2 * graph_.value(node.operand(Operand::kFrequencies)).shape[0].size;
  const auto [cosine, sine] = write_waves(node);
  const std::string all = add(s, "Reshape", {x, out_.list({0, 0, heads, fields.head_size})});
  const bool whole = turning == fields.head_size;
  const std::string part = whole ? all : write_slice(s, all, 0, turning);
  std::string swapped = part;
  const int64_t half = fields.interleaved ? 1 : turning / 2;
  if (fields.interleaved) {
    swapped = add(s, "Reshape", {part, out_.list({0, 0, heads, turning / 2, 2})});
  }
  const std::string first = write_slice(s, swapped, 0, half);
  const std::string second = add(s, "Neg", {write_slice(s, swapped, half, 2 * half)});
  swapped = add(s, "Concat", {second, first}, {integer_attribute("axis", -1)});
  if (fields.interleaved) {
    swapped = add(s, "Reshape", {swapped, out_.list({0, 0, heads, turning})});
  }
  std::string turned =
      add(s, "Add", {add(s, "Mul", {part, cosine}), add(s, "Mul", {swapped, sine})});
  if (!whole) {
    const std::string rest = write_slice(s, all, turning, fields.head_size);
    turned = add(s, "Concat", {turned, rest}, {integer_attribute("axis", -1)});
  }
  return add(s, "Reshape", {turned, out_.list({0, 0, width})});
}

std::string Exporter::write_rotary(const Node& node) {
  const auto& fields = node.attribute<RotaryAttributes>();
  if (fields.long_from != 0) refuse(node, "frequencies that depend on the length are not written");
  const graph::ValueId x = node.operand(Operand::kX);
  const int64_t turning = fields.heads * fields.head_size;
  const std::vector<WrittenPart> parts = parts_of(x);
  for (const WrittenPart& part : parts) {
    const bool turns = part.first_column + part.columns <= turning;
    if (!turns && part.first_column < turning) refuse(node, "a turn of a part of a linear layer");
    const std::string y = turns ? write_turned(node, part.name, part.columns) : part.name;
    if (parts.size() == 1) return y;
    parts_[{node.output, part.first_column}] = y;
  }
  return "";  // its parts are read one by one
}

// Nothing of masked tokens, and of the others as much more as were masked in training.
std::string Exporter::write_dropout(const Node& node) {
  const auto& fields = node.attribute<graph::TokenDropoutAttributes>();
  const std::string& s = node.scope;
  const std::string x = out_.widen(s, operand(node, Operand::kX));
  const auto count = [&](const std::string& each) {
    const std::string ones = out_.cast(s, each, ElementType::kFloat);
    return add(s, "ReduceSum", {ones, out_.list({1})}, {integer_attribute("keepdims", 1)});
  };
  const auto by_row = [&](const std::string& by) {
    return add(s, "Unsqueeze", {by, out_.list({2})});
  };
  const std::string masked =
      add(s, "Equal", {value(node.operand(Operand::kIds)), out_.integer(fields.mask_token)});
  const std::string kept = add(s, "Where", {by_row(masked), out_.wide_number(0), x});
  const std::string share = add(s, "Div", {count(masked), count(std::string(kMaskInput))});
  const std::string unmasked = by_row(add(s, "Sub", {out_.wide_number(1), share}));
  const std::string scaled = add(s, "Mul", {kept, out_.wide_number(fields.kept)});
  return out_.narrow(s, add(s, "Div", {scaled, unmasked}));
}

}  // namespace tamis::onnx
