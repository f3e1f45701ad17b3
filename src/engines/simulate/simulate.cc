#include "engines/simulate/simulate.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/attention_part.h"
#include "kernels/reference/quantize.h"
#include "tensor/widened.h"

namespace tamis::engines::simulate {

using graph::FakeQuantizeAttributes;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::Quantizer;
using graph::QuantScheme;
using graph::ValueId;

namespace {

// The operand that holds q, k or v of an Attention.
Operand holder(const Node& attention, Operand operand) {
  while (!attention.has(operand)) {
    operand = operand == Operand::kV ? Operand::kK : Operand::kQ;
  }
  return operand;
}

class Simulation {
 public:
  explicit Simulation(Graph& graph) : graph_(graph) {}

  void run() {
    for (size_t i = 0; i < graph_.nodes().size(); ++i) i += rewrite(i);
    graph_.remove_dead();
    // The probabilities' marks are what an Attention's step still has to do; everything is float.
    graph::set_attention_arithmetic(graph_, graph::FloatArithmetic::kF32);
    for (Node& node : graph_.nodes()) {
      for (Quantizer& mark : node.quantizers) {
        const bool left = node.op == OpKind::kAttention && mark.operand == Operand::kProbabilities;
        mark.enabled = mark.enabled && left;
      }
    }
  }

 private:
  // Rewrites node i; how many nodes were put before it.
  size_t rewrite(size_t i) {
    if (graph::is_linear(graph_.nodes()[i])) replace_weight(graph_.nodes()[i]);
    const std::vector<Quantizer> marks = graph_.nodes()[i].quantizers;
    size_t added = 0;
    for (const Quantizer& mark : marks) {
      if (!mark.enabled || mark.scheme == QuantScheme::kPerChannelS8) continue;
      const Node& node = graph_.nodes()[i + added];
      const bool attention = node.op == OpKind::kAttention;
      if (attention && mark.operand == Operand::kProbabilities) continue;
      insert_before(i + added, mark);
      ++added;
    }
    Node& node = graph_.nodes()[i + added];
    if (graph::has_integer_weight(node)) graph::make_float_matmul(node);
    return added;
  }

  void insert_before(size_t i, const Quantizer& mark) {
    const Node node = graph_.nodes()[i];
    FakeQuantizeAttributes attributes = fake_quantize_attributes(mark);
    Operand operand = mark.operand;
    if (graph::is_attention(node.op) && operand != Operand::kProbabilities) {
      const auto& fields = node.attribute<graph::AttentionAttributes>();
      attributes.groups = operand == Operand::kQ ? fields.heads : fields.key_heads();
    }
    if (node.op == OpKind::kExpertMatMul) attributes.groups = rows_of_experts(node);
    if (node.op == OpKind::kAttention) {
      operand = holder(node, mark.operand);
      const graph::AttentionPart part = attention_part(graph_, node, mark.operand);
      if (part.columns != graph_.value(part.value).shape[1].size) {
        attributes.first_column = part.first_column;
        attributes.columns = part.columns;
      }
    }
    std::vector<ValueId> inputs = {node.operand(operand)};
    if (graph::is_matmul(node)) {
      for (const Operand more :
           {Operand::kInputMultiplier, Operand::kInputOffset, Operand::kOutlierColumns}) {
        inputs.push_back(node.operand(more));
      }
    }
    const ValueId output = graph_.insert_node(i, OpKind::kFakeQuantize, std::move(inputs),
                                              attributes, node.scope, mark.names[0]);
    graph_.nodes()[i + 1].set_operand(operand, output);
  }

  // How many rows stand side by side in what an ExpertMatMul reads: each expert's own, or one.
  [[nodiscard]] int64_t rows_of_experts(const Node& node) const {
    return graph_.value(node.operand(Operand::kX)).shape[1].size /
           graph_.value(node.operand(Operand::kWeight)).shape[1].size;
  }

  void replace_weight(Node& node) {
    const bool integers = graph::has_integer_weight(node);
    const bool rounded = node.enabled_mark(Operand::kWeight) != nullptr;
    if (!integers && !rounded) return;
    ValueId& weight =
        weights_[{node.operand(Operand::kWeight), node.operand(Operand::kOutlierWeight)}];
    if (weight == 0) {
      const graph::Value& value = graph_.value(node.operand(Operand::kWeight));
      std::shared_ptr<const Tensor> made =
          integers ? multiplied_out_weight(graph_, node) : rounded_weight(*widened(value.constant));
      weight = graph_.add_constant(cat(value.name, ".simulated"), std::move(made));
    }
    node.set_operand(Operand::kWeight, weight);
  }

  Graph& graph_;
  // By weight and outlier weight; 0 is no constant's id here, as constants follow the inputs.
  std::map<std::pair<ValueId, ValueId>, ValueId> weights_;
};

}  // namespace

void simulate_marks(Graph& graph) { Simulation(graph).run(); }

std::shared_ptr<const Tensor> multiplied_out_weight(const Graph& graph, const Node& matmul) {
  const Tensor& weight = *graph.value(matmul.operand(Operand::kWeight)).constant;
  const int64_t n = weight.shape()[0];
  const int64_t k = weight.shape()[1];
  Tensor out = multiplied_out(weight, *graph.value(matmul.operand(Operand::kWeightScale)).constant);
  const auto y = out.mutable_as<float>();
  if (matmul.has(Operand::kOutlierColumns)) {
    const auto columns =
        graph.value(matmul.operand(Operand::kOutlierColumns)).constant->as<int32_t>();
    const auto values = graph.value(matmul.operand(Operand::kOutlierWeight)).constant->as<float>();
    for (int64_t i = 0; i < n; ++i) {
      for (size_t c = 0; c < columns.size(); ++c) {
        y[static_cast<size_t>(i * k + columns[c])] =
            values[static_cast<size_t>(i) * columns.size() + c];
      }
    }
  }
  return std::make_shared<const Tensor>(std::move(out));
}

std::shared_ptr<const Tensor> rounded_weight(const Tensor& weight) {
  const int64_t n = weight.shape()[0];
  const auto k = static_cast<size_t>(weight.shape()[1]);
  const auto w = weight.as<float>();
  Tensor out(DType::kF32, weight.shape());
  const auto y = out.mutable_as<float>();
  std::vector<int8_t> q(k);
  for (int64_t i = 0; i < n; ++i) {
    const size_t row = static_cast<size_t>(i) * k;
    const float scale = kernels::reference::quantize_weight_row(w.subspan(row, k), q);
    for (size_t j = 0; j < k; ++j) y[row + j] = scale * static_cast<float>(q[j]);
  }
  return std::make_shared<const Tensor>(std::move(out));
}

}  // namespace tamis::engines::simulate
