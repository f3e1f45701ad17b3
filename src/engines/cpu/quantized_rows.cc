#include "engines/cpu/quantized_rows.h"

#include <algorithm>

#include "engines/cpu/storage.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

// An ExpertMatMul quantizes the rows of each expert as it gathers them.
bool reads_copies(const graph::Graph& graph, const graph::Node& node,
                  graph::FloatArithmetic linear) {
  return graph::is_matmul(node) && arithmetic_of(graph, node, linear) == Arithmetic::kS8;
}

bool same_copy(const QuantizedRows& a, const QuantizedRows& b) {
  return a.x == b.x && a.multiplier == b.multiplier && a.offset == b.offset &&
         a.outlier_columns == b.outlier_columns;
}

// What an integer MatMul reads, but for where it is made.
QuantizedRows copy_for(const graph::Graph& graph, const graph::Node& matmul) {
  QuantizedRows copy;
  copy.x = matmul.operand(Operand::kX);
  copy.multiplier = matmul.operand(Operand::kInputMultiplier);
  copy.offset = matmul.operand(Operand::kInputOffset);
  copy.outlier_columns = matmul.operand(Operand::kOutlierColumns);
  const graph::SymbolicShape& shape = graph.value(copy.x).shape;
  copy.symbol = shape[0].symbol;
  copy.width = shape[1].size;
  return copy;
}

// Whether the copy is all that anything reads of its value.
bool stands_for_all(const graph::Graph& graph, const QuantizedRows& copy,
                    graph::FloatArithmetic linear) {
  const std::vector<int> readers = graph.consumers(copy.x);
  return !graph.is_output(copy.x) && std::ranges::all_of(readers, [&](int reader) {
    const graph::Node& node = graph.nodes()[static_cast<size_t>(reader)];
    return reads_copies(graph, node, linear) && node.operand(Operand::kResidual) != copy.x &&
           same_copy(copy, copy_for(graph, node));
  });
}

// Whether the step of `producer`, which makes the copy's value, can make the copy too. That of a
// Glu then makes nothing else.
bool quantizes_its_output(const graph::Graph& graph, const graph::Node& producer,
                          const QuantizedRows& copy, graph::FloatArithmetic linear) {
  switch (producer.op) {
    case graph::OpKind::kLayerNormalization:
    case graph::OpKind::kSkipLayerNormalization:
    case graph::OpKind::kEmbedLayerNormalization:
      return true;
    case graph::OpKind::kRMSNormalization:
      return producer.attribute<graph::RmsNormAttributes>().heads == 1;
    case graph::OpKind::kGlu:
      return copy.width <= kernels::kMostGluColumns && stands_for_all(graph, copy, linear);
    default:
      return false;
  }
}

}  // namespace

int64_t QuantizedRows::bytes_per_row() const {
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  return stride() + (2 + kMaxOutliers) * kFloat;
}

std::vector<QuantizedRows> find_quantized_rows(const graph::Graph& graph,
                                               graph::FloatArithmetic linear) {
  std::vector<QuantizedRows> copies;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (!reads_copies(graph, node, linear)) continue;
    QuantizedRows copy = copy_for(graph, node);
    copy.first_node = copy.last_node = static_cast<int>(i);
    const auto known = std::find_if(copies.begin(), copies.end(), [&](const QuantizedRows& other) {
      return same_copy(other, copy);
    });
    if (known != copies.end()) {
      known->last_node = static_cast<int>(i);
      continue;
    }
    const int producer = graph.producer(copy.x);
    const bool first_of_x = std::none_of(copies.begin(), copies.end(),
                                         [&](const QuantizedRows& c) { return c.x == copy.x; });
    if (producer >= 0 && first_of_x &&
        quantizes_its_output(graph, graph.nodes()[static_cast<size_t>(producer)], copy, linear)) {
      copy.by_producer = true;
      copy.first_node = producer;
    }
    copies.push_back(copy);
  }
  return copies;
}

}  // namespace tamis::engines::cpu
