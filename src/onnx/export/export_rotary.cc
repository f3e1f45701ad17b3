// Rotary positions.
#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;
using graph::RotaryAttributes;

namespace {

int64_t pairs_of(const ExportContext& c, graph::ValueId frequencies) {
  const graph::SymbolicShape& shape = c.graph().value(frequencies).shape;
  return shape[shape.rank() - 1].size;
}

// The frequencies of each sequence, [batch, 1, pairs]: its length says which of the two rows. That
// is counted by an operator by which import knows it, as short probes show the first row alone.
std::string by_length(ExportContext& c, const RotaryAttributes& fields, graph::ValueId id) {
  const std::string scope = c.graph().value(id).name;
  const std::string tokens = c.out().cast(scope, std::string(kMaskInput), ElementType::kFloat);
  const std::string length = c.out().reduce(scope, "ReduceL1", tokens, 1, true);
  const double most = static_cast<double>(fields.long_from);
  const std::string is_long = c.add(scope, "Greater", {length, c.out().wide_number(most)});
  const std::string row = c.out().cast(scope, is_long, ElementType::kInt64);
  return c.add(scope, "Gather", {c.constant(id, true), row});
}

// Of each place and column, [tokens, 1, 2 * pairs] in float32; of each sequence where frequencies
// depend on its length.
std::string angles(ExportContext& c, const RotaryAttributes& fields, graph::ValueId id) {
  return c.once(cat("angles ", id, " ", fields.interleaved, " ", fields.long_from), [&] {
    const std::string scope = c.graph().value(id).name;
    const int64_t turning = 2 * pairs_of(c, id);
    const bool one_set = fields.long_from == 0;
    const std::string place = c.out().cast(scope, places(c), ElementType::kFloat);
    const std::string column = c.add(scope, "Unsqueeze", {place, c.out().list({1})});
    const std::string frequencies = one_set ? c.constant(id, true) : by_length(c, fields, id);
    std::string all = c.add(scope, "Mul", {column, frequencies});
    const int64_t last = one_set ? 2 : 3;
    if (fields.interleaved) all = c.add(scope, "Unsqueeze", {all, c.out().list({last})});
    all = c.add(scope, "Concat", {all, all}, {integer_attribute("axis", -1)});
    const std::vector<int64_t> sizes =
        one_set ? std::vector<int64_t>{-1, 1, turning} : std::vector<int64_t>{0, -1, 1, turning};
    return c.add(scope, "Reshape", {all, c.out().list(sizes)});
  });
}

// Their cosines or sines.
std::string wave(ExportContext& c, const Node& node, std::string_view op) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const graph::ValueId id = node.operand(Operand::kFrequencies);
  const std::string key =
      cat(op, " ", id, " ", fields.interleaved, " ", fields.long_from, " ", fields.scale);
  return c.once(key, [&] {
    const std::string scope = c.graph().value(id).name;
    std::string y = c.add(scope, op, {angles(c, fields, id)});
    if (fields.scale != 1) y = c.add(scope, "Mul", {y, c.out().wide_number(fields.scale)});
    return c.out().narrow(scope, y);
  });
}

// The other number of each pair, the first of them negated.
std::string swapped(ExportContext& c, const Node& node, const std::string& x, int64_t heads,
                    int64_t turning) {
  const bool interleaved = node.attribute<RotaryAttributes>().interleaved;
  const std::string& s = node.scope;
  const auto reshaped = [&](const std::string& from, const std::vector<int64_t>& sizes) {
    return interleaved ? c.add(s, "Reshape", {from, c.out().list(sizes)}) : from;
  };
  const std::string apart = reshaped(x, {0, 0, heads, turning / 2, 2});
  const int64_t half = interleaved ? 1 : turning / 2;
  const std::string first = c.out().slice(s, apart, 0, half);
  const std::string second = c.add(s, "Neg", {c.out().slice(s, apart, half, 2 * half)});
  const std::string both = c.add(s, "Concat", {second, first}, {integer_attribute("axis", -1)});
  return reshaped(both, {0, 0, heads, turning});
}

// Rows of `width` columns, all of them of heads that turn.
std::string turned(ExportContext& c, const Node& node, const std::string& x, int64_t width) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const std::string& s = node.scope;
  const int64_t heads = width / fields.head_size;
  const int64_t turning = 2 * pairs_of(c, node.operand(Operand::kFrequencies));
  const std::string cosine = wave(c, node, "Cos");
  const std::string sine = wave(c, node, "Sin");
  const std::string all = c.add(s, "Reshape", {x, c.out().list({0, 0, heads, fields.head_size})});
  const bool whole = turning == fields.head_size;
  const std::string part = whole ? all : c.out().slice(s, all, 0, turning);
  const std::string other = swapped(c, node, part, heads, turning);
  std::string y =
      c.add(s, "Add", {c.add(s, "Mul", {part, cosine}), c.add(s, "Mul", {other, sine})});
  if (!whole) {
    const std::string rest = c.out().slice(s, all, turning, fields.head_size);
    y = c.add(s, "Concat", {y, rest}, {integer_attribute("axis", -1)});
  }
  return c.add(s, "Reshape", {y, c.out().list({0, 0, width})});
}

}  // namespace

std::string write_rotary(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const int64_t turning = fields.heads * fields.head_size;
  const std::vector<WrittenPart> parts = c.parts_of(node.operand(Operand::kX));
  for (const WrittenPart& part : parts) {
    const bool turns = part.first_column + part.columns <= turning;
    if (!turns && part.first_column < turning) c.refuse(node, "a turn of a part of a linear layer");
    const std::string y = turns ? turned(c, node, part.name, part.columns) : part.name;
    if (parts.size() == 1) return y;
    c.set_part(node.output, part.first_column, y);
  }
  return "";  // its parts are read one by one
}

}  // namespace tamis::onnx
