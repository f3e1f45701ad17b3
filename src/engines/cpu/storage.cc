#include "engines/cpu/storage.h"

#include <algorithm>

namespace tamis::engines::cpu {

using graph::FloatArithmetic;
using graph::Operand;

namespace {

Arithmetic arithmetic_of_linear(const graph::Graph& graph, const graph::Node& node,
                                FloatArithmetic linear) {
  const bool quantized =
      graph::has_integer_weight(node) ||
      (node.enabled_mark(Operand::kX) != nullptr && node.enabled_mark(Operand::kWeight) != nullptr);
  if (quantized) return Arithmetic::kS8;
  // A row a sequence is too little work to pay for any rounding.
  const bool by_tokens = graph::counts_tokens(graph.value(node.output).shape.symbol());
  return linear == FloatArithmetic::kBf16 && by_tokens ? Arithmetic::kBf16 : Arithmetic::kF32;
}

// Whether each operand of the node that is the value fits.
template <typename Fits>
bool all_reads(const graph::Node& node, graph::ValueId value, const Fits& fits) {
  const auto operands = graph::op_info(node.op).operands();
  return std::all_of(operands.begin(), operands.end(), [&](const graph::OperandSlot& slot) {
    return node.operand(slot.operand) != value || fits(slot.operand);
  });
}

/// What decides for one node.
struct Chooser {
  const graph::Graph& graph;
  FloatArithmetic linear;

  // The step of such a node can round its output.
  [[nodiscard]] bool writes_bf16(const graph::Node& node) const {
    if (rounds_rows(node)) return true;
    return (graph::is_linear(node) || node.op == graph::OpKind::kAttention) &&
           arithmetic_of(graph, node, linear) != Arithmetic::kF32;
  }

  // The step of such a node moves rows of any type: what reads them decides.
  [[nodiscard]] static bool copies_rows(const graph::Node& node) {
    return node.op == graph::OpKind::kSelectTokens || node.op == graph::OpKind::kSelectFirstTokens;
  }

  // Such a node computes in float between what it reads and what it writes, of few bits or many.
  [[nodiscard]] static bool rounds_rows(const graph::Node& node) {
    return node.op == graph::OpKind::kGlu || node.op == graph::OpKind::kRotary;
  }

  // The step of such a node takes input `operand` as bf16, because it rounds it anyway or loses
  // less than its own arithmetic does.
  [[nodiscard]] bool reads_bf16(const graph::Node& node, Operand operand) const {
    const bool passes_on = copies_rows(node) || node.op == graph::OpKind::kGlu;
    if (passes_on) return !graph.is_output(node.output) && read_as_bf16_only(node.output);
    if (node.op == graph::OpKind::kAttention) {
      const bool row = operand == Operand::kQ || operand == Operand::kK || operand == Operand::kV;
      return row && arithmetic_of(graph, node, linear) == Arithmetic::kBf16;
    }
    if (!graph::is_linear(node) || operand != Operand::kX) return false;
    // Rows are read in pairs of columns.
    const bool even = graph.value(node.operand(Operand::kX)).shape[1].size % 2 == 0;
    return even && arithmetic_of(graph, node, linear) == Arithmetic::kBf16;
  }

  // An integer MatMul's input is quantized to 8 bits next: half precision loses a sixteenth of what
  // that does at the top of a row's range, less below it.
  [[nodiscard]] bool reads_f16(const graph::Node& node, Operand operand) const {
    const bool passes_on = copies_rows(node) || node.op == graph::OpKind::kGlu;
    if (passes_on) return !graph.is_output(node.output) && read_as_f16_only(node.output);
    // What turns is rounded to bf16 behind it, and would lose as much again in front.
    if (node.op == graph::OpKind::kRotary) {
      return operand == Operand::kX && !graph.is_output(node.output) &&
             read_as_bf16_only(node.output);
    }
    return graph::is_linear(node) && operand == Operand::kX &&
           arithmetic_of(graph, node, linear) == Arithmetic::kS8;
  }

  [[nodiscard]] bool read_as_f16_only(graph::ValueId value) const {
    const std::vector<int> consumers = graph.consumers(value);
    return !consumers.empty() && std::all_of(consumers.begin(), consumers.end(), [&](int consumer) {
      const graph::Node& node = graph.nodes()[static_cast<size_t>(consumer)];
      return all_reads(node, value, [&](Operand operand) { return reads_f16(node, operand); });
    });
  }

  [[nodiscard]] bool read_as_bf16_only(graph::ValueId value) const {
    const std::vector<int> consumers = graph.consumers(value);
    return std::all_of(consumers.begin(), consumers.end(), [&](int consumer) {
      const graph::Node& node = graph.nodes()[static_cast<size_t>(consumer)];
      return all_reads(node, value, [&](Operand operand) { return reads_bf16(node, operand); });
    });
  }
};

}  // namespace

Arithmetic arithmetic_of(const graph::Graph& graph, const graph::Node& node,
                         FloatArithmetic linear) {
  if (graph::is_linear(node)) return arithmetic_of_linear(graph, node, linear);
  const bool bf16 =
      node.op == graph::OpKind::kAttention &&
      node.attribute<graph::AttentionAttributes>().arithmetic == FloatArithmetic::kBf16;
  return bf16 ? Arithmetic::kBf16 : Arithmetic::kF32;
}

std::vector<DType> choose_storage(const graph::Graph& graph, FloatArithmetic linear) {
  std::vector<DType> storage(graph.value_count());
  for (size_t i = 0; i < storage.size(); ++i) {
    storage[i] = graph.value(static_cast<graph::ValueId>(i)).dtype;
  }
  const Chooser chooser{graph, linear};
  for (const graph::Node& node : graph.nodes()) {
    DType& dtype = storage[static_cast<size_t>(node.output)];
    if (dtype != DType::kF32 || graph.is_output(node.output)) continue;
    if (Chooser::copies_rows(node)) {
      dtype = storage[static_cast<size_t>(node.operand(Operand::kX))];
      continue;
    }
    if (chooser.writes_bf16(node) && chooser.read_as_bf16_only(node.output)) dtype = DType::kBF16;
    const Arithmetic arithmetic = arithmetic_of(graph, node, linear);
    const bool rounds = arithmetic != Arithmetic::kF32 || node.op == graph::OpKind::kGlu;
    if (rounds && chooser.read_as_f16_only(node.output)) dtype = DType::kF16;
  }
  return storage;
}

}  // namespace tamis::engines::cpu
