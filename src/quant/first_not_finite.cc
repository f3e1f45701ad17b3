#include "quant/first_not_finite.h"

#include <algorithm>
#include <cmath>

#include "graph/mark_switches.h"
#include "quant/token_rows.h"

namespace tamis::quant {

std::string first_not_finite(graph::Graph graph, const engine::PackedBatch& batch,
                             ThreadPool& pool) {
  graph = graph::without_marks(std::move(graph));
  graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kF32);
  PartialRun run(graph, batch, pool, {});
  const auto not_finite = [](const graph::Node&, std::span<const float> rows) {
    return !std::ranges::all_of(rows, [](float x) { return std::isfinite(x); });
  };
  const graph::Node* const found = find_token_rows(graph, run, not_finite);
  return found == nullptr ? std::string() : found->scope;
}

}  // namespace tamis::quant
