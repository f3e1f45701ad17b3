#include "engines/cuda/plan.h"

#include <algorithm>

#include "base/error.h"
#include "engines/cuda/lower_rows.h"

namespace tamis::engines::cuda {

namespace {

constexpr size_t kAlignment = 256;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

PlanOutput describe_output(const graph::Graph& graph, const graph::GraphOutput& output) {
  const graph::Value& value = graph.value(output.value);
  const graph::Symbol symbol = value.shape.symbol();
  if (graph.producer(output.value) < 0 || value.dtype != DType::kF32 || value.shape.rank() != 2 ||
      symbol == graph::Symbol::kPairs) {
    fail(ErrorCode::kUnsupported, "engine: \"", output.name, "\" (", dtype_name(value.dtype),
         value.shape.to_string(), ") cannot be an output; computed F32 rows can");
  }
  return {output.name, output.value, symbol, value.shape[1].size};
}

// A copy that the kernel which makes its value makes too; one for each value.
void give_to_producer(const graph::Graph& graph, graph::FloatArithmetic linear,
                      const std::vector<cpu::QuantizedRows>& copies, cpu::QuantizedRows& copy) {
  const int producer = graph.producer(copy.x);
  const bool taken = std::ranges::any_of(copies, [&](const cpu::QuantizedRows& other) {
    return other.by_producer && other.x == copy.x;
  });
  if (producer < 0 || taken ||
      !has_row_tail(graph, graph.nodes()[static_cast<size_t>(producer)], linear)) {
    return;
  }
  copy.by_producer = true;
  copy.first_node = producer;
}

cpu::Block block_of(const Extent& extent) {
  cpu::Block block;
  block.sequence_end = extent.sequences;
  block.token_end = extent.tokens;
  block.selected_end = extent.selected;
  return block;
}

}  // namespace

// A step for each node, and before it the copies that are steps of their own.
void Plan::lower_nodes(const graph::Graph& graph, Lowering& lowering) {
  const std::vector<cpu::QuantizedRows>& copies = lowering.copies();
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (size_t c = 0; c < copies.size(); ++c) {
      if (copies[c].by_producer || copies[c].first_node != static_cast<int>(i)) continue;
      steps_.push_back(make_quantize_step(c, lowering));
    }
    if (lowering.is_done_elsewhere(i)) continue;
    std::unique_ptr<Step> step = lower(graph.nodes()[i], lowering);
    if (step != nullptr) steps_.push_back(std::move(step));
  }
}

// Inputs, and ids of positions and of a decoder, which the host makes.
void Plan::find_arrays(const graph::Graph& graph, Lowering& lowering) {
  for (const graph::ValueId input : graph.inputs()) {
    const graph::Value& value = graph.value(input);
    const bool types = value.name == graph::kTokenTypeIds;
    if (value.dtype != DType::kI32 || (!types && value.name != graph::kInputIds)) {
      fail(ErrorCode::kUnsupported, "the CUDA engine runs graphs from token ids, not from \"",
           value.name, "\" (", dtype_name(value.dtype), value.shape.to_string(), ")");
    }
    array_values_.push_back(
        {input, lowering.array(types ? ArrayKind::kTokenTypeIds : ArrayKind::kInputIds)});
  }
  for (const graph::Node& node : graph.nodes()) {
    if (node.op == graph::OpKind::kShiftIds) {
      lowering.limits().limit_unseen({}, false);
      array_values_.push_back(
          {node.output,
           lowering.arrays().add({.kind = ArrayKind::kShiftedIds,
                                  .symbol = graph::Symbol::kTokens,
                                  .shift = node.attribute<graph::ShiftIdsAttributes>()})});
    }
    if (node.op != graph::OpKind::kPositionIds) continue;
    array_values_.push_back(
        {node.output,
         lowering.arrays().add({.kind = ArrayKind::kPositions,
                                .symbol = graph::Symbol::kTokens,
                                .rule = node.attribute<graph::PositionIdsAttributes>()})});
  }
}

