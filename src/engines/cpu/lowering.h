// Turning nodes into steps: what each lower_<op>.cc is given.
//
// Is: operand look-up, weight packing shared by equal constants, table limits. Is not: graph
// rewriting. May use: graph, kernels.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "engines/cpu/plan_options.h"
#include "engines/cpu/quantized_rows.h"
#include "engines/cpu/rotary_table.h"
#include "engines/cpu/step.h"
#include "engines/cpu/storage.h"
#include "engines/cpu/table_limits.h"
#include "engines/cpu/value_table.h"
#include "graph/graph.h"
#include "kernels/cpu/gemm_bf16/gemm_bf16.h"
#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/reference/attention_args.h"
#include "tensor/arena.h"

namespace tamis::engines::cpu {

/// A MatMul's weight packed for a GEMM kernel, shared by all steps that use the same constant.
template <typename Kernel>
struct Packed {
  const Kernel* kernel = nullptr;
  AlignedBuffer memory;
};
using PackedF32 = Packed<kernels::GemmF32Kernel>;
using PackedBf16 = Packed<kernels::GemmBf16Kernel>;
using PackedS8 = Packed<kernels::GemmS8Kernel>;

/// By expert.
template <typename Packed>
using Experts = std::vector<std::shared_ptr<const Packed>>;

/// Lives while a plan is made. Not thread-safe.
class Lowering {
 public:
  /// Everything outlives this.
  Lowering(const graph::Graph& graph, const PlanOptions& options, const ValueTable& table,
           const std::vector<QuantizedRows>& copies)
      : graph_(graph), options_(options), table_(table), quantized_(copies) {}

  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] IsaSet isas() const { return options_.isas; }
  /// See PlanOptions.
  [[nodiscard]] bool once() const { return options_.once; }
  /// The float32 elements of a constant.
  [[nodiscard]] const float* constant(graph::ValueId id) const;
  /// As constant(), null for an input that is not there.
  [[nodiscard]] const float* optional_constant(graph::ValueId id) const;
  [[nodiscard]] const graph::SymbolicShape& shape(graph::ValueId id) const {
    return graph_.value(id).shape;
  }
  /// Columns of a matrix value.
  [[nodiscard]] int64_t columns(graph::ValueId id) const { return shape(id)[1].size; }

  /// What the value is kept in, which may be less than the graph's F32.
  [[nodiscard]] DType dtype(graph::ValueId id) const { return table_.of(id).dtype; }
  [[nodiscard]] bool is_bf16(graph::ValueId id) const { return dtype(id) == DType::kBF16; }
  [[nodiscard]] Arithmetic arithmetic(const graph::Node& node) const {
    return arithmetic_of(graph_, node, options_.linear);
  }

  /// A constant [n, k] as it is stored: F32, F16 or BF16.
  [[nodiscard]] std::shared_ptr<const Tensor> float_weight(graph::ValueId weight) const {
    return graph_.value(weight).constant;
  }
  /// A float constant [n, k] packed for a GEMM, once however often it is asked for.
  [[nodiscard]] std::shared_ptr<const PackedF32> pack_gemm_f32(graph::ValueId weight);
  [[nodiscard]] std::shared_ptr<const PackedBf16> pack_gemm_bf16(graph::ValueId weight);

  /// The integer weight of a quantized MatMul packed for gemm_s8: its I8 constant, or its float
  /// constant rounded per row as kPerChannelS8 has it. Once however often it is asked for.
  [[nodiscard]] std::shared_ptr<const PackedS8> pack_gemm_s8(const graph::Node& matmul);

  /// The weight of an ExpertMatMul, each expert's rows by themselves; packed once for each call.
  [[nodiscard]] Experts<PackedF32> pack_experts_f32(const graph::Node& product);
  [[nodiscard]] Experts<PackedBf16> pack_experts_bf16(const graph::Node& product);
  /// As pack_gemm_s8() does it.
  [[nodiscard]] Experts<PackedS8> pack_experts_s8(const graph::Node& product);

  /// The quantized copies of values; each has an id behind those of the values.
  [[nodiscard]] const std::vector<QuantizedRows>& quantized_rows() const { return quantized_; }
  [[nodiscard]] graph::ValueId quantized_id(size_t index) const {
    return static_cast<graph::ValueId>(graph_.value_count() + index);
  }
  /// The copy that an integer MatMul reads.
  [[nodiscard]] size_t quantized_input(const graph::Node& matmul) const;

  /// A table of biases spread out by distance, up to max_distance, once for all nodes that read it.
  [[nodiscard]] std::shared_ptr<const std::vector<float>> spread_bias(
      const Tensor& table, int64_t max_distance, const std::function<std::vector<float>()>& spread);
  /// The slots of disentangled attention by distance, once for all nodes of the same rule.
  [[nodiscard]] std::shared_ptr<const std::vector<int32_t>> position_slots(
      const graph::AttentionAttributes& rule, const std::function<std::vector<int32_t>()>& make);
  /// The table of a Rotary's places, one for all that turn alike.
  [[nodiscard]] std::shared_ptr<RotaryTable> rotary_table(const graph::Node& rotary);

  /// Forgets that the tensor was packed, so that it can be destroyed; steps keep what they have.
  void forget_packed(const Tensor& weight);

  /// Notes that places in a sequence, given or not, stay below `places`.
  void limit_places(int64_t places) { limits_.limit_places(places); }
  /// Notes that `ids` index a table of `rows` rows, for check_batch().
  void limit_ids(graph::ValueId ids, int64_t rows) { limits_.limit_ids(graph_, ids, rows); }
  /// See TableLimits.
  void pool_over_all() { limits_.pool_over_all(); }
  void limit_unseen(const kernels::AttentionTerms& terms, bool any = true) {
    limits_.limit_unseen(terms, any);
  }
  /// Notes a token that each sequence must have; -1: none.
  void require_token(int64_t token) { limits_.require_token(token); }
  [[nodiscard]] const engine::BatchLimits& limits() const { return limits_.get(); }
  /// Bytes packed so far.
  [[nodiscard]] size_t packed_bytes() const { return packed_bytes_; }

 private:
  /// Null where the weight is floats.
  [[nodiscard]] const float* optional_scale(const graph::Node& product) const;
  template <typename Packed, typename Pack>
  Experts<Packed> pack_experts(const graph::Node& product, const Pack& pack_rows);

  const graph::Graph& graph_;
  const PlanOptions& options_;
  const ValueTable& table_;
  const std::vector<QuantizedRows>& quantized_;
  TableLimits limits_;
  std::map<const Tensor*, std::shared_ptr<const PackedF32>> packed_f32_;
  std::map<const Tensor*, std::shared_ptr<const PackedBf16>> packed_bf16_;
  std::map<const Tensor*, std::shared_ptr<const PackedS8>> packed_s8_;
  std::map<std::pair<const Tensor*, int64_t>, std::shared_ptr<const std::vector<float>>> biases_;
  std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const std::vector<int32_t>>> slots_;
  std::map<std::tuple<const Tensor*, bool, float>, std::shared_ptr<RotaryTable>> rotary_tables_;
  size_t packed_bytes_ = 0;
};

/// A node's step, by the row of lowering.inc for its op.
[[nodiscard]] std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::engines::cpu
