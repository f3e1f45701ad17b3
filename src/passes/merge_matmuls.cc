#include "passes/merge_matmuls.h"

#include <algorithm>

#include "base/error.h"
#include "passes/match.h"
#include "tensor/widened.h"

namespace tamis::passes {

using graph::Node;
using graph::Operand;
using graph::Quantizer;
using graph::ValueId;

namespace {

// Operands merged under one mark switch together, so marks that differ forbid the fusion.
bool same_mark(const Quantizer* a, const Quantizer* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->enabled == b->enabled && a->scheme == b->scheme && a->low == b->low &&
         a->high == b->high;
}

bool fits(const Node& first, const Node& node) {
  return !node.has(Operand::kResidual) && node.operand(Operand::kX) == first.operand(Operand::kX) &&
         node.has(Operand::kBias) == first.has(Operand::kBias) &&
         node.attribute<graph::MatMulAttributes>().activation == Activation::kNone &&
         same_mark(node.mark(Operand::kX), first.mark(Operand::kX)) &&
         (node.enabled_mark(Operand::kWeight) == nullptr) ==
             (first.enabled_mark(Operand::kWeight) == nullptr);
}

// Rows of one type stay as they are stored.
template <typename Element>
void append_rows(const Tensor& rows, typename std::span<Element>::iterator& out) {
  const auto values = rows.as<Element>();
  out = std::copy(values.begin(), values.end(), out);
  rows.release_pages();
}

Tensor concatenate(const graph::Graph& graph, const std::vector<ValueId>& parts) {
  const graph::SymbolicShape& shape = graph.value(parts[0]).shape;
  const DType dtype = graph.value(parts[0]).dtype;
  int64_t rows = 0;
  for (const ValueId part : parts) rows += graph.value(part).shape[0].size;
  const bool alike =
      std::ranges::all_of(parts, [&](ValueId part) { return graph.value(part).dtype == dtype; });
  const Shape all = shape.rank() == 2 ? Shape{rows, shape[1].size} : Shape{rows};
  if (alike && dtype != DType::kF32) {
    Tensor whole(dtype, all);
    auto out = whole.mutable_as<uint16_t>().begin();
    for (const ValueId part : parts) append_rows<uint16_t>(*graph.value(part).constant, out);
    return whole;
  }
  Tensor whole(DType::kF32, all);
  auto out = whole.mutable_as<float>().begin();
  for (const ValueId part : parts) append_rows<float>(*widened(graph.value(part).constant), out);
  return whole;
}

std::vector<Quantizer> merged_marks(MatMulParts parts) {
  std::vector<Quantizer> marks;
  for (const Node* node : parts) {
    std::vector<Quantizer> activation;
    move_marks(*node, Operand::kX, Operand::kX, activation);
    for (Quantizer& mark : activation) {
      if (marks.empty()) {
        marks.push_back(std::move(mark));
      } else {
        marks[0].names.insert(marks[0].names.end(), mark.names.begin(), mark.names.end());
      }
    }
  }
  for (const Node* node : parts) move_marks(*node, Operand::kWeight, Operand::kWeight, marks);
  return marks;
}

}  // namespace

bool can_merge(MatMulParts parts) {
  return std::ranges::all_of(parts, [&](const Node* node) { return fits(*parts[0], *node); });
}

ValueId Stacks::stack(graph::Graph& graph, const std::vector<ValueId>& parts,
                      std::string_view suffix) {
  const auto found = known_.find(parts);
  if (found != known_.end()) return found->second;
  auto whole = std::make_shared<const Tensor>(concatenate(graph, parts));
  const ValueId stacked =
      graph.add_constant(cat(graph.value(parts[0]).name, suffix), std::move(whole));
  known_[parts] = stacked;
  return stacked;
}

MergedMatMul merge(graph::Graph& graph, MatMulParts parts, Stacks& stacks,
                   std::string_view suffix) {
  MergedMatMul merged;
  merged.quantizers = merged_marks(parts);
  merged.inputs = {parts[0]->operand(Operand::kX)};
  for (const Operand operand : {Operand::kWeight, Operand::kBias}) {
    if (!parts[0]->has(operand)) continue;
    std::vector<ValueId> constants;
    for (const Node* node : parts) constants.push_back(node->operand(operand));
    merged.inputs.push_back(stacks.stack(graph, constants, suffix));
  }
  return merged;
}

}  // namespace tamis::passes
