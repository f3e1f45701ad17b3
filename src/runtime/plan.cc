#include "runtime/plan.h"

#include <algorithm>

#include "base/error.h"
#include "runtime/lowering.h"
#include "runtime/simulate.h"
#include "runtime/storage.h"

namespace tamis::runtime {

namespace {

// Keeps the outputs asked for and adds the taps.
void choose_outputs(graph::Graph& graph, const PlanOptions& options) {
  graph.keep_outputs(options.outputs);
  for (const std::string& name : options.taps) {
    const graph::ValueId value = graph.find_value(name);
    if (value == graph::kNoValue) {
      fail(ErrorCode::kNotFound, "plan: the graph has no value \"", name, "\" to tap");
    }
    graph.add_output(name, value);
  }
  graph.remove_dead();
}

PlanOutput describe_output(const graph::Graph& graph, const graph::GraphOutput& output) {
  const graph::Value& value = graph.value(output.value);
  const graph::Symbol symbol = value.shape.symbol();
  if (graph.producer(output.value) < 0 || value.dtype != DType::kF32 || value.shape.rank() != 2 ||
      symbol == graph::Symbol::kPairs) {
    fail(ErrorCode::kUnsupported, "plan: \"", output.name, "\" (", dtype_name(value.dtype),
         value.shape.to_string(), ") cannot be an output; computed F32 rows can");
  }
  return {output.name, output.value, symbol, value.shape.elements_per_unit()};
}

// For each node the weight that it is the last to pack; kNoValue where there is none, or where some
// step reads the constant itself.
std::vector<graph::ValueId> weights_to_release(const graph::Graph& graph) {
  constexpr size_t kWeight = 1;
  std::vector<int> last(graph.value_count(), -1);
  std::vector<bool> read(graph.value_count(), false);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!graph.is_constant(node.inputs[k])) continue;
      const auto id = static_cast<size_t>(node.inputs[k]);
      last[id] = static_cast<int>(i);
      if (node.op != graph::OpKind::kMatMul || k != kWeight) read[id] = true;
    }
  }
  std::vector<graph::ValueId> weights(graph.nodes().size(), graph::kNoValue);
  for (size_t id = 0; id < last.size(); ++id) {
    if (last[id] >= 0 && !read[id]) {
      weights[static_cast<size_t>(last[id])] = static_cast<graph::ValueId>(id);
    }
  }
  return weights;
}

}  // namespace

std::shared_ptr<const Plan> Plan::make(graph::Graph graph, const PlanOptions& options) {
  graph::verify(graph);
  std::shared_ptr<Plan> plan(new Plan());
  plan->graph_ = std::move(graph);
  choose_outputs(plan->graph_, options);
  if (options.simulate_quantization) simulate_marks(plan->graph_);
  for (const graph::GraphOutput& output : plan->graph_.outputs()) {
    plan->outputs_.push_back(describe_output(plan->graph_, output));
  }
  choose_storage(plan->graph_, options);
  Lowering lowering(plan->graph_, options);
  const std::vector<QuantizedRows>& copies = lowering.quantized_rows();
  const std::vector<graph::ValueId> last_weights = weights_to_release(plan->graph_);
  for (size_t i = 0; i < plan->graph_.nodes().size(); ++i) {
    for (size_t c = 0; c < copies.size(); ++c) {
      if (copies[c].by_producer || copies[c].first_node != static_cast<int>(i)) continue;
      plan->steps_.push_back(make_quantize_step(c, lowering));
    }
    plan->steps_.push_back(lower(plan->graph_.nodes()[i], lowering));
    if (last_weights[i] == graph::kNoValue) continue;
    std::shared_ptr<const Tensor>& weight = plan->graph_.value(last_weights[i]).constant;
    lowering.forget_packed(*weight);
    weight->release_pages();
    weight.reset();
  }
  const Step* next = nullptr;
  for (auto step = plan->steps_.rbegin(); step != plan->steps_.rend(); ++step) {
    (*step)->follow_with(next);
    if ((*step)->has_weights()) next = step->get();
  }
  plan->memory_ = plan_memory(plan->graph_, copies);
  plan->limits_ = lowering.limits();
  plan->packed_bytes_ = lowering.packed_bytes();
  return plan;
}

size_t Plan::scratch_bytes(int64_t rows, int64_t max_seqlen) const {
  size_t bytes = 0;
  for (const auto& step : steps_) bytes = std::max(bytes, step->scratch_bytes(rows, max_seqlen));
  return bytes;
}

double Plan::operations(const PackedBatch& batch) const {
  Block whole;
  whole.sequence_end = batch.sequences();
  whole.token_end = batch.tokens();
  whole.selected_end = batch.selected();
  for (size_t i = 1; i < batch.cu_seqlens.size(); ++i) {
    const int64_t length = batch.cu_seqlens[i] - batch.cu_seqlens[i - 1];
    whole.pairs += length * length;
  }
  double total = 0;
  for (const auto& step : steps_) total += step->operations(whole);
  return total;
}

}  // namespace tamis::runtime
