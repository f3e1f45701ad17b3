#include "quant/centre_attention.h"

#include <vector>

#include "graph/mark_switches.h"
#include "quant/moments.h"
#include "quant/partial_run.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

bool only_reader(const Graph& graph, ValueId id, int reader) {
  const std::vector<int> readers = graph.consumers(id);
  return !graph.is_output(id) && readers.size() == 1 && readers[0] == reader;
}

// A float MatMul at `index` whose weight and bias nobody else reads.
bool owns_weight_and_bias(const Graph& graph, int index) {
  if (index < 0) return false;
  const Node& node = graph.nodes()[static_cast<size_t>(index)];
  if (node.op != OpKind::kMatMul) return false;
  for (const Operand operand : {Operand::kWeight, Operand::kBias}) {
    const ValueId id = node.operand(operand);
    if (id == kNoValue || !graph.is_constant(id) || !is_stored_float(graph.value(id).dtype) ||
        !only_reader(graph, id, index)) {
      return false;
    }
  }
  return true;
}

void add_to_bias(Graph& graph, const Node& matmul, const std::vector<double>& change) {
  graph::Value& value = graph.value(matmul.operand(Operand::kBias));
  Tensor bias = Tensor::from(value.constant->shape(), value.constant->as<float>());
  const auto values = bias.mutable_as<float>();
  for (size_t i = 0; i < change.size(); ++i) {
    values[i] = static_cast<float>(values[i] + change[i]);
  }
  value.constant = std::make_shared<const Tensor>(std::move(bias));
}

// Whether all keys may move by one vector: the scores of a query then all move by one number. Keys
// times position_queries would not. Keys and values that heads share have another width.
bool may_move_keys(const Node& attention) {
  const auto& fields = attention.attribute<graph::AttentionAttributes>();
  return !attention.has(Operand::kK) && !attention.has(Operand::kPositionQueries) &&
         fields.key_heads() == fields.heads;
}

}  // namespace

AttentionLayers attention_layers(const Graph& graph, int index) {
  const Node& node = graph.nodes()[static_cast<size_t>(index)];
  if (node.op != OpKind::kAttention || !may_move_keys(node)) return {};
  const ValueId qkv = node.operand(Operand::kQ);
  const int projection = graph.producer(qkv);
  const std::vector<int> readers = graph.consumers(node.output);
  if (!owns_weight_and_bias(graph, projection) || readers.size() != 1 ||
      !owns_weight_and_bias(graph, readers[0])) {
    return {};
  }
  const Node& matmul = graph.nodes()[static_cast<size_t>(projection)];
  const auto* attributes = std::get_if<graph::MatMulAttributes>(&matmul.attributes);
  const bool plain = !matmul.has(Operand::kResidual) && attributes != nullptr &&
                     attributes->activation == Activation::kNone;
  if (!plain || !only_reader(graph, qkv, index) || graph.is_output(node.output)) {
    return {};
  }
  return {projection, readers[0]};
}

void centre_attention(Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool) {
  const Graph plain = graph::without_marks(graph);
  PartialRun run(plain, batch, pool);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const AttentionLayers around = attention_layers(graph, static_cast<int>(i));
    if (around.output < 0) continue;
    const Node projection = graph.nodes()[static_cast<size_t>(around.projection)];
    const Node output = graph.nodes()[static_cast<size_t>(around.output)];
    const graph::Value& qkv = graph.value(projection.output);
    ColumnMoments moments(qkv.shape[1].size);
    // The layer's input is kept with them, so that the next layer's starts from here.
    (void)run.get(graph.value(projection.operand(Operand::kX)).name);
    moments.add(run.get(qkv.name));
    run.keep_for(i);
    std::vector<double> change = moments.mean();
    const size_t width = change.size() / 3;
    const std::vector<double> values(change.begin() + static_cast<std::ptrdiff_t>(2 * width),
                                     change.end());
    for (size_t j = 0; j < change.size(); ++j) change[j] = j < width ? 0 : -change[j];
    add_to_bias(graph, projection, change);

    const auto floats = widened(graph.value(output.operand(Operand::kWeight)).constant);
    const auto weight = floats->as<float>();
    std::vector<double> moved(weight.size() / width, 0.0);
    for (size_t at = 0; at < weight.size(); ++at) {
      moved[at / width] += double{weight[at]} * values[at % width];
    }
    add_to_bias(graph, output, moved);
  }
}

}  // namespace tamis::quant
