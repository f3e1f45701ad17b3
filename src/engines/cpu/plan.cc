#include "engines/cpu/plan.h"

#include <algorithm>

#include "base/error.h"
#include "engines/cpu/lower/lower_quantize_rows.h"
#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

namespace {

PlanInput describe_input(const graph::Graph& graph, graph::ValueId id) {
  const graph::Value& value = graph.value(id);
  PlanInput input{PlanInput::Kind::kInputIds, value.name, id, value.shape};
  if (value.dtype == DType::kF32) {
    input.kind = PlanInput::Kind::kFloatRows;
  } else if (value.name == graph::kTokenTypeIds) {
    input.kind = PlanInput::Kind::kTokenTypeIds;
  }
  return input;
}

PlanOutput describe_output(const graph::Graph& graph, const graph::GraphOutput& output) {
  const graph::Value& value = graph.value(output.value);
  const graph::Symbol symbol = value.shape.symbol();
  if (graph.producer(output.value) < 0 || value.dtype != DType::kF32 || value.shape.rank() != 2 ||
      symbol == graph::Symbol::kPairs) {
    fail(ErrorCode::kUnsupported, "engine: \"", output.name, "\" (", dtype_name(value.dtype),
         value.shape.to_string(), ") cannot be an output; computed F32 rows can");
  }
  return {output.name, output.value, symbol, value.shape.elements_per_unit()};
}

// For each node the weight that it is the last to pack; kNoValue where there is none, or where some
// step reads the constant itself.
std::vector<graph::ValueId> weights_to_release(const graph::Graph& graph) {
  std::vector<int> last(graph.value_count(), -1);
  std::vector<bool> read(graph.value_count(), false);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!graph.is_constant(node.inputs[k])) continue;
      const auto id = static_cast<size_t>(node.inputs[k]);
      last[id] = static_cast<int>(i);
      const bool packed =
          graph::is_linear(node) && node.inputs[k] == node.operand(graph::Operand::kWeight);
      if (!packed) read[id] = true;
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

// A step for each node, and before it the copies that are steps of their own. Weights go as soon as
// their last reader has packed them.
std::vector<std::unique_ptr<Step>> make_steps(graph::Graph& graph, Lowering& lowering) {
  std::vector<std::unique_ptr<Step>> steps;
  const std::vector<QuantizedRows>& copies = lowering.quantized_rows();
  const std::vector<graph::ValueId> last_weights = weights_to_release(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (size_t c = 0; c < copies.size(); ++c) {
      if (copies[c].by_producer || copies[c].first_node != static_cast<int>(i)) continue;
      steps.push_back(make_quantize_step(c, lowering));
    }
    steps.push_back(lower(graph.nodes()[i], lowering));
    if (last_weights[i] == graph::kNoValue) continue;
    std::shared_ptr<const Tensor>& weight = graph.value(last_weights[i]).constant;
    lowering.forget_packed(*weight);
    weight->release_pages();
    weight.reset();
  }
  const Step* next = nullptr;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    (*step)->follow_with(next);
    if ((*step)->has_weights()) next = step->get();
  }
  return steps;
}

}  // namespace

std::shared_ptr<const Plan> Plan::make(graph::Graph graph, const PlanOptions& options) {
  graph::verify(graph);
  std::shared_ptr<Plan> plan(new Plan());
  for (const graph::ValueId input : graph.inputs()) {
    plan->inputs_.push_back(describe_input(graph, input));
  }
  for (const graph::GraphOutput& output : graph.outputs()) {
    plan->outputs_.push_back(describe_output(graph, output));
  }
  const std::vector<QuantizedRows> copies = find_quantized_rows(graph, options.linear);
  plan->table_ = make_value_table(graph, choose_storage(graph, options.linear), copies);
  Lowering lowering(graph, options, plan->table_, copies);
  plan->steps_ = make_steps(graph, lowering);
  for (size_t i = 0; i < graph.value_count(); ++i) {
    std::shared_ptr<const Tensor>& constant = graph.value(static_cast<graph::ValueId>(i)).constant;
    if (constant != nullptr) plan->constants_.push_back(std::move(constant));
  }
  plan->limits_ = lowering.limits();
  plan->limits_.counts_distances = counts_distances(graph);
  plan->packed_bytes_ = lowering.packed_bytes();
  return plan;
}

size_t Plan::constant_bytes() const {
  size_t bytes = 0;
  for (const std::shared_ptr<const Tensor>& constant : constants_) bytes += constant->size_bytes();
  return bytes;
}

void Plan::prepare(int64_t places) const {
  for (const auto& step : steps_) step->prepare(places);
}

size_t Plan::scratch_bytes(int64_t rows, int64_t max_seqlen) const {
  size_t bytes = 0;
  for (const auto& step : steps_) bytes = std::max(bytes, step->scratch_bytes(rows, max_seqlen));
  return bytes;
}

double Plan::operations(const engine::PackedBatch& batch) const {
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

}  // namespace tamis::engines::cpu
