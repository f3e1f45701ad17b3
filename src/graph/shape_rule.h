// What shape rules are written with.
//
// Is: private to this module's rules (infer_shapes). Is not: a rule. May use: graph.
#pragma once

#include <string_view>

#include "base/error.h"
#include "graph/graph.h"
#include "tensor/widened.h"

namespace tamis::graph {

/// One node under inspection: its operands' types, and complaints that name it.
class Rule {
 public:
  Rule(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kInvalidArgument, op_name(node_.op), " at \"", node_.scope, "\": ", parts...);
  }

  [[nodiscard]] const Value& value(Operand operand) const {
    const ValueId id = node_.operand(operand);
    if (id == kNoValue) refuse("operand ", operand_name(operand), " is missing");
    return graph_.value(id);
  }
  [[nodiscard]] bool has(Operand operand) const { return node_.has(operand); }
  [[nodiscard]] const SymbolicShape& shape(Operand operand) const { return value(operand).shape; }

  void expect(bool condition, Operand operand, std::string_view wanted) const {
    if (condition) return;
    refuse(operand_name(operand), " \"", value(operand).name, "\" is ",
           dtype_name(value(operand).dtype), shape(operand).to_string(), ", expected ", wanted);
  }

  /// A float matrix whose rows are counted by a symbol.
  const SymbolicShape& rows(Operand operand) const {
    const SymbolicShape& s = shape(operand);
    expect(
        value(operand).dtype == DType::kF32 && s.rank() == 2 && !s[0].is_const() && s[1].is_const(),
        operand, "F32 rows [T|B|S|F, n]");
    return s;
  }
  /// Rows counted by tokens.
  const SymbolicShape& token_rows(Operand operand) const {
    const SymbolicShape& s = rows(operand);
    expect(s[0].symbol == Symbol::kTokens, operand, "F32 rows [T, n]");
    return s;
  }
  void expect_ids(Operand operand) const {
    expect(value(operand).dtype == DType::kI32 &&
               shape(operand) == SymbolicShape{Dim::of(Symbol::kTokens)},
           operand, "I32[T]");
  }
  void expect_vector(Operand operand, int64_t n) const {
    expect(is_constant(operand) && value(operand).dtype == DType::kF32 &&
               shape(operand).rank() == 1 && shape(operand)[0].size == n,
           operand, cat("a constant F32[", n, "]"));
  }
  void expect_same(Operand operand, const SymbolicShape& wanted) const {
    expect(value(operand).dtype == DType::kF32 && shape(operand) == wanted, operand,
           cat("F32", wanted.to_string()));
  }
  /// A constant [rows, n]; the number of columns.
  int64_t table(Operand operand) const {
    expect(is_constant(operand) && shape(operand).rank() == 2, operand, "a constant [rows, n]");
    return shape(operand)[1].size;
  }
  /// A constant [rows, n] of floats as they are stored; the number of columns.
  int64_t float_table(Operand operand) const {
    const int64_t n = table(operand);
    expect(is_stored_float(value(operand).dtype), operand, "F32, F16 or BF16");
    return n;
  }
  /// The table of token ids: floats, or I8 rows with a scale each.
  int64_t token_table() const {
    if (!has(Operand::kWeightScale)) return float_table(Operand::kTable);
    const int64_t n = table(Operand::kTable);
    expect(value(Operand::kTable).dtype == DType::kI8, Operand::kTable,
           "I8 rows, where there is a weight_scale");
    expect_vector(Operand::kWeightScale, shape(Operand::kTable)[0].size);
    return n;
  }
  [[nodiscard]] bool is_constant(Operand operand) const {
    return graph_.is_constant(node_.operand(operand));
  }

 private:
  const Graph& graph_;
  const Node& node_;
};

}  // namespace tamis::graph
