#include "runtime/storage.h"

#include <algorithm>

namespace tamis::runtime {

namespace {

bool has_enabled_mark(const graph::Node& node, int32_t operand) {
  return std::any_of(
      node.quantizers.begin(), node.quantizers.end(),
      [&](const graph::Quantizer& mark) { return mark.operand == operand && mark.enabled; });
}

Arithmetic arithmetic_of_matmul(const graph::Graph& graph, const graph::Node& node,
                                const PlanOptions& options) {
  constexpr size_t kWeightScale = 4;
  const bool quantized = node.input(kWeightScale) != graph::kNoValue ||
                         (has_enabled_mark(node, 0) && has_enabled_mark(node, 1));
  if (quantized && !options.simulate_quantization) return Arithmetic::kS8;
  // A row a sequence is too little work to pay for any rounding.
  const bool by_tokens = graph::counts_tokens(graph.value(node.output).shape.symbol());
  return options.float_arithmetic == FloatArithmetic::kBf16 && by_tokens ? Arithmetic::kBf16
                                                                         : Arithmetic::kF32;
}

/// What decides for one node.
struct Chooser {
  const graph::Graph& graph;
  const PlanOptions& options;

  // The step of such a node can round its output.
  [[nodiscard]] bool writes_bf16(const graph::Node& node) const {
    return (node.op == graph::OpKind::kMatMul || node.op == graph::OpKind::kAttention) &&
           arithmetic_of(graph, node, options) != Arithmetic::kF32;
  }

  // The step of such a node moves rows of any type: what reads them decides.
  [[nodiscard]] static bool copies_rows(const graph::Node& node) {
    return node.op == graph::OpKind::kSelectTokens || node.op == graph::OpKind::kSelectFirstTokens;
  }

  // The step of such a node takes input `operand` as bf16, because it rounds it anyway or loses
  // less than its own arithmetic does.
  [[nodiscard]] bool reads_bf16(const graph::Node& node, size_t operand) const {
    if (copies_rows(node)) return !graph.is_output(node.output) && read_as_bf16_only(node.output);
    if (node.op == graph::OpKind::kAttention) {
      return arithmetic_of(graph, node, options) == Arithmetic::kBf16;
    }
    if (node.op != graph::OpKind::kMatMul || operand != 0) return false;
    // Rows are read in pairs of columns.
    const bool even = graph.value(node.inputs[0]).shape[1].size % 2 == 0;
    return even && arithmetic_of(graph, node, options) == Arithmetic::kBf16;
  }

  // An integer MatMul's input is quantized to 8 bits next: half precision loses a sixteenth of what
  // that does at the top of a row's range, less below it.
  [[nodiscard]] bool reads_f16(const graph::Node& node, size_t operand) const {
    if (copies_rows(node)) return !graph.is_output(node.output) && read_as_f16_only(node.output);
    return node.op == graph::OpKind::kMatMul && operand == 0 &&
           arithmetic_of(graph, node, options) == Arithmetic::kS8;
  }

  [[nodiscard]] bool read_as_f16_only(graph::ValueId value) const {
    const std::vector<int> consumers = graph.consumers(value);
    return !consumers.empty() && std::all_of(consumers.begin(), consumers.end(), [&](int consumer) {
      const graph::Node& node = graph.nodes()[static_cast<size_t>(consumer)];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == value && !reads_f16(node, i)) return false;
      }
      return true;
    });
  }

  [[nodiscard]] bool read_as_bf16_only(graph::ValueId value) const {
    for (const int consumer : graph.consumers(value)) {
      const graph::Node& node = graph.nodes()[static_cast<size_t>(consumer)];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == value && !reads_bf16(node, i)) return false;
      }
    }
    return true;
  }
};

}  // namespace

Arithmetic arithmetic_of(const graph::Graph& graph, const graph::Node& node,
                         const PlanOptions& options) {
  if (node.op == graph::OpKind::kMatMul) return arithmetic_of_matmul(graph, node, options);
  const bool bf16 =
      node.op == graph::OpKind::kAttention && !options.simulate_quantization &&
      node.attribute<graph::AttentionAttributes>().arithmetic == FloatArithmetic::kBf16;
  return bf16 ? Arithmetic::kBf16 : Arithmetic::kF32;
}

void set_attention_arithmetic(graph::Graph& graph, graph::FloatArithmetic arithmetic) {
  for (graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kAttention) continue;
    std::get<graph::AttentionAttributes>(node.attributes).arithmetic = arithmetic;
  }
}

void choose_storage(graph::Graph& graph, const PlanOptions& options) {
  const Chooser chooser{graph, options};
  for (const graph::Node& node : graph.nodes()) {
    graph::Value& value = graph.value(node.output);
    if (value.dtype != DType::kF32 || graph.is_output(node.output)) continue;
    if (Chooser::copies_rows(node)) {
      value.dtype = graph.value(node.inputs[0]).dtype;
      continue;
    }
    if (chooser.writes_bf16(node) && chooser.read_as_bf16_only(node.output)) {
      value.dtype = DType::kBF16;
    }
    const bool rounds = node.op == graph::OpKind::kAttention
                            ? arithmetic_of(graph, node, options) == Arithmetic::kBf16
                            : arithmetic_of(graph, node, options) == Arithmetic::kS8;
    if (rounds && chooser.read_as_f16_only(node.output)) {
      value.dtype = DType::kF16;
    }
  }
}

}  // namespace tamis::runtime