std::shared_ptr<const Plan> Plan::make(graph::Graph graph, graph::FloatArithmetic linear,
                                       std::shared_ptr<const Card> card) {
  std::shared_ptr<Plan> plan(new Plan());
  plan->card_ = std::move(card);
  for (const graph::GraphOutput& output : graph.outputs()) {
    plan->outputs_.push_back(describe_output(graph, output));
  }
  std::vector<cpu::QuantizedRows> copies = cpu::find_quantized_rows(graph, linear);
  for (cpu::QuantizedRows& copy : copies) {
    copy.alignment = kQuantizedAlignment;
    give_to_producer(graph, linear, copies, copy);
  }
  const std::vector<int> made_at = norms_in_tails(graph, linear);
  for (cpu::QuantizedRows& copy : copies) {
    if (copy.by_producer) copy.first_node = made_at[static_cast<size_t>(copy.first_node)];
  }
  plan->table_ = cpu::make_value_table(graph, cpu::choose_storage(graph, linear), copies, made_at);
  const auto& device = plan->card_->device();
  Lowering lowering(graph, linear, plan->table_, copies, made_at, device->properties().capability);
  plan->find_arrays(graph, lowering);
  plan->lower_nodes(graph, lowering);
  plan->arrays_ = lowering.arrays();
  plan->angles_ = lowering.all_angles();
  plan->limits_ = lowering.limits().get();
  plan->limits_.counts_distances = cpu::counts_distances(graph);
  plan->packed_bytes_ = lowering.packed_bytes();
  // Each weight goes as soon as it is copied: from here on its writer alone holds it.
  for (size_t i = 0; i < graph.value_count(); ++i) {
    graph.value(static_cast<graph::ValueId>(i)).constant.reset();
  }
  plan->constants_ = lowering.constants().upload(device);
  return plan;
}

double Plan::operations(const engine::PackedBatch& batch) const {
  double total = 0;
  for (const auto& step : steps_) total += step->operations(batch);
  return total;
}

void Plan::prepare(int64_t places) const {
  for (const auto& angles : angles_) angles->reserve(card_->device(), places);
}

int64_t Plan::generation() const {
  int64_t places = 0;
  for (const auto& angles : angles_) {
    if (const Angles::Table* table = angles->table(); table != nullptr) places += table->places;
  }
  return places;
}

void Plan::layout(const Extent& extent, Memory& memory) const {
  memory.bytes = aligned(table_.offsets(block_of(extent), memory.offsets));
  memory.output_offsets.clear();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const PlanOutput& output = outputs_[i];
    // One value may go by several names.
    const auto same = std::ranges::find(outputs_, output.value, &PlanOutput::value);
    const auto first = static_cast<size_t>(same - outputs_.begin());
    if (first < i) {
      memory.output_offsets.push_back(memory.output_offsets[first]);
      continue;
    }
    memory.output_offsets.push_back(memory.bytes);
    memory.bytes +=
        aligned(static_cast<size_t>(extent.rows(output.symbol) * output.columns) * sizeof(float));
  }
  size_t row_bytes = 0;
  for (const auto& step : steps_) row_bytes = std::max(row_bytes, step->scratch_row_bytes());
  const int64_t rows = std::max({extent.sequences, extent.tokens, extent.selected});
  memory.scratch_offset = memory.bytes;
  memory.bytes += aligned(row_bytes * static_cast<size_t>(rows));
}

void Plan::launch(const Extent& extent, const Memory& memory, std::byte* arena,
                  const std::vector<size_t>& array_offsets, const std::byte* arrays,
                  device::cuda::Stream& stream) const {
  std::vector<std::byte*> values(table_.values.size(), nullptr);
  for (size_t i = 0; i < values.size(); ++i) {
    const int slot = table_.values[i].slot;
    if (slot != cpu::ValueTable::kNoSlot) {
      values[i] = arena + memory.offsets[static_cast<size_t>(slot)];
    }
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    values[static_cast<size_t>(outputs_[i].value)] = arena + memory.output_offsets[i];
  }
  for (const ArrayValue& value : array_values_) {
    const size_t offset = array_offsets[static_cast<size_t>(value.array)];
    values[static_cast<size_t>(value.value)] = const_cast<std::byte*>(arrays + offset);
  }
  StepContext context;
  context.card = card_.get();
  context.stream = &stream;
  context.extent = extent;
  context.constants = constants_.data();
  context.arrays = arrays;
  context.array_offsets = array_offsets.data();
  context.values = values.data();
  context.scratch = arena + memory.scratch_offset;
  for (const auto& step : steps_) step->launch(context);
}

}  // namespace tamis::engines::cuda
