// The quantized copies of values that integer MatMuls read: u8 rows with a scale and a low each.
//
// Is: which copies a plan needs, which step makes each, and how one lies in memory. Is not: the
// quantization itself (kernels/cpu/quantize_rows). May use: graph, kernels.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"
#include "runtime/plan.h"
#include "runtime/step.h"

namespace tamis::runtime {

class Lowering;

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

  [[nodiscard]] int64_t bytes_per_row() const;
};

/// The copies that the graph's integer MatMuls need, in the order of their first readers.
[[nodiscard]] std::vector<QuantizedRows> find_quantized_rows(const graph::Graph& graph,
                                                             const PlanOptions& options);

/// Where the parts of a copy of `rows` rows lie: values of outliers, scales, lows, levels.
struct QuantizedView {
  QuantizedView(std::byte* memory, int64_t rows)
      : outliers(reinterpret_cast<float*>(memory)),
        scale(outliers + rows * kernels::kMaxOutliers),
        low(scale + rows),
        q(reinterpret_cast<uint8_t*>(low + rows)) {}

  float* outliers;  // [rows, kMaxOutliers]
  float* scale;     // [rows]
  float* low;       // [rows]
  uint8_t* q;       // [rows, quantized_row_bytes(width)]
};

/// Arguments that quantize rows [begin, begin + rows) of `total` into the copy at `memory`; x is
/// left to the caller. Parameters come from make_quantize_args().
[[nodiscard]] kernels::QuantizeRowsArgs quantize_into(const kernels::QuantizeRowsArgs& parameters,
                                                      std::byte* memory, int64_t total, Share rows);

/// What is the same for all rows. Throws Error{kUnsupported} for constants that are not F32.
[[nodiscard]] kernels::QuantizeRowsArgs make_quantize_args(const QuantizedRows& copy,
                                                           const Lowering& lowering);

/// A copy that the step which makes a value makes too.
struct ProducedCopy {
  graph::ValueId id = graph::kNoValue;  ///< kNoValue: there is none
  kernels::QuantizeRowsArgs parameters;
};
[[nodiscard]] ProducedCopy copy_made_with(graph::ValueId x, const Lowering& lowering);

/// The step that makes the `index`-th copy where its producer does not.
[[nodiscard]] std::unique_ptr<Step> make_quantize_step(size_t index, Lowering& lowering);

}  // namespace tamis::runtime
