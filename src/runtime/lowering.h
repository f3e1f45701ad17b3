// Turning nodes into steps: what each lower_<op>.cc is given.
//
// Is: operand look-up, weight packing shared by equal constants, table limits. Is not: graph
// rewriting. May use: graph, kernels.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "graph/graph.h"
#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "runtime/batch.h"
#include "runtime/step.h"
#include "tensor/arena.h"

namespace tamis::runtime {

/// Packed weights of one MatMul, shared by all steps that use the same constant.
struct PackedWeight {
  const kernels::GemmF32Kernel* kernel = nullptr;
  AlignedBuffer memory;
};

/// Packed integers of one MatMul's weight.
struct PackedWeightS8 {
  const kernels::GemmS8Kernel* kernel = nullptr;
  AlignedBuffer memory;
};

/// Lives while a plan is made. Not thread-safe.
class Lowering {
 public:
  Lowering(const graph::Graph& graph, IsaSet isas, ThreadPool* pool, bool simulating = false)
      : graph_(graph), isas_(isas), pool_(pool), simulating_(simulating) {}

  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] IsaSet isas() const { return isas_; }
  /// PlanOptions::simulate_quantization.
  [[nodiscard]] bool simulating() const { return simulating_; }
  /// The float32 elements of a constant.
  [[nodiscard]] const float* constant(graph::ValueId id) const;
  /// As constant(), null for an input that is not there.
  [[nodiscard]] const float* optional_constant(graph::ValueId id) const;
  [[nodiscard]] const graph::SymbolicShape& shape(graph::ValueId id) const {
    return graph_.value(id).shape;
  }
  /// Columns of a matrix value.
  [[nodiscard]] int64_t columns(graph::ValueId id) const { return shape(id)[1].size; }

  /// A constant [n, k] packed for gemm_f32, once however often it is asked for.
  [[nodiscard]] std::shared_ptr<const PackedWeight> pack_gemm_f32(graph::ValueId weight);

  /// The integer weight of a quantized MatMul packed for gemm_s8: its I8 constant, or its F32
  /// constant rounded per row as kPerChannelS8 has it. Once however often it is asked for.
  [[nodiscard]] std::shared_ptr<const PackedWeightS8> pack_gemm_s8(const graph::Node& matmul);

  /// Notes that `ids` index a table of `rows` rows, for check_batch().
  void limit_ids(graph::ValueId ids, int64_t rows);
  [[nodiscard]] const BatchLimits& limits() const { return limits_; }
  /// Bytes packed so far.
  [[nodiscard]] size_t packed_bytes() const;

 private:
  const graph::Graph& graph_;
  IsaSet isas_;
  ThreadPool* pool_;
  bool simulating_;
  BatchLimits limits_;
  std::map<const Tensor*, std::shared_ptr<const PackedWeight>> packed_;
  std::map<const Tensor*, std::shared_ptr<const PackedWeightS8>> packed_s8_;
};

/// A node's step, by the row of lowering.inc for its op.
[[nodiscard]] std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::runtime
