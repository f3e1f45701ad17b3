// Turning nodes into steps: what each lower_<op>.cc is given.
//
// Is: operands, constants and arrays of the batch by number, table limits. Is not: graph rewriting.
// May use: graph, kernels/cuda, and of the CPU engine what does not depend on it: arithmetic and
// storage of values, quantized copies, limits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engines/cpu/quantized_rows.h"
#include "engines/cpu/storage.h"
#include "engines/cpu/table_limits.h"
#include "engines/cpu/value_table.h"
#include "engines/cuda/angles.h"
#include "engines/cuda/batch_arrays.h"
#include "engines/cuda/constants.h"
#include "engines/cuda/step.h"
#include "graph/graph.h"
#include "kernels/cuda/gemm/gemm_tile.h"
#include "kernels/cuda/values.h"

namespace tamis::engines::cuda {

/// Rows of u8 begin at multiples of so many bytes.
inline constexpr int64_t kQuantizedAlignment = tamis::cuda::kGemmRowBytes;

/// Lives while a plan is made. Not thread-safe.
class Lowering {
 public:
  /// Everything outlives this.
  Lowering(const graph::Graph& graph, graph::FloatArithmetic linear, const cpu::ValueTable& table,
           const std::vector<cpu::QuantizedRows>& copies, const std::vector<int>& made_at,
           int capability)
      : graph_(graph),
        linear_(linear),
        table_(table),
        copies_(copies),
        made_at_(made_at),
        capability_(capability) {}

  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] const graph::SymbolicShape& shape(graph::ValueId id) const {
    return graph_.value(id).shape;
  }
  /// What counts a value's rows, and its columns.
  [[nodiscard]] graph::Symbol symbol(graph::ValueId id) const { return shape(id).symbol(); }
  [[nodiscard]] int columns(graph::ValueId id) const { return static_cast<int>(shape(id)[1].size); }
  [[nodiscard]] tamis::cuda::Stored stored(graph::ValueId id) const;
  [[nodiscard]] graph::FloatArithmetic linear() const { return linear_; }
  [[nodiscard]] cpu::Arithmetic arithmetic(const graph::Node& node) const {
    return cpu::arithmetic_of(graph_, node, linear_);
  }
  /// Whether 16-bit floats are f16 on this card.
  [[nodiscard]] bool turing() const { return capability_ < 80; }
  /// 10 * major + minor.
  [[nodiscard]] int capability() const { return capability_; }

  [[nodiscard]] Constants& constants() { return constants_; }
  /// A float constant of the graph, widened to float32 as it is copied to the card; of none a
  /// constant that is not there. Throws Error{kUnsupported} for another dtype.
  [[nodiscard]] Constant<float> floats(graph::ValueId id);
  /// As floats(), of I8 rows times their scales where there are scales.
  [[nodiscard]] Constant<float> table(graph::ValueId rows, graph::ValueId scales);
  /// The tensor of a linear layer's float weight as it is stored: F32, F16 or BF16.
  [[nodiscard]] std::shared_ptr<const Tensor> stored_floats(graph::ValueId id) const;
  /// The tensor of a float32 constant, checked in the same way.
  [[nodiscard]] std::shared_ptr<const Tensor> tensor(graph::ValueId id) const;

  [[nodiscard]] int array(ArrayKind kind, graph::Symbol symbol = graph::Symbol::kTokens) {
    return arrays_.add({.kind = kind, .symbol = symbol});
  }
  /// kSeenByAll of a rule.
  [[nodiscard]] int seen_by_all(const graph::MergeGlobalAttributes& global) {
    return arrays_.add(
        {.kind = ArrayKind::kSeenByAll, .symbol = graph::Symbol::kTokens, .global = global});
  }
  [[nodiscard]] BatchArrays& arrays() { return arrays_; }

  [[nodiscard]] const std::vector<cpu::QuantizedRows>& copies() const { return copies_; }
  [[nodiscard]] graph::ValueId copy_id(size_t index) const {
    return static_cast<graph::ValueId>(graph_.value_count() + index);
  }
  /// The copy that an integer MatMul reads.
  [[nodiscard]] size_t copy_of(const graph::Node& matmul) const;
  /// The copy that the step which makes x makes too.
  [[nodiscard]] std::optional<size_t> copy_made_with(graph::ValueId x) const;

  /// Whether another node's step does a node's work too (norms_in_tails()), and of a node that does
  /// another's the other.
  [[nodiscard]] bool is_done_elsewhere(size_t node) const {
    return made_at_[node] != static_cast<int>(node);
  }
  [[nodiscard]] const graph::Node* norm_behind(const graph::Node& node) const;

  /// The angles of a Rotary's places, one table for all that turn alike.
  [[nodiscard]] std::shared_ptr<Angles> angles(const graph::Node& rotary);
  [[nodiscard]] const std::vector<std::shared_ptr<Angles>>& all_angles() const { return angles_; }

  [[nodiscard]] cpu::TableLimits& limits() { return limits_; }
  /// Notes so many bytes of weights in a form of the card's.
  void count_packed(size_t bytes) { packed_bytes_ += bytes; }
  [[nodiscard]] size_t packed_bytes() const { return packed_bytes_; }

 private:
  const graph::Graph& graph_;
  graph::FloatArithmetic linear_;
  const cpu::ValueTable& table_;
  const std::vector<cpu::QuantizedRows>& copies_;
  const std::vector<int>& made_at_;
  int capability_;
  Constants constants_;
  BatchArrays arrays_;
  std::vector<std::shared_ptr<Angles>> angles_;
  cpu::TableLimits limits_;
  size_t packed_bytes_ = 0;
};

/// A node's step, by the row of lowering.inc for its op; null for ops that packing a batch does.
[[nodiscard]] std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering);
/// Whether lowering.inc has a row for the op.
[[nodiscard]] bool has_lowering(graph::OpKind op);

/// Whether the kernel that makes the node's output also quantizes the rows of it: its last block
/// of some rows does them (RowTail).
[[nodiscard]] bool has_row_tail(const graph::Graph& graph, const graph::Node& node,
                                graph::FloatArithmetic linear);
/// Of each node the one that makes its output: a norm's rows, where they are short, are made by the
/// integer MatMul before it, all others by their own.
[[nodiscard]] std::vector<int> norms_in_tails(const graph::Graph& graph,
                                              graph::FloatArithmetic linear);
/// Whether an attention runs on tensor instructions.
[[nodiscard]] bool runs_in_tiles(const graph::Graph& graph, const graph::Node& attention,
                                 graph::FloatArithmetic linear);

/// Throws Error{kUnsupported} naming the node.
[[noreturn]] void refuse(const graph::Node& node, const std::string& why);
/// Throws Error{kUnsupported} unless the ids that the node reads are those of the batch's tokens.
void require_batch_ids(const graph::Node& node, const graph::Graph& graph);

}  // namespace tamis::engines::cuda
