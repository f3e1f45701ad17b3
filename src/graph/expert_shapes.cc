#include "graph/expert_shapes.h"

namespace tamis::graph {

namespace {

// A router of more is a damaged file.
constexpr int64_t kMostExperts = 4096;

SymbolicShape infer_route_tokens(const Rule& rule, const Node& node) {
  const SymbolicShape& x = rule.rows(Operand::kX);
  const int64_t n = rule.table(Operand::kWeight);
  const Value& weight = rule.value(Operand::kWeight);
  rule.expect(weight.dtype == DType::kF32 && n == x[1].size, Operand::kWeight,
              cat("F32[experts, ", x[1].size, "]"));
  const int64_t experts = weight.shape[0].size;
  const int64_t top_k = node.attribute<RouteTokensAttributes>().top_k;
  if (experts > kMostExperts || top_k < 1 || top_k > experts) {
    rule.refuse("the first ", top_k, " of ", experts, " experts");
  }
  return {x[0], Dim::of(2 * top_k)};
}

// The experts of a row, by its routes, which have the rows of x.
int64_t routed_experts(const Rule& rule) {
  const SymbolicShape& routes = rule.rows(Operand::kRoutes);
  rule.expect(routes[0] == rule.rows(Operand::kX)[0] && routes[1].size % 2 == 0 &&
                  routes[1].size > 0 && routes[1].size <= 2 * kMostExperts,
              Operand::kRoutes, "F32 rows [R, 2 * top_k] beside those of x");
  return routes[1].size / 2;
}

SymbolicShape infer_expert_matmul(const Rule& rule, const Node& node) {
  const int64_t experts = node.attribute<ExpertMatMulAttributes>().experts;
  const int64_t top_k = routed_experts(rule);
  const bool integers = rule.has(Operand::kWeightScale);
  const int64_t k = rule.table(Operand::kWeight);
  const Value& weight = rule.value(Operand::kWeight);
  rule.expect(integers ? weight.dtype == DType::kI8 : is_stored_float(weight.dtype),
              Operand::kWeight, "F32, F16 or BF16, or I8 where there is a weight_scale");
  const int64_t rows = weight.shape[0].size;
  if (experts < 1 || experts > kMostExperts || rows % experts != 0) {
    rule.refuse(experts, " experts do not divide ", rows, " rows of their weight");
  }
  const SymbolicShape& x = rule.rows(Operand::kX);
  rule.expect(x[1].size == k || x[1].size == top_k * k, Operand::kX,
              cat("rows of ", k, " or ", top_k * k));
  if (integers) rule.expect_vector(Operand::kWeightScale, rows);
  return {x[0], Dim::of(top_k * (rows / experts))};
}

SymbolicShape infer_combine_experts(const Rule& rule) {
  const int64_t top_k = routed_experts(rule);
  const SymbolicShape& x = rule.rows(Operand::kX);
  rule.expect(x[1].size % top_k == 0, Operand::kX, cat("F32 rows [R, ", top_k, " * n]"));
  return {x[0], Dim::of(x[1].size / top_k)};
}

}  // namespace

SymbolicShape infer_experts(const Rule& rule, const Node& node) {
  switch (node.op) {
    case OpKind::kRouteTokens:
      return infer_route_tokens(rule, node);
    case OpKind::kExpertMatMul:
      return infer_expert_matmul(rule, node);
    default:
      return infer_combine_experts(rule);
  }
}

}  // namespace tamis::graph
