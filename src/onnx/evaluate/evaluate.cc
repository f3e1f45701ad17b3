#include "onnx/evaluate/evaluate.h"

#include <algorithm>
#include <cstdint>

namespace tamis::onnx {

namespace {

// Operators of any number of inputs have no optional ones.
constexpr size_t kAny = SIZE_MAX;

struct EvaluationRow {
  std::string_view op;
  Evaluation function;
  size_t fewest;
  size_t most;
};
constexpr EvaluationRow kEvaluations[] = {
#define X(op, function, fewest, most) {#op, function, fewest, most},
#include "onnx/evaluate/evaluations.inc"
#undef X
};

const EvaluationRow* find(const Operation& op) {
  if (!is_own_operator(op.node())) return nullptr;
  for (const EvaluationRow& row : kEvaluations) {
    if (row.op == op.type()) return &row;
  }
  return nullptr;
}

// What functions look at is there.
void check_inputs(const Operation& op, const Inputs& inputs, const EvaluationRow& row) {
  if (inputs.size() > row.most) {
    fail(ErrorCode::kCorruptData, op.label(), ": ", inputs.size(), " inputs; at most ", row.most,
         " are expected");
  }
  const size_t needed = row.most == kAny ? std::max(row.fewest, inputs.size()) : row.fewest;
  for (size_t i = 0; i < needed; ++i) {
    if (i < inputs.size() && inputs[i] != nullptr) continue;
    fail(ErrorCode::kCorruptData, op.label(), ": input ", i, " is missing");
  }
}

}  // namespace

std::vector<Array> evaluate(const Operation& op, const Inputs& inputs) {
  const EvaluationRow* row = find(op);
  if (row == nullptr) {
    op.refuse("this operator is not built for values that follow from ids and sizes");
  }
  check_inputs(op, inputs, *row);
  try {
    return row->function(op, inputs);
  } catch (const Error& error) {
    const std::string label = op.label();
    if (std::string_view(error.what()).starts_with(label)) throw;
    fail(error.code(), label, ": ", error.what());
  }
}

}  // namespace tamis::onnx
