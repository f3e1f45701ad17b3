// A graph made ready to run on this CPU: steps with their kernels, packed weights, memory layout.
//
// Is: immutable, shared by any number of sessions. Is not: a rewriter; it runs the graph it is
// given, fused or not. May use: graph, kernels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/packed_batch.h"
#include "engines/cpu/plan_options.h"
#include "engines/cpu/step.h"
#include "engines/cpu/value_table.h"
#include "graph/graph.h"

namespace tamis::engines::cpu {

/// What a batch brings for a value that the steps read.
struct PlanInput {
  enum class Kind : uint8_t { kInputIds, kTokenTypeIds, kFloatRows };
  Kind kind = Kind::kInputIds;
  std::string name;
  graph::ValueId value = graph::kNoValue;
  graph::SymbolicShape shape;
};

/// One result of a run.
struct PlanOutput {
  std::string name;
  graph::ValueId value = graph::kNoValue;
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t row_elements = 0;
};

/// Thread-safe: immutable after make(). It keeps no graph: of that, only the constants that steps
/// read.
class Plan {
 public:
  /// Weights that were packed are let go of, and the memory of mapped ones is given back. Throws
  /// Error: kUnsupported (an op, a dtype or an output without a kernel), kInvalidArgument (a graph
  /// that does not verify), kOutOfMemory.
  [[nodiscard]] static std::shared_ptr<const Plan> make(graph::Graph graph,
                                                        const PlanOptions& options = {});

  [[nodiscard]] const std::vector<std::unique_ptr<Step>>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<PlanInput>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<PlanOutput>& outputs() const { return outputs_; }
  /// Ids are those of the graph that make() was given.
  [[nodiscard]] const ValueTable& table() const { return table_; }
  [[nodiscard]] const engine::BatchLimits& limits() const { return limits_; }
  /// Bytes of packed weights.
  [[nodiscard]] size_t packed_bytes() const { return packed_bytes_; }
  /// Bytes of the constants that steps read.
  [[nodiscard]] size_t constant_bytes() const;
  /// Makes what the steps need for places in a sequence below `places`. Thread-safe.
  void prepare(int64_t places) const;
  /// Scratch a worker needs for blocks of so many tokens in sequences of that length.
  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t max_seqlen) const;
  /// Operations of the whole batch, for the share of the peak.
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const;

 private:
  Plan() = default;

  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<PlanInput> inputs_;
  std::vector<PlanOutput> outputs_;
  std::vector<std::shared_ptr<const Tensor>> constants_;
  ValueTable table_;
  engine::BatchLimits limits_;
  size_t packed_bytes_ = 0;
};

}  // namespace tamis::engines::cpu
