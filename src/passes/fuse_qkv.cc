#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "passes/match.h"

namespace tamis::passes {

using graph::Operand;

namespace {

using Projections = std::array<const graph::Node*, 3>;

bool find_projections(const Uses& uses, const graph::Node& attention, Projections& qkv) {
  if (!attention.has(Operand::kV)) return false;
  constexpr Operand kOperands[] = {Operand::kQ, Operand::kK, Operand::kV};
  for (size_t i = 0; i < 3; ++i) {
    const graph::ValueId part = attention.operand(kOperands[i]);
    if (!uses.used_once(part)) return false;
    qkv[i] = uses.producer(part, graph::OpKind::kMatMul);
    if (qkv[i] == nullptr || qkv[i]->has(Operand::kResidual)) return false;
    const bool fits = qkv[i]->operand(Operand::kX) == qkv[0]->operand(Operand::kX) &&
                      qkv[i]->has(Operand::kBias) == qkv[0]->has(Operand::kBias) &&
                      qkv[i]->attributes == qkv[0]->attributes;
    if (!fits) return false;
  }
  return qkv[0]->attribute<graph::MatMulAttributes>().activation == Activation::kNone;
}

// Operands merged under one mark switch together, so marks that differ forbid the fusion.
bool same_activation_marks(const Projections& qkv) {
  const graph::Quantizer* first = qkv[0]->mark(Operand::kX);
  for (const graph::Node* node : qkv) {
    const graph::Quantizer* mark = node->mark(Operand::kX);
    if ((mark == nullptr) != (first == nullptr)) return false;
    if (mark == nullptr) continue;
    if (mark->enabled != first->enabled || mark->scheme != first->scheme ||
        mark->low != first->low || mark->high != first->high) {
      return false;
    }
  }
  return true;
}

bool same_weight_state(const Projections& qkv) {
  const auto enabled = [](const graph::Node& node) {
    return node.enabled_mark(Operand::kWeight) != nullptr;
  };
  return enabled(*qkv[0]) == enabled(*qkv[1]) && enabled(*qkv[0]) == enabled(*qkv[2]);
}

// Rows of the three constants, one behind the other.
graph::ValueId concatenate(graph::Graph& graph, const std::array<graph::ValueId, 3>& parts) {
  const graph::SymbolicShape& shape = graph.value(parts[0]).shape;
  const int64_t width = shape.rank() == 2 ? shape[1].size : 1;
  int64_t rows = 0;
  for (const graph::ValueId part : parts) rows += graph.value(part).shape[0].size;
  Tensor whole(DType::kF32, shape.rank() == 2 ? Shape{rows, width} : Shape{rows});
  auto out = whole.mutable_as<float>().begin();
  for (const graph::ValueId part : parts) {
    const auto values = graph.value(part).constant->as<float>();
    out = std::copy(values.begin(), values.end(), out);
    graph.value(part).constant->release_pages();
  }
  const std::string name = cat(graph.value(parts[0]).name, "+key+value");
  return graph.add_constant(name, std::make_shared<const Tensor>(std::move(whole)));
}

// Stacked constants by their parts: layers that share weights (ALBERT) go on sharing them.
using Stacked = std::map<std::array<graph::ValueId, 3>, graph::ValueId>;

// The stacked weight and, if there are biases, the stacked bias.
std::vector<graph::ValueId> stack_constants(graph::Graph& graph, const Projections& qkv,
                                            Stacked& known) {
  std::vector<graph::ValueId> stacked;
  for (const Operand operand : {Operand::kWeight, Operand::kBias}) {
    if (!qkv[0]->has(operand)) continue;
    const std::array<graph::ValueId, 3> parts = {qkv[0]->operand(operand), qkv[1]->operand(operand),
                                                 qkv[2]->operand(operand)};
    const auto found = known.find(parts);
    stacked.push_back(found != known.end() ? found->second : concatenate(graph, parts));
    known[parts] = stacked.back();
  }
  return stacked;
}

// One activation mark with the names of the three; the weights' marks one after the other.
std::vector<graph::Quantizer> merge_marks(const Projections& qkv) {
  std::vector<graph::Quantizer> marks;
  for (const graph::Node* node : qkv) {
    std::vector<graph::Quantizer> activation;
    move_marks(*node, Operand::kX, Operand::kX, activation);
    for (graph::Quantizer& mark : activation) {
      if (marks.empty()) {
        marks.push_back(std::move(mark));
      } else {
        marks[0].names.insert(marks[0].names.end(), mark.names.begin(), mark.names.end());
      }
    }
  }
  for (const graph::Node* node : qkv) {
    move_marks(*node, Operand::kWeight, Operand::kWeight, marks);
  }
  return marks;
}

}  // namespace

// Three MatMuls of one value that only an Attention reads become one MatMul of the stacked weights,
// which are stacked once however many layers share them.
bool fuse_qkv(graph::Graph& graph) {
  bool changed = false;
  Stacked known;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (graph.nodes()[i].op != graph::OpKind::kAttention) continue;
    const Uses uses(graph);
    Projections qkv = {};
    if (!find_projections(uses, graph.nodes()[i], qkv)) continue;
    if (!same_activation_marks(qkv) || !same_weight_state(qkv)) continue;
    const graph::ValueId x = qkv[0]->operand(Operand::kX);
    const std::string scope = graph.nodes()[i].scope;
    std::vector<graph::Quantizer> marks = merge_marks(qkv);
    std::vector<graph::ValueId> inputs = stack_constants(graph, qkv, known);
    inputs.insert(inputs.begin(), x);
    const graph::ValueId output =
        graph.insert_node(i, graph::OpKind::kMatMul, std::move(inputs), graph::MatMulAttributes{},
                          scope, cat(scope, ".qkv"));
    graph.nodes()[i].quantizers = std::move(marks);
    graph::Node& attention = graph.nodes()[i + 1];
    attention.set_operand(Operand::kQ, output);
    attention.set_operand(Operand::kK, graph::kNoValue);
    attention.set_operand(Operand::kV, graph::kNoValue);
    ++i;
    changed = true;
  }
  if (changed) graph.remove_dead();
  return changed;
}

}  // namespace tamis::passes
