// Rotary positions.
#include "onnx/export_ops.h"
#include "onnx/export_places.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;
using graph::RotaryAttributes;

namespace {

// Of each place and column, [tokens, 1, 2 * frequencies], in float32.
std::string angles(ExportContext& c, const RotaryAttributes& fields, graph::ValueId id) {
  return c.once(cat("angles ", id, " ", fields.interleaved), [&] {
    const std::string scope = c.graph().value(id).name;
    const int64_t pairs = c.graph().value(id).shape[0].size;
    const std::string place = c.out().cast(scope, places(c), ElementType::kFloat);
    const std::string column = c.add(scope, "Unsqueeze", {place, c.out().list({1})});
    std::string all = c.add(scope, "Mul", {column, c.constant(id, true)});
    if (fields.interleaved) all = c.add(scope, "Unsqueeze", {all, c.out().list({2})});
    all = c.add(scope, "Concat", {all, all}, {integer_attribute("axis", -1)});
    return c.add(scope, "Reshape", {all, c.out().list({-1, 1, 2 * pairs})});
  });
}

// Their cosines or sines.
std::string wave(ExportContext& c, const Node& node, std::string_view op) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const graph::ValueId id = node.operand(Operand::kFrequencies);
  const std::string key = cat(op, " ", id, " ", fields.interleaved, " ", fields.scale);
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
  const auto reshaped = [&](const std::string& from, std::vector<int64_t> sizes) {
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
  const int64_t turning = 2 * c.graph().value(node.operand(Operand::kFrequencies)).shape[0].size;
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
  if (fields.long_from != 0) {
    c.refuse(node, "frequencies that depend on the length are not written");
  }
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
