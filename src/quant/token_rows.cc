#include "quant/token_rows.h"

namespace tamis::quant {

bool is_token_rows(const graph::Value& value) {
  return value.dtype == DType::kF32 && value.shape.rank() == 2 &&
         value.shape.symbol() == graph::Symbol::kTokens;
}

const graph::Node* find_token_rows(const graph::Graph& graph, PartialRun& run,
                                   const LookAtRows& look) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    const graph::Value& value = graph.value(node.output);
    if (!is_token_rows(value)) continue;
    if (look(node, run.get(value.name))) return &node;
    run.keep_for(i + 1);
  }
  return nullptr;
}

}  // namespace tamis::quant
