#include "onnx/evaluate.h"

namespace tamis::onnx {

namespace {

struct EvaluationRow {
  std::string_view op;
  Evaluation function;
};
constexpr EvaluationRow kEvaluations[] = {
#define X(op, function) {#op, function},
#include "onnx/evaluations.inc"
#undef X
};

Evaluation find(std::string_view op) {
  for (const EvaluationRow& row : kEvaluations) {
    if (row.op == op) return row.function;
  }
  return nullptr;
}

// Fewer inputs than these and no function may look at the first.
size_t least_inputs(std::string_view op) {
  if (op == "Constant") return 0;
  if (op == "Where" || op == "Range") return 3;
  constexpr std::string_view kTwo[] = {"Add",
                                       "Sub",
                                       "Mul",
                                       "Div",
                                       "Mod",
                                       "Pow",
                                       "Equal",
                                       "Less",
                                       "LessOrEqual",
                                       "Greater",
                                       "GreaterOrEqual",
                                       "And",
                                       "Or",
                                       "Xor",
                                       "Gather",
                                       "GatherND",
                                       "GatherElements",
                                       "Expand",
                                       "Tile",
                                       "CumSum",
                                       "QuantizeLinear",
                                       "DequantizeLinear"};
  for (const std::string_view name : kTwo) {
    if (name == op) return 2;
  }
  return 1;
}

}  // namespace

std::vector<Array> evaluate(const Operation& op, const Inputs& inputs) {
  const auto& node = op.node();
  const bool own = node.domain.empty() || node.domain == "ai.onnx";
  const Evaluation function = own ? find(op.type()) : nullptr;
  if (function == nullptr) {
    op.refuse("this operator is not built for values that follow from ids and sizes");
  }
  const size_t least = least_inputs(op.type());
  for (size_t i = 0; i < least; ++i) {
    if (i < inputs.size() && inputs[i] != nullptr) continue;
    fail(ErrorCode::kCorruptData, op.label(), ": input ", i, " is missing");
  }
  try {
    return function(op, inputs);
  } catch (const Error& error) {
    const std::string label = op.label();
    if (std::string_view(error.what()).starts_with(label)) throw;
    fail(error.code(), label, ": ", error.what());
  }
}

}  // namespace tamis::onnx
