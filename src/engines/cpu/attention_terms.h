// What positions add to the scores of an attention node, as its kernel takes it.
//
// Is: windows and blocks, and biases and slots by distance expanded from the graph's small tables,
// once for a plan. Is not: a kernel. May use: graph, kernels.
#pragma once

#include <memory>
#include <vector>

#include "engines/cpu/lowering.h"
#include "graph/graph.h"
#include "kernels/reference/attention_args.h"

namespace tamis::engines::cpu {

/// A bias by distance, [heads, 2 * max_distance + 1], from T5's table [buckets, heads] or ALiBi's
/// slopes [heads].
[[nodiscard]] std::vector<float> spread_bias(const graph::AttentionAttributes& fields,
                                             const Tensor& table);

/// The rows of DeBERTa's position tables by distance, [2 * reach + 1].
struct SlotTable {
  int64_t reach = 0;
  std::vector<int32_t> slots;
};
[[nodiscard]] SlotTable spread_slots(const graph::AttentionAttributes& fields);

[[nodiscard]] kernels::GlobalRule global_rule(graph::GlobalRule rule);

/// Immutable; copies share the tables. Layers that read the same bias, or count distances alike,
/// share it here too.
class NodeTerms {
 public:
  /// Plain attention.
  NodeTerms() = default;
  /// Of AttentionScores or Attention.
  NodeTerms(const graph::Node& node, Lowering& lowering);

  /// Valid while this lives; without a batch's ids.
  [[nodiscard]] const kernels::AttentionTerms& get() const { return terms_; }
  /// The batch's ids, where its tokens decide which of them all see; else null.
  [[nodiscard]] const int32_t* ids(const StepContext& context) const {
    return ids_ == graph::kNoValue ? nullptr : context.value<const int32_t>(ids_);
  }

 private:
  void read_position_tables(const graph::Node& node, Lowering& lowering);

  std::shared_ptr<const std::vector<float>> bias_;
  std::shared_ptr<const std::vector<int32_t>> slots_;
  graph::ValueId ids_ = graph::kNoValue;
  kernels::AttentionTerms terms_;
};

/// Keys that queries at places [0, rows) of a sequence of `length` see, all together.
[[nodiscard]] int64_t seen_pairs(const kernels::AttentionTerms& terms, int64_t rows,
                                 int64_t length);

}  // namespace tamis::engines::cpu
