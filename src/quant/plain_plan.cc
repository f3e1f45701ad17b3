#include "quant/plain_plan.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::Quantizer;
using graph::ValueId;

namespace {

template <typename T>
std::shared_ptr<const Tensor> tensor_of(const Shape& shape, const std::vector<T>& values) {
  Tensor tensor(kDTypeOf<T>, shape);
  std::copy(values.begin(), values.end(), tensor.mutable_as<T>().begin());
  return std::make_shared<const Tensor>(std::move(tensor));
}

bool marks_are_on(const Node& node) {
  bool input = false;
  bool weight = false;
  for (const Quantizer& mark : node.quantizers) {
    if (!mark.enabled) return false;
    (mark.operand == Operand::kX ? input : weight) = true;
  }
  return input && weight;
}

/// Gives nodes their constants, in place where only they read the old one.
class Replacement {
 public:
  Replacement(Graph& graph, const std::vector<size_t>& nodes) : graph_(graph), nodes_(nodes) {}

  template <typename T>
  void set(Operand operand, const Shape& shape, const std::vector<T>& values,
           const std::string& fallback_name) {
    if (values.empty()) return;
    std::shared_ptr<const Tensor> tensor = tensor_of(shape, values);
    const ValueId old = graph_.nodes()[nodes_[0]].operand(operand);
    ValueId id = old;
    if (old != kNoValue && only_ours(old, operand)) {
      graph_.value(old).dtype = tensor->dtype();
      graph_.value(old).constant = std::move(tensor);
    } else {
      id = graph_.add_constant(fallback_name, std::move(tensor));
    }
    for (const size_t index : nodes_) graph_.nodes()[index].set_operand(operand, id);
  }

 private:
  [[nodiscard]] bool only_ours(ValueId id, Operand operand) const {
    if (graph_.is_output(id)) return false;
    const std::vector<int> readers = graph_.consumers(id);
    return std::all_of(readers.begin(), readers.end(), [&](int reader) {
      const auto index = static_cast<size_t>(reader);
      const Node& node = graph_.nodes()[index];
      return std::find(nodes_.begin(), nodes_.end(), index) != nodes_.end() &&
             node.operand(operand) == id &&
             std::count(node.inputs.begin(), node.inputs.end(), id) == 1;
    });
  }

  Graph& graph_;
  const std::vector<size_t>& nodes_;
};

std::vector<double> bias_of(const Graph& graph, ValueId id, size_t rows) {
  if (id == kNoValue) return std::vector<double>(rows, 0.0);
  const auto values = graph.value(id).constant->as<float>();
  return {values.begin(), values.end()};
}

// `treated` is the first node's. Layers that share a weight may each have a bias of their own: what
// the first one's became more by is added to all.
void set_biases(Graph& graph, const std::vector<size_t>& nodes, const std::vector<float>& treated,
                const std::string& fallback_name) {
  if (treated.empty()) return;
  const auto bias_at = [&graph](size_t node) {
    return graph.nodes()[node].operand(Operand::kBias);
  };
  const ValueId first_id = bias_at(nodes[0]);
  const std::vector<double> first = bias_of(graph, first_id, treated.size());
  std::map<ValueId, std::vector<size_t>> by_bias;
  for (const size_t node : nodes) by_bias[bias_at(node)].push_back(node);
  const Shape shape{static_cast<int64_t>(treated.size())};
  for (const auto& [id, readers] : by_bias) {
    std::vector<float> bias = treated;
    if (id != first_id) {
      const std::vector<double> own = bias_of(graph, id, treated.size());
      for (size_t i = 0; i < bias.size(); ++i) {
        bias[i] = static_cast<float>(treated[i] - first[i] + own[i]);
      }
    }
    Replacement(graph, readers).set(Operand::kBias, shape, bias, fallback_name);
  }
}

}  // namespace

std::vector<size_t> quantizable_linears(const Graph& graph) {
  std::vector<size_t> found;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (!graph::is_float_linear(node) || !marks_are_on(node)) continue;
    const graph::Value& weight = graph.value(node.operand(Operand::kWeight));
    if (weight.constant != nullptr && is_stored_float(weight.dtype)) found.push_back(i);
  }
  return found;
}

void apply_treatment(Graph& graph, const std::vector<size_t>& nodes, const TreatedLinear& treated) {
  const std::string name = graph.value(graph.nodes()[nodes[0]].operand(Operand::kWeight)).name;
  const int64_t n = treated.weight.rows;
  const int64_t k = treated.weight.columns;
  const auto outliers = static_cast<int64_t>(treated.outlier_columns.size());
  for (const size_t index : nodes) {
    Node& node = graph.nodes()[index];
    if (node.op == OpKind::kMatMul) node.op = OpKind::kQuantizedMatMul;
  }
  Replacement replacement(graph, nodes);
  replacement.set(Operand::kWeight, {n, k}, treated.weight.q, name + ".int8");
  set_biases(graph, nodes, treated.bias, name + ".bias");
  replacement.set(Operand::kWeightScale, {n}, treated.weight.scale, name + ".scale");
  replacement.set(Operand::kInputMultiplier, {k}, treated.multiplier, name + ".input_multiplier");
  replacement.set(Operand::kInputOffset, {k}, treated.offset, name + ".input_offset");
  replacement.set(Operand::kOutlierColumns, {outliers}, treated.outlier_columns,
                  name + ".outlier_columns");
  replacement.set(Operand::kOutlierWeight, {n, outliers}, treated.outlier_weight,
                  name + ".outlier_weight");
  if (!treated.range) return;
  for (const size_t index : nodes) {
    for (Quantizer& mark : graph.nodes()[index].quantizers) {
      if (mark.operand != Operand::kX) continue;
      mark.low = treated.range->low;
      mark.high = treated.range->high;
    }
  }
}

void make_plain_plan(Graph& graph) {
  std::map<ValueId, std::vector<size_t>> by_weight;
  for (const size_t index : quantizable_linears(graph)) {
    by_weight[graph.nodes()[index].operand(Operand::kWeight)].push_back(index);
  }
  for (const auto& [weight, nodes] : by_weight) {
    const std::shared_ptr<const Tensor> tensor = widened(graph.value(weight).constant);
    TreatedLinear treated;
    treated.weight = round_to_nearest(tensor->as<float>(), tensor->shape()[0]);
    apply_treatment(graph, nodes, treated);
  }
  graph.remove_dead();
}

}  // namespace tamis::quant
