// A graph made ready to run on this CPU: steps with their kernels, packed weights, memory layout.
//
// Is: immutable, shared by any number of sessions. Is not: a rewriter; it runs the graph it is
// given, fused or not. May use: graph, kernels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "graph/graph.h"
#include "runtime/memory_plan.h"
#include "runtime/step.h"

namespace tamis::runtime {

using graph::FloatArithmetic;

struct PlanOptions {
  /// Kernel sets that may be chosen from.
  IsaSet isas = detected_isas();
  /// Graph outputs to compute; empty: all. Nodes that only others need are left out.
  std::vector<std::string> outputs;
  /// Inner values, by name, given as further outputs of the same name.
  std::vector<std::string> taps;
  /// Runs what marks that are on say, in float: their operands go to integers and back, and integer
  /// weights are multiplied out (simulate.h). Otherwise marks are for the integer kernels.
  bool simulate_quantization = false;
  /// What the linear layers compute in where no marks are on; those with a row a sequence are fp32.
  FloatArithmetic float_arithmetic = FloatArithmetic::kF32;
  /// Packs weights in parallel; null: on the calling thread. Not kept.
  ThreadPool* pool = nullptr;
};

/// One result of a run.
struct PlanOutput {
  std::string name;
  graph::ValueId value = graph::kNoValue;
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t row_elements = 0;
};

/// Thread-safe: immutable after make().
class Plan {
 public:
  /// Keeps of the graph's constants those that steps read; weights that were packed are let go of,
  /// and the memory of mapped ones is given back. Throws Error: kNotFound (an output or tap that is
  /// not there), kUnsupported (an op or dtype without a kernel), kInvalidArgument (a graph that
  /// does not verify), kOutOfMemory.
  [[nodiscard]] static std::shared_ptr<const Plan> make(graph::Graph graph,
                                                        const PlanOptions& options = {});

  /// Packed weights are no longer there.
  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Step>>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<PlanOutput>& outputs() const { return outputs_; }
  [[nodiscard]] const MemoryPlan& memory() const { return memory_; }
  [[nodiscard]] const BatchLimits& limits() const { return limits_; }
  /// Bytes of packed weights.
  [[nodiscard]] size_t packed_bytes() const { return packed_bytes_; }
  /// Scratch a worker needs for blocks of so many tokens in sequences of that length.
  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t max_seqlen) const;
  /// Operations of the whole batch, for the share of the peak.
  [[nodiscard]] double operations(const PackedBatch& batch) const;

 private:
  Plan() = default;

  graph::Graph graph_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<PlanOutput> outputs_;
  MemoryPlan memory_;
  BatchLimits limits_;
  size_t packed_bytes_ = 0;
};

}  // namespace tamis::runtime
