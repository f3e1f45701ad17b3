#include "engines/cpu/quantized_rows.h"

#include <algorithm>

#include "engines/cpu/storage.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

bool quantizes_its_output(graph::OpKind op) {
  return op == graph::OpKind::kLayerNormalization || op == graph::OpKind::kSkipLayerNormalization ||
         op == graph::OpKind::kEmbedLayerNormalization;
}

bool same_copy(const QuantizedRows& a, const QuantizedRows& b) {
  return a.x == b.x && a.multiplier == b.multiplier && a.offset == b.offset &&
         a.outlier_columns == b.outlier_columns;
}

}  // namespace

int64_t QuantizedRows::bytes_per_row() const {
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  return kernels::quantized_row_bytes(width) + (2 + kernels::kMaxOutliers) * kFloat;
}

std::vector<QuantizedRows> find_quantized_rows(const graph::Graph& graph,
                                               graph::FloatArithmetic linear) {
  std::vector<QuantizedRows> copies;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (arithmetic_of(graph, node, linear) != Arithmetic::kS8) continue;
    QuantizedRows copy;
    copy.x = node.operand(Operand::kX);
    copy.multiplier = node.operand(Operand::kInputMultiplier);
    copy.offset = node.operand(Operand::kInputOffset);
    copy.outlier_columns = node.operand(Operand::kOutlierColumns);
    const graph::SymbolicShape& shape = graph.value(copy.x).shape;
    copy.symbol = shape[0].symbol;
    copy.width = shape[1].size;
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
        quantizes_its_output(graph.nodes()[static_cast<size_t>(producer)].op)) {
      copy.by_producer = true;
      copy.first_node = producer;
    }
    copies.push_back(copy);
  }
  return copies;
}

}  // namespace tamis::engines::cpu
