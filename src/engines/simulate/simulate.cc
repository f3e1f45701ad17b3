#include "engines/simulate/simulate.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "kernels/reference/quantize.h"

namespace tamis::engines::simulate {

using graph::FakeQuantizeAttributes;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::OpKind;
using graph::Quantizer;
using graph::QuantScheme;
using graph::ValueId;

namespace {

// Inputs of a quantized MatMul behind the residual.
constexpr size_t kWeightScale = 4;
constexpr size_t kMultiplier = 5;
constexpr size_t kOffset = 6;
constexpr size_t kOutlierColumns = 7;
constexpr size_t kOutlierWeight = 8;
// The mark on an Attention's probabilities.
constexpr int32_t kProbabilities = 3;

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
        const bool left = node.op == OpKind::kAttention && mark.operand == kProbabilities;
        mark.enabled = mark.enabled && left;
      }
    }
  }

 private:
  // Rewrites node i; how many nodes were put before it.
  size_t rewrite(size_t i) {
    if (graph_.nodes()[i].op == OpKind::kMatMul) replace_weight(graph_.nodes()[i]);
    const std::vector<Quantizer> marks = graph_.nodes()[i].quantizers;
    size_t added = 0;
    for (const Quantizer& mark : marks) {
      if (!mark.enabled || mark.scheme == QuantScheme::kPerChannelS8) continue;
      const Node& node = graph_.nodes()[i + added];
      const bool attention = node.op == OpKind::kAttention;
      if (attention && mark.operand == kProbabilities) continue;
      insert_before(i + added, mark);
      ++added;
    }
    Node& node = graph_.nodes()[i + added];
    if (node.op == OpKind::kMatMul && node.inputs.size() > kWeightScale) {
      node.inputs.resize(kWeightScale);
      while (node.inputs.back() == kNoValue) node.inputs.pop_back();
    }
    return added;
  }

  void insert_before(size_t i, const Quantizer& mark) {
    const Node node = graph_.nodes()[i];
    FakeQuantizeAttributes attributes = fake_quantize_attributes(mark);
    auto operand = static_cast<size_t>(mark.operand);
    if (node.op == OpKind::kAttention) {
      attributes.groups = node.attribute<graph::AttentionAttributes>().heads;
      if (node.inputs.size() == 1) {
        attributes.columns = graph_.value(node.output).shape[1].size;
        attributes.first_column = attributes.columns * mark.operand;
        operand = 0;
      } else if (node.inputs.size() == 2 && operand > 0) {
        attributes.columns = graph_.value(node.output).shape[1].size;
        attributes.first_column = attributes.columns * (mark.operand - 1);
        operand = 1;
      }
    } else if (node.op == OpKind::kAttentionScores ||
               (node.op == OpKind::kAttentionContext && operand == 1)) {
      attributes.groups = node.attribute<graph::AttentionAttributes>().heads;
    }
    std::vector<ValueId> inputs = {node.inputs[operand]};
    if (node.op == OpKind::kMatMul) {
      for (const size_t k : {kMultiplier, kOffset, kOutlierColumns})
        inputs.push_back(node.input(k));
    }
    const ValueId output = graph_.insert_node(i, OpKind::kFakeQuantize, std::move(inputs),
                                              attributes, node.scope, mark.names[0]);
    graph_.nodes()[i + 1].inputs[operand] = output;
  }

  void replace_weight(Node& node) {
    const bool integers = node.input(kWeightScale) != kNoValue;
    const bool rounded =
        std::any_of(node.quantizers.begin(), node.quantizers.end(),
                    [](const Quantizer& mark) { return mark.operand == 1 && mark.enabled; });
    if (!integers && !rounded) return;
    ValueId& weight = weights_[{node.inputs[1], node.input(kOutlierWeight)}];
    if (weight == 0) {
      const graph::Value& value = graph_.value(node.inputs[1]);
      std::shared_ptr<const Tensor> made =
          integers ? multiplied_out_weight(graph_, node) : rounded_weight(*value.constant);
      weight = graph_.add_constant(cat(value.name, ".simulated"), std::move(made));
    }
    node.inputs[1] = weight;
  }

  Graph& graph_;
  // By weight and outlier weight; 0 is no constant's id here, as constants follow the inputs.
  std::map<std::pair<ValueId, ValueId>, ValueId> weights_;
};

}  // namespace

void simulate_marks(Graph& graph) { Simulation(graph).run(); }

std::shared_ptr<const Tensor> multiplied_out_weight(const Graph& graph, const Node& matmul) {
  const Tensor& weight = *graph.value(matmul.inputs[1]).constant;
  const int64_t n = weight.shape()[0];
  const int64_t k = weight.shape()[1];
  const auto q = weight.as<int8_t>();
  const auto scale = graph.value(matmul.inputs[kWeightScale]).constant->as<float>();
  Tensor out(DType::kF32, Shape{n, k});
  const auto y = out.mutable_as<float>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      const auto at = static_cast<size_t>(i * k + j);
      y[at] = scale[static_cast<size_t>(i)] * static_cast<float>(q[at]);
    }
  }
  if (matmul.input(kOutlierColumns) != kNoValue) {
    const auto columns = graph.value(matmul.inputs[kOutlierColumns]).constant->as<int32_t>();
    const auto values = graph.value(matmul.inputs[kOutlierWeight]).constant->as<float>();
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
