#include "quant/cost.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

namespace tamis::quant {

using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::OpKind;

namespace {

struct CostRow {
  Isa isa;
  CostOp op;
  int64_t n;
  int64_t k;
  double ns;
};

#define TAMIS_COST(isa, op, rows, columns, ns) {Isa::k##isa, CostOp::k##op, rows, columns, ns},
constexpr CostRow kAmdZen4[] = {
#include "quant/costs/amd_zen4.inc"
};
constexpr CostRow kIntelEmeraldRapids[] = {
#include "quant/costs/intel_emerald_rapids.inc"
};
#undef TAMIS_COST

}  // namespace

struct CostTable {
  std::string_view name;
  std::string_view vendor;
  int family;
  int model;
  std::span<const CostRow> rows;
};

namespace {

constexpr CostTable kTables[] = {
    {"amd_zen4", "AuthenticAMD", 25, 17, kAmdZen4},
    {"intel_emerald_rapids", "GenuineIntel", 6, 207, kIntelEmeraldRapids},
};

// The highest set of `isas` that has rows of the op; avx2 for none.
Isa row_isa(const CostTable& table, CostOp op, IsaSet isas) {
  Isa best = Isa::kAvx2;
  for (const CostRow& row : table.rows) {
    if (row.op == op && isas.has(row.isa) && row.isa > best) best = row.isa;
  }
  return best;
}

// How far apart two sizes are, in powers of two.
double distance(int64_t a, int64_t b) {
  return std::abs(std::log2(static_cast<double>(a) / static_cast<double>(b)));
}

int64_t columns(const Graph& graph, graph::ValueId id) {
  const graph::SymbolicShape& shape = graph.value(id).shape;
  return shape.rank() < 2 ? 1 : shape[1].size;
}

// Of an attention's tables of positions together.
int64_t position_rows(const Graph& graph, const Node& attention) {
  int64_t rows = 0;
  for (const Operand table : {Operand::kPositionKeys, Operand::kPositionQueries}) {
    if (attention.has(table)) rows += graph.value(attention.operand(table)).shape[0].size;
  }
  return rows;
}

}  // namespace

std::string_view table_name(const CostTable& table) { return table.name; }

const CostTable& nearest_cost_table(const CpuId& id) {
  const auto apart = [&](const CostTable& table) {
    return std::tuple(table.vendor != id.vendor, std::abs(table.family - id.family),
                      std::abs(table.model - id.model));
  };
  return *std::ranges::min_element(kTables, {}, apart);
}

double table_ns(const CostTable& table, CostOp op, int64_t n, int64_t k, IsaSet isas) {
  const Isa isa = row_isa(table, op, isas);
  const CostRow* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  n = std::max<int64_t>(1, n);
  k = std::max<int64_t>(1, k);
  for (const CostRow& row : table.rows) {
    if (row.op != op || row.isa != isa) continue;
    const double apart = distance(n, row.n) + distance(k, row.k);
    if (apart >= least) continue;
    least = apart;
    nearest = &row;
  }
  if (nearest == nullptr) return 0;
  const double work = static_cast<double>(n) * static_cast<double>(k) /
                      (static_cast<double>(nearest->n) * static_cast<double>(nearest->k));
  return nearest->ns * work;
}

namespace {

CostOp float_gemm(const CostModel& model) {
  const bool bf16 = model.bf16 && model.isas.has(Isa::kAvx512Bf16);
  return bf16 ? CostOp::kGemmBf16 : CostOp::kGemmF32;
}

// An ExpertMatMul costs what one expert's product does, for each of a row's.
double experts_ns(const Graph& graph, const Node& product, const CostModel& model) {
  const graph::Value& weight = graph.value(product.operand(Operand::kWeight));
  const int64_t top_k = columns(graph, product.operand(Operand::kRoutes)) / 2;
  const int64_t n = columns(graph, product.output) / top_k;
  const CostOp op = weight.dtype == DType::kI8 ? CostOp::kGemmS8 : float_gemm(model);
  return static_cast<double>(top_k) *
         table_ns(*model.table, op, n, weight.shape[1].size, model.isas);
}

}  // namespace

double matmul_ns(const Graph& graph, const Node& matmul, const CostModel& model) {
  if (matmul.op == OpKind::kExpertMatMul) return experts_ns(graph, matmul, model);
  const graph::Value& weight = graph.value(matmul.operand(Operand::kWeight));
  const int64_t n = weight.shape[0].size;
  const int64_t k = weight.shape[1].size;
  if (weight.dtype != DType::kI8) {
    return table_ns(*model.table, float_gemm(model), n, k, model.isas);
  }
  const graph::ValueId outliers = matmul.operand(Operand::kOutlierColumns);
  const int64_t count = outliers == graph::kNoValue ? 0 : graph.value(outliers).shape[0].size;
  return table_ns(*model.table, CostOp::kGemmS8, n, k, model.isas) +
         static_cast<double>(count) * table_ns(*model.table, CostOp::kOutlier, n, 1, model.isas);
}

double row_share(graph::Symbol symbol) {
  constexpr double kTokensASequence = 32;
  switch (symbol) {
    case graph::Symbol::kTokens:
      return 1;
    case graph::Symbol::kSequences:
    case graph::Symbol::kSelected:
    case graph::Symbol::kFirst:
      return 1 / kTokensASequence;
    case graph::Symbol::kPairs:
    case graph::Symbol::kConst:
      return 0;
  }
  return 0;
}

double graph_ns(const Graph& graph, const CostModel& model) {
  double ns = 0;
  for (const Node& node : graph.nodes()) {
    const double share = row_share(graph.value(node.output).shape.symbol());
    const int64_t width = columns(graph, node.output);
    if (graph::is_linear(node)) {
      ns += share * matmul_ns(graph, node, model);
    } else if (node.op == OpKind::kAttention) {
      const auto arithmetic = node.attribute<graph::AttentionAttributes>().arithmetic;
      const bool bf16 = arithmetic == graph::FloatArithmetic::kBf16;
      ns += share * table_ns(*model.table, bf16 ? CostOp::kAttentionBf16 : CostOp::kAttention,
                             width, model.seq, model.isas);
    } else if (node.op == OpKind::kSkipLayerNormalization ||
               node.op == OpKind::kLayerNormalization || node.op == OpKind::kRMSNormalization ||
               node.op == OpKind::kRotary || node.op == OpKind::kGlu ||
               node.op == OpKind::kEmbedLayerNormalization) {
      ns += share * table_ns(*model.table, CostOp::kLayerNorm, width, 1, model.isas);
    }
  }
  return ns;
}

double row_work(const Graph& graph, const Node& node, int64_t seq) {
  const int64_t width = columns(graph, node.output);
  if (node.op == OpKind::kAttention) {
    return static_cast<double>(width * (2 * seq + position_rows(graph, node)));
  }
  if (!graph::is_linear(node)) return 0;
  return static_cast<double>(width * columns(graph, node.operand(Operand::kWeight)));
}

double integer_work(const Graph& graph, const Node& node, int64_t seq) {
  const auto on = [&node](Operand operand) { return node.enabled_mark(operand) != nullptr; };
  if (node.op == OpKind::kAttention) {
    const bool scores = on(Operand::kQ) && on(Operand::kK);
    const bool context = on(Operand::kProbabilities) && on(Operand::kV);
    const int64_t keys = (scores ? seq : 0) + (context ? seq : 0);
    return static_cast<double>(columns(graph, node.output) * keys);
  }
  return graph::has_integer_weight(node) ? row_work(graph, node, seq) : 0;
}

double float_work(const Graph& graph) {
  double all = 0;
  double in_float = 0;
  for (const Node& node : graph.nodes()) {
    const double share = row_share(graph.value(node.output).shape.symbol());
    const double work = row_work(graph, node);
    all += share * work;
    in_float += share * (work - integer_work(graph, node));
  }
  return all > 0 ? in_float / all : 0;
}

}  // namespace tamis::quant
