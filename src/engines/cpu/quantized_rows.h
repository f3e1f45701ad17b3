// The quantized copies of values that integer MatMuls read: u8 rows with a scale and a low each.
//
// Is: which copies a plan needs and which step makes each. Is not: the steps
// (lower_quantize_rows.h), or the quantization itself (kernels/cpu/quantize_rows). May use: graph,
// kernels.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tamis::engines::cpu {

/// One copy, shared by all MatMuls that read the same value quantized the same way.
struct QuantizedRows {
  graph::ValueId x = graph::kNoValue;
  graph::ValueId multiplier = graph::kNoValue;
  graph::ValueId offset = graph::kNoValue;
  graph::ValueId outlier_columns = graph::kNoValue;
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t width = 0;
  int first_node = 0;  ///< the node whose step, or the step before it, makes the copy
  int last_node = 0;   ///< the last that reads it
  /// The step that makes x makes the copy too; otherwise a step before `first_node` does.
  bool by_producer = false;
  int64_t alignment = 4;  ///< bytes of u8 in a row are a multiple of this

  /// From one row of u8 to the next.
  [[nodiscard]] int64_t stride() const { return (width + alignment - 1) / alignment * alignment; }

  [[nodiscard]] int64_t bytes_per_row() const;
};

/// The copies that the graph's integer MatMuls need, in the order of their first readers.
[[nodiscard]] std::vector<QuantizedRows> find_quantized_rows(const graph::Graph& graph,
                                                             graph::FloatArithmetic linear);

}  // namespace tamis::engines::cpu
