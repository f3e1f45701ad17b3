// What operations cost, from tables that were measured once: the prices of the search.
//
// Is: nanoseconds a token on one thread, by CPU, op, shape and instruction set, from the committed
// files of costs/ (`tamis bench --fit-costs` prints one), so that the same input gives the same
// plan on the same kind of CPU. Is not: a clock, or a promise about the machine at hand. May use:
// graph.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/cpu.h"
#include "graph/graph.h"

namespace tamis::quant {

/// What a row of a table measures; n and k are its two sizes.
enum class CostOp : uint8_t {
  kGemmF32,        ///< a row of [n, k]
  kGemmBf16,       ///< the same, with rounding the input
  kGemmS8,         ///< the same, with quantizing the input and its scale and shift
  kOutlier,        ///< one outlier column of kGemmS8, n outputs
  kAttention,      ///< a token of width n against k keys
  kAttentionBf16,  ///< the same in bf16, as BF16 and INT8 plans have it
  kLayerNorm,      ///< a token of width n with its residual
};

/// What one CPU was measured at.
struct CostTable;

/// The table of the CPU that is most like `id`: of its model, else of its family and the nearest
/// model, else of its maker and the nearest family, else of any maker.
[[nodiscard]] const CostTable& nearest_cost_table(const CpuId& id);
/// As reports name it: "amd_zen4".
[[nodiscard]] std::string_view table_name(const CostTable& table);

/// How a plan's linear layers compute where no integers stand.
struct CostModel {
  const CostTable* table = &nearest_cost_table(cpu_id());
  IsaSet isas = detected_isas();
  bool bf16 = false;
  int64_t seq = 128;  ///< keys of attention
};

/// ns a row: the nearest row of the table that the sets have, by the ratio of sizes, times the work
/// it is more. Sets without a row of their own take the next lower one's; the reference kernels
/// avx2's, as only ratios matter.
[[nodiscard]] double table_ns(const CostTable& table, CostOp op, int64_t n, int64_t k, IsaSet isas);

/// A MatMul or an ExpertMatMul as it stands: integer if its weight is.
[[nodiscard]] double matmul_ns(const graph::Graph& graph, const graph::Node& matmul,
                               const CostModel& model);

/// How often a row of this kind comes by for each token: once for tokens, for the rows that a model
/// picks out of them (one a sequence, or the masks) once in 32.
[[nodiscard]] double row_share(graph::Symbol symbol);

/// A token through all nodes of a graph as it is run.
[[nodiscard]] double graph_ns(const graph::Graph& graph, const CostModel& model);

/// Multiplications of one row of a linear layer's product, or of those of an attention: two over
/// `seq` keys, and one with every row of each table of positions; 0 for other ops.
[[nodiscard]] double row_work(const graph::Graph& graph, const graph::Node& node,
                              int64_t seq = 128);

/// Those of row_work() whose operands are both integers: none or all of a linear layer's, and of
/// an attention's those over keys, by the marks of each product.
[[nodiscard]] double integer_work(const graph::Graph& graph, const graph::Node& node,
                                  int64_t seq = 128);

/// The share of a graph's multiplications, a token through all nodes, whose operands are not
/// integers, 0..1.
[[nodiscard]] double float_work(const graph::Graph& graph);

}  // namespace tamis::quant
