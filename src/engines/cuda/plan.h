// A graph made ready to run on a card: steps with their kernels, weights on the card, memory
// layout.
//
// Is: immutable, shared by any number of sessions. Is not: a rewriter. May use: graph,
// kernels/cuda.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engines/cpu/value_table.h"
#include "engines/cuda/angles.h"
#include "engines/cuda/batch_arrays.h"
#include "engines/cuda/card.h"
#include "engines/cuda/step.h"
#include "graph/graph.h"

namespace tamis::engines::cuda {

/// One result of a run.
struct PlanOutput {
  std::string name;
  graph::ValueId value = graph::kNoValue;
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t columns = 0;
};

/// Thread-safe: immutable after make().
class Plan {
 public:
  /// Throws Error: kUnsupported (an op or a value without a kernel), kOutOfMemory, kUnavailable.
  [[nodiscard]] static std::shared_ptr<const Plan> make(graph::Graph graph,
                                                        graph::FloatArithmetic linear,
                                                        std::shared_ptr<const Card> card);

  [[nodiscard]] const std::shared_ptr<const Card>& card() const { return card_; }
  [[nodiscard]] const std::vector<PlanOutput>& outputs() const { return outputs_; }
  [[nodiscard]] const engine::BatchLimits& limits() const { return limits_; }
  [[nodiscard]] const BatchArrays& arrays() const { return arrays_; }
  [[nodiscard]] size_t packed_bytes() const { return packed_bytes_; }
  [[nodiscard]] size_t constant_bytes() const { return constants_.size(); }
  [[nodiscard]] size_t step_count() const { return steps_.size(); }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const;

  /// Makes what steps need for places in a sequence below `places`. Thread-safe.
  void prepare(int64_t places) const;
  /// Changes when prepare() moved something that recorded work reads.
  [[nodiscard]] int64_t generation() const;

  /// Where values lie for batches up to `extent`.
  struct Memory {
    std::vector<size_t> offsets;         ///< of slots
    std::vector<size_t> output_offsets;  ///< of outputs()
    size_t scratch_offset = 0;
    size_t bytes = 0;
  };
  void layout(const Extent& extent, Memory& memory) const;
  /// Starts all steps. `arena` is as large as `memory` says; `arrays` holds the batch's arrays.
  void launch(const Extent& extent, const Memory& memory, std::byte* arena,
              const std::vector<size_t>& array_offsets, const std::byte* arrays,
              device::cuda::Stream& stream) const;

 private:
  Plan() = default;
  void lower_nodes(const graph::Graph& graph, class Lowering& lowering);
  void find_arrays(const graph::Graph& graph, class Lowering& lowering);

  /// A value that comes with the batch.
  struct ArrayValue {
    graph::ValueId value = graph::kNoValue;
    int array = 0;
  };

  std::shared_ptr<const Card> card_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<PlanOutput> outputs_;
  std::vector<ArrayValue> array_values_;
  cpu::ValueTable table_;
  BatchArrays arrays_;
  std::vector<std::shared_ptr<Angles>> angles_;
  engine::BatchLimits limits_;
  device::cuda::DeviceBuffer constants_;
  size_t packed_bytes_ = 0;
};

}  // namespace tamis::engines::cuda
